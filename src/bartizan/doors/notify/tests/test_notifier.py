"""The notifier with real receivers: retries, patience, gathering, and a kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from receivers import WebhookServer, mail_server, syslog, until, webhook

from bartizan.config import Config, Mail, MailTls, Notify, Syslog, Told, Webhook
from bartizan.config.model import Address
from bartizan.doors.notify import notifier
from bartizan.doors.notify.notifier import GIVE_UP_US, Notifier, senders
from bartizan.home.alarms import Bell, alarms, raise_alarm
from bartizan.home.control import packed
from bartizan.home.outbox import standings
from bartizan.report.logline import Log
from bartizan.store.state import State

NOW = 1_763_879_881_000_000
HOUR_US = 3_600_000_000


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier, "IDLE_S", 0.02)
    monkeypatch.setattr(notifier, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(notifier, "REVIEW_EVERY_S", 0.1)
    monkeypatch.setattr("bartizan.doors.notify.webhook.Hook.gap_s", 0.0)
    monkeypatch.setattr("bartizan.doors.notify.mail.Post.gap_s", 0.0)


class House:
    """A home whose cases are rows, a clock that is set by hand, and what the log said."""

    def __init__(self, home: Path) -> None:
        self.home, self.state, self.now_us = home, State.open(home), NOW
        self.said: list[bytes] = []
        self._number = 0

    def case(self, action: str = "review") -> str:
        self._number += 1
        id_ = f"c-{self._number}"
        with self.state.transaction() as tx:
            tx.change(
                'INSERT INTO case_ (id, state, action, person, clauses, clause_digests, destination, "values", risks, '
                "tell, exchange, writer, created_us, expires_us) VALUES (?, 'open', ?, 'p-1', '[\"a\"]', '[]', 'x', "
                "'{}', '[]', '[]', '', '', ?, ?)",
                (id_, action, self.now_us, self.now_us + 7 * 24 * HOUR_US),
            )
        return id_

    @contextmanager
    def notifier(self, notify: Notify) -> Iterator[Config]:
        config = Config(home=self.home, console_url="https://ai.example.org", notify=notify)
        bell = Bell(self.home, "notifier", lambda: self.now_us)
        log = Log(self.said.append, told=bell.ring)
        state = State.open(self.home)
        running = Notifier(config, state, senders(config, {}), log, clock_us=lambda: self.now_us)
        running.start()
        try:
            yield config
        finally:
            running.stop()
            state.close()
            log.close()
            bell.close()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def hook(server: WebhookServer) -> Notify:
    return Notify(webhooks={"chat": Webhook(url=f"http://127.0.0.1:{server.port}/")})


def test_a_new_case_and_an_alarm_arrive_once(house: House) -> None:
    with webhook() as server, house.notifier(hook(server)) as config:
        house.case()
        until(lambda: server.texts)
        raise_alarm(house.state, "upstream-down", "", {"upstream": "house", "why": "x"}, house.now_us)
        until(lambda: len(server.texts) == 2)
        house.case("justify")
        until(lambda: len(server.texts) == 3)
        until(lambda: standings(house.state, config)[0].waiting == 0)
    assert "review/c-1" in server.texts[0] and "The upstream house does not answer." in server.texts[1]
    assert "a reason from the person who asks" in server.texts[2]
    with webhook() as server, house.notifier(hook(server)):
        house.case()
        until(lambda: server.texts)
    assert len(server.texts) == 1 and "c-3" in server.texts[0]


def test_only_reviews_where_somebody_wants_no_more(house: House) -> None:
    with webhook() as server:
        notify = Notify(Told.REVIEW, {"chat": Webhook(url=f"http://127.0.0.1:{server.port}/")})
        with house.notifier(notify):
            house.case("justify")
            house.case("review")
            until(lambda: server.texts)
    assert len(server.texts) == 1 and "c-2" in server.texts[0] and "c-1|" not in server.texts[0]


def test_what_fails_is_tried_again_later_each_time(house: House) -> None:
    with webhook() as server, house.notifier(hook(server)) as config:
        server.answers += [(500, {}), (429, {"Retry-After": "7200"})]
        house.case()
        until(lambda: standings(house.state, config)[0].error == "HTTP 500")
        next_us = standings(house.state, config)[0].next_us
        assert next_us is not None and 24e6 <= next_us - house.now_us <= 36e6
        house.case()
        house.now_us = next_us - 1
        until(lambda: standings(house.state, config)[0].waiting == 2)
        assert len(server.posts) == 1
        house.now_us = next_us
        until(lambda: standings(house.state, config)[0].error == "HTTP 429")
        assert standings(house.state, config)[0].next_us == next_us + 2 * HOUR_US
        house.now_us = next_us + 2 * HOUR_US
        until(lambda: standings(house.state, config)[0].waiting == 0)
    assert len(server.posts) == 3 and "c-1" in server.texts[2] and "c-2" in server.texts[2]
    assert b"notice-delayed channel=webhook:chat" in b"".join(house.said)


def test_after_a_day_it_is_given_up_and_said(house: House) -> None:
    with webhook() as server, house.notifier(hook(server)) as config:
        server.answers += [(503, {})] * 3
        house.case()
        for tries in (1, 2):
            until(lambda tries=tries: house.state.query("SELECT 1 FROM outbox WHERE tries = ?", (tries,)))  # type: ignore[misc]
            house.now_us += GIVE_UP_US
        until(lambda: standings(house.state, config)[0].given_up == 1)
        until(lambda: alarms(house.state, 0))
        (alarm,) = alarms(house.state, 0)
        assert alarm.says == "Notices to webhook:chat did not arrive (HTTP 503)."
        house.case()
        until(lambda: len(server.posts) == 4)
    assert "did not arrive" not in "".join(server.texts) and "c-2" in server.texts[3]


def test_what_a_receiver_does_not_want_holds_up_nothing(house: House) -> None:
    with webhook() as server, house.notifier(hook(server)) as config:
        server.answers.append((400, {}))
        house.case()
        until(lambda: standings(house.state, config)[0].given_up == 1)
        house.case()
        until(lambda: len(server.posts) == 2)
    assert "c-1" in server.texts[0] and "c-2" in server.texts[1]


def test_one_channel_does_not_wait_for_another(house: House, tmp_path: Path) -> None:
    with webhook() as slow, syslog("unix", tmp_path) as lines:
        slow.wait.clear()
        webhooks = {"chat": Webhook(url=f"http://127.0.0.1:{slow.port}/")}
        with house.notifier(Notify(webhooks=webhooks, syslog=Syslog(lines.address))):
            house.case()
            until(lambda: slow.posts)
            for _ in range(3):
                house.case()
            until(lambda: len(lines.lines) == 4)
            assert len(slow.posts) == 1
            slow.wait.set()
            until(lambda: len(slow.posts) == 2)


def test_mail_is_gathered_after_the_first(house: House) -> None:
    with mail_server() as server:
        mail = Mail(Address("127.0.0.1", server.port), MailTls.NONE, sender="a@b.example", to=("c@d.example",))
        with house.notifier(Notify(mail=mail)) as config:
            house.case()
            until(lambda: len(server.mails) == 1)
            until(lambda: standings(house.state, config)[0].waiting == 0)
            for _ in range(3):
                house.case()
            house.now_us += HOUR_US - 1_000_000
            until(lambda: standings(house.state, config)[0].waiting == 3)
            assert len(server.mails) == 1
            house.now_us += 1_000_000
            until(lambda: len(server.mails) == 2)
            until(lambda: standings(house.state, config)[0].waiting == 0)
    assert b"Subject: Bartizan: A case waits for a person\r\n" in server.mails[0][2]
    assert b"Subject: Bartizan: 3 cases\r\n" in server.mails[1][2]


def test_what_was_sent_and_could_not_be_marked_is_not_sent_again(house: House) -> None:
    with webhook() as server, house.notifier(hook(server)) as config:
        server.wait.clear()
        house.case()
        until(lambda: server.posts)
        with house.state.transaction():  # Longer than anybody waits for it: 5 s.
            server.wait.set()
            until(lambda: b"StoreBusy" in b"".join(house.said))
        until(lambda: standings(house.state, config)[0].waiting == 0)
    assert len(server.posts) == 1


# ---- The process


@contextmanager
def process(config: Config) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """As the supervisor starts it, until it is ready."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-P", "-m", "bartizan.doors.notify.process", str(theirs.fileno())]
    with subprocess.Popen(command, pass_fds=(theirs.fileno(),), stderr=subprocess.PIPE) as running:
        theirs.close()
        ours.settimeout(20)
        ours.sendall(orjson.dumps({"config": packed(config)}) + b"\n")
        try:
            assert json.loads(ours.recv(4096)) == {"ready": running.pid}
            yield running, ours
        finally:
            ours.close()
            running.kill()


