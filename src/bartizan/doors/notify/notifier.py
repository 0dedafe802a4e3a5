"""The notifier: a thread that looks for what is new, and one for each channel, so that none waits for another.

state changed ──▶ outbox ──▶ webhook:chat    30 s, 1 min, … 1 h between tries, for 24 h
                        ├──▶ mail            gathered
                        └──▶ syslog
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random

from bartizan.config import Config, Told
from bartizan.core.errors import PolicyError, StoreError
from bartizan.doors.notify.mail import Post
from bartizan.doors.notify.sending import Outcome, Sender
from bartizan.doors.notify.syslog import Lines
from bartizan.doors.notify.webhook import Hook
from bartizan.home import policy_of
from bartizan.home.keys import mail_password, webhook_url
from bartizan.home.notices import What
from bartizan.home.outbox import Outbox, Row, channels
from bartizan.home.policies import PolicyFile
from bartizan.report.logline import Log
from bartizan.store.state import State

LOOK_EVERY_S = 0.5
REVIEW_EVERY_S = 60.0
IDLE_S = 5.0  # A channel looks again by itself, should nobody have woken it.
TROUBLE_S = 5.0
FIRST_RETRY_S, LONGEST_RETRY_S = 30.0, 3600.0
GIVE_UP_US = 24 * 3_600_000_000
LEAST_TRIES = 3  # Also where a notice is a day old because nothing ran for a day.
STOP_S = 4.0


def senders(config: Config, environ: Mapping[str, str]) -> dict[str, Sender]:
    """The configured channels by name, in the order of `home.outbox.channels`."""
    notify = config.notify
    found: dict[str, Sender] = {}
    for channel in channels(config):
        match channel.kind:
            case "webhook":
                hook = notify.webhooks[channel.name.partition(":")[2]]
                found[channel.name] = Hook(partial(webhook_url, hook, environ), secret=not hook.url)
            case "mail":
                found[channel.name] = Post(notify.mail, partial(mail_password, notify.mail, environ))
            case _:
                found[channel.name] = Lines(notify.syslog)
    return found


class Notifier:
    """All channels of a home, from its start to its end."""

    def __init__(
        self,
        config: Config,
        state: State,
        ways: Mapping[str, Sender],
        log: Log,
        *,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        chance: Random | None = None,
    ) -> None:
        self._state, self._log, self._clock_us = state, log, clock_us
        self._policy = PolicyFile(config.policy_path, partial(policy_of, config))
        actions = ("review",) if config.notify.cases is Told.REVIEW else ("review", "justify")
        self._outbox = Outbox(state, self._says, config.console_base, actions)
        self._end = threading.Event()
        chance = chance or Random()
        shared = (self._outbox, log, clock_us, chance, self._end)
        self._ways = [_Way(name, sender, *shared) for name, sender in ways.items()]
        self._looker = threading.Thread(target=self._look, name="outbox", daemon=True)

    def start(self) -> None:
        """Begin. Raises StoreError."""
        self._outbox.adopt([way.name for way in self._ways], self._clock_us())
        for thread in (self._looker, *(way.thread for way in self._ways)):
            thread.start()

    def stop(self) -> None:
        """End soon. A sending that does not end by then is cut; it is tried again at the next start."""
        self._end.set()
        until = time.monotonic() + STOP_S
        for way in self._ways:
            way.woken.set()
        for thread in (self._looker, *(way.thread for way in self._ways)):
            thread.join(max(0.0, until - time.monotonic()))

    def _look(self) -> None:
        version, reviewed_s = -1, float("-inf")
        pause_s = 0.0
        while not self._end.wait(pause_s):
            pause_s = LOOK_EVERY_S
            try:
                now_s, found = time.monotonic(), 0
                if now_s - reviewed_s >= REVIEW_EVERY_S:
                    found, reviewed_s = self._outbox.review(self._clock_us()), now_s
                elif (new := self._state.version()) != version:
                    found, version = self._outbox.follow(self._clock_us()), new
            except StoreError as error:
                self._log.alarm("notice-delayed", channel="all", why=type(error).__name__)
                pause_s = TROUBLE_S
                continue
            if found:
                for way in self._ways:
                    way.woken.set()

    def _says(self, clause: str) -> str:
        try:
            policy = self._policy.policy()
        except PolicyError:
            return ""  # The gateways tell of that; a notice has the clause's id besides.
        return next((found.says for found in policy.clauses if found.id == clause), "")


class _Way:
    """One channel and its thread."""

    def __init__(
        self,
        name: str,
        sender: Sender,
        outbox: Outbox,
        log: Log,
        clock_us: Callable[[], int],
        chance: Random,
        end: threading.Event,
    ) -> None:
        self.name, self._sender, self._outbox, self._log = name, sender, outbox, log
        self._clock_us, self._chance, self._end = clock_us, chance, end
        self._unmarked: Sequence[Row] = ()
        self.woken = threading.Event()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        while not self._end.is_set():
            self.woken.clear()
            try:
                pause_s = self._round()
            except StoreError as error:
                self._log.alarm("notice-delayed", channel=self.name, why=type(error).__name__)
                pause_s = TROUBLE_S
            if pause_s < 0:
                self.woken.wait(IDLE_S)
            else:
                self._end.wait(pause_s)

    def _round(self) -> float:
        """Send what is due. How long to wait then; less than 0: until there is more."""
        if self._unmarked:  # Sent, and not marked for lack of room, say: first that, or it is sent again and again.
            self._outbox.settled(self._unmarked, self._clock_us())
            self._unmarked = ()
        now_us, sender = self._clock_us(), self._sender
        rows = self._outbox.due(self.name, now_us, sender.at_once)
        if not rows or not self._may(rows, now_us):
            return -1.0
        outcome = sender.send([row.notice for row in rows], now_us / 1e6)
        now_us = self._clock_us()
        if outcome.sent:
            self._unmarked = rows
            if outcome.why:
                self._log.event("notice-failed", channel=self.name, why=outcome.why)
            self._outbox.settled(rows, now_us)
            self._unmarked = ()
        else:
            self._failed(rows, outcome, now_us)
        return sender.gap_s

    def _may(self, rows: Sequence[Row], now_us: int) -> bool:
        """Whether it is time: notices are gathered after one was sent. A person waits for a test, and for no other."""
        every_us = int(self._sender.every_s * 1e6)
        if not every_us or any(row.notice.what is What.TEST for row in rows):
            return True
        return not 0 <= now_us - self._outbox.last_sent_us(self.name) < every_us

    def _failed(self, rows: Sequence[Row], outcome: Outcome, now_us: int) -> None:
        over = [row for row in rows if outcome.for_good or _over(row, now_us)]
        left = [row for row in rows if row not in over]
        if over:
            self._outbox.given_up(over, now_us, outcome.why)
            self._log.event("notice-failed", channel=self.name, why=outcome.why)
        if left:
            wait_s = min(FIRST_RETRY_S * 2 ** min(left[0].tries, 16), LONGEST_RETRY_S) * self._chance.uniform(0.8, 1.2)
            self._outbox.later(left, now_us + int(max(wait_s, outcome.after_s) * 1e6), outcome.why)
            self._log.alarm("notice-delayed", channel=self.name, why=outcome.why)


def _over(row: Row, now_us: int) -> bool:
    return now_us - row.created_us >= GIVE_UP_US and row.tries + 1 >= LEAST_TRIES