@pytest.mark.parametrize("how", ["stop", "gone", "term"])
def test_the_process_ends_when_told_or_left(house: House, how: str) -> None:
    with webhook() as server, process(Config(home=house.home, notify=hook(server))) as (running, control):
        if how == "stop":
            control.sendall(b'{"stop": "asked to"}\n')
        elif how == "gone":
            control.close()
        else:
            running.terminate()
        assert running.wait(10) == 0


def test_a_kill_between_sending_and_marking_loses_nothing(house: House) -> None:
    """At least once: what was sent when the process died is sent again, and nothing that came meanwhile is missing."""
    with webhook() as server:
        config = Config(home=house.home, notify=hook(server))
        with process(config) as (running, _):
            server.wait.clear()
            house.now_us = time.time_ns() // 1000
            house.case()
            until(lambda: server.posts)
            os.kill(running.pid, signal.SIGKILL)
            running.wait(10)
        server.wait.set()
        house.case()
        with process(config):
            # That nothing waits is not enough: the second case may not have been noticed yet.
            until(lambda: "c-2" in "".join(server.texts[1:]) and standings(house.state, config)[0].waiting == 0)
    assert "c-1" in server.texts[0] and "c-1" in server.texts[1]


def test_a_home_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"not a database" * 100)
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-P", "-m", "bartizan.doors.notify.process", str(theirs.fileno())]
    with subprocess.Popen(command, pass_fds=(theirs.fileno(),)) as running:
        theirs.close()
        ours.settimeout(20)
        ours.sendall(orjson.dumps({"config": packed(Config(home=tmp_path))}) + b"\n")
        assert "state.sqlite" in json.loads(ours.recv(4096))["failed"]
        ours.close()
        assert running.wait(10) == 3
