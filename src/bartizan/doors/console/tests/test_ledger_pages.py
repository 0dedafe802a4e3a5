"""The ledger's pages: whole, damaged, kept by somebody; what is taken along holds; people are opened on record."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import pytest
from running_console import RunningConsole, console

from bartizan.doors.console.pages import export
from bartizan.ledger.checkpoint import read_notes, read_public
from bartizan.ledger.proof import proof_faults
from bartizan.ledger.read import Record, records
from bartizan.store.logfile import logs
from bartizan.vault.accounts import Role

ALICE, HOSTILE = "alice@example.org", "<img src=x>\u202email@example.org"


@pytest.fixture
def up(tmp_path: Path) -> Iterator[RunningConsole]:
    with console(tmp_path / "home") as running:
        yield running


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def decided(up: RunningConsole, count: int = 3, person: str = ALICE, action: str = "block") -> None:
    """Decisions as a gateway records them, and an index that knows them."""
    writer = up.home.writer("gateway-0")
    told = {
        "action": action,
        "app": "chat",
        "clauses": ["no-secrets-out"],
        "direction": "out",
        "door": "gateway",
        "kind": "chat",
        "person": up.home.vault.pseudonym(person),
        "side": "request",
        "target": {"model": "gpt", "provider": "openai"},
        "when_us": 1,
    }
    for number in range(count):
        writer.append({**told, "exchange": f"X{number:04}"}, [("request", b"a secret text")])
    writer.close()
    until(lambda: up.console.index.event(f"X{count - 1:04}"))


def events(up: RunningConsole, *names: str) -> list[Record]:
    return [record for record in records(up.home.path) if record.get("event") in names]


def checked(up: RunningConsole) -> str:
    browser = up.browser(Role.VIEWER)
    assert browser.post("/ledger/verify").headers["location"] == "/ledger"
    up.console.verifier.wait()
    return unescape(browser.get("/ledger").text)


# ---- The record ------------------------------------------------------------------------------------------------------


def test_a_viewer_sees_the_record_and_has_it_checked(up: RunningConsole) -> None:
    decided(up)
    page = up.browser(Role.VIEWER).get("/ledger").text
    assert (
        "was not checked since this console started" in page and "gateway-0.1" in page and "Forget a person" not in page
    )
    page = checked(up)
    assert "The record agrees with itself." in page and "Nothing is kept outside" in page
    assert up.console.verified is not None and not up.console.verified.faults
    value = up.browser(Role.VIEWER).api("GET", "/ledger", token(up)).json
    assert value["state"] == "warn" and value["verified"]["faults"] == []


def token(up: RunningConsole, *roles: Role) -> str:
    who = up.account("-".join(["token", *roles]) + "@example.org", *(roles or (Role.VIEWER,)))
    return up.console.accounts.add_token(who.person, f"t{time.monotonic_ns()}", 1)[1]


def test_while_it_is_checked_the_page_says_how_far(up: RunningConsole) -> None:
    decided(up, 2000)
    assert up.console.verifier.start()
    answer = up.browser(Role.VIEWER).get("/ledger").text
    if "The record is being checked." in answer:  # It may be done already.
        assert 'hx-trigger="every 1s"' in answer and "Load again" in answer
    assert "is under way already" in str(up.browser().api("POST", "/ledger/verify", token(up)).json) or (
        not up.console.verifier.now.running
    )
    up.console.verifier.wait()


def test_checkpoints_kept_outside_are_held_against_the_logs(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    with console(tmp_path / "home", config=f"checkpoint_file: {outside}\n") as up:
        decided(up, 300)
        page = checked(up)
        assert "The record is whole." in page and "Its checkpoints agree, for" in page
        name = logs(up.home.path)[-1].name
        outside.write_text(outside.read_text().replace("\n301\n", "\n302\n"))
        assert "Does not agree" in up.browser(Role.VIEWER).get("/ledger").text, name


def test_what_does_not_hold_is_named(up: RunningConsole) -> None:
    decided(up)
    connection = sqlite3.connect(up.home.path / "log-gateway-0.1.sqlite")
    connection.execute("UPDATE record SET entry = replace(entry, 'block', 'allow') WHERE seq = 2")
    connection.commit()
    connection.close()
    page = checked(up)
    assert "The record does not hold: 1 fault was found." in page and "is not what was signed" in page
    assert "does not hold" in up.browser(Role.VIEWER).get("/account").text  # the foot of every page


def test_a_log_full_of_rubbish_leaves_the_page_standing(up: RunningConsole) -> None:
    decided(up)
    path = up.home.path / "log-gateway-0.1.sqlite"
    raw = bytearray(path.read_bytes())
    raw[:3000] = b"\x00<script>alert(1)</script>" * 120
    path.write_bytes(raw[:3000])
    answer = up.browser(Role.VIEWER).get("/ledger")
    assert answer.status == 200 and "Cannot be read" in answer.text and "<script>alert" not in answer.text
    assert "A log cannot be read." in checked(up)
    assert up.browser(Role.ADMIN).get("/settings").status == 200


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
def test_flipped_bytes_leave_the_page_standing(up: RunningConsole, at: float) -> None:
    decided(up, 300)
    path = up.home.path / "log-gateway-0.1.sqlite"
    raw = bytearray(path.read_bytes())
    first = int(len(raw) * at)
    raw[first : first + 6000] = bytes(byte ^ 0xA5 for byte in raw[first : first + 6000])
    path.write_bytes(raw)
    browser = up.browser(Role.VIEWER)
    assert browser.get("/ledger").status == 200
    page = checked(up)
    assert "does not hold" in page or "cannot be read" in page
    for number in (0, 150, 299):
        assert browser.get(f"/ledger/proof/X{number:04}").status in (200, 400, 503)


def test_a_log_that_somebody_keeps_leaves_the_page_standing(up: RunningConsole) -> None:
    decided(up)
    other = sqlite3.connect(up.home.path / "log-gateway-0.1.sqlite")
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    try:
        answer = up.browser(Role.VIEWER).get("/ledger")
        assert answer.status == 200 and "another process keeps it" in answer.text and "console.1" in answer.text
        assert up.browser(Role.ADMIN).get("/settings").status == 200
    finally:
        other.close()


def test_a_lost_public_key_is_said(up: RunningConsole) -> None:
    decided(up)
    (up.home.path / "signing.pub").unlink()
    assert "No public key" in up.browser(Role.VIEWER).get("/ledger").text
    assert up.browser(Role.VIEWER).get("/ledger/key").status == 400
    assert "came to no result" in checked(up)


# ---- What is taken along ---------------------------------------------------------------------------------------------


def test_a_proof_convinces_somebody_who_has_only_the_public_key(up: RunningConsole) -> None:
    decided(up)
    browser = up.browser(Role.VIEWER)
    publics = read_public(browser.get("/ledger/key").text)
    until(lambda: browser.get("/ledger/proof/X0001").status == 200)
    answer = browser.get("/ledger/proof?exchange=X0001")
    assert answer.headers["content-disposition"] == 'attachment; filename="proof-X0001.json"'
    assert proof_faults(answer.text, publics) == []
    assert proof_faults(answer.text.replace("block", "allow"), publics)
    assert len(read_notes(browser.get("/ledger/checkpoints").text)) >= 2
    for wrong in ("/ledger/proof/nothing", "/ledger/proof?exchange=", "/ledger/proof?exchange=" + "x" * 300):
        assert browser.get(wrong).status == 400
    quoted = browser.get("/ledger/proof/%22%0d%0ax-evil:1")
    assert quoted.status in (400, 404) and "x-evil" not in quoted.headers


def test_a_proof_says_what_it_leaves_out(up: RunningConsole) -> None:
    decided(up)
    for _ in range(150):
        last = up.console.writer.append({"event": "text-opened", "exchange": "X0001", "by": "p-x"})
    up.console.writer.wait(last)
    browser = up.browser(Role.VIEWER)
    until(lambda: browser.get("/ledger/proof/X0001").status == 200)
    told = browser.get("/ledger/proof/X0001").json
    assert len(told["proofs"]) == 100 and told["left_out"] == 51  # type: ignore[arg-type]  # JSON
    assert json.loads(told["proofs"][0]["entry"])["action"] == "block"  # type: ignore[index]  # JSON


def test_records_are_exported_without_texts_by_anybody_who_looks(up: RunningConsole) -> None:
    decided(up)
    browser = up.browser(Role.VIEWER)
    days = "since=2026-01-01&until=2100-01-01"
    lines = [json.loads(line) for line in browser.get(f"/ledger/export?{days}").text.splitlines()]
    assert "X0001" in [line.get("exchange") for line in lines] and "opened" not in str([*lines[-1]])
    ocsf = browser.get(f"/ledger/export?{days}&format=ocsf")
    assert "class_uid" in ocsf.text and "ocsf.jsonl" in ocsf.headers["content-disposition"]
    assert browser.get("/ledger/export?since=2020-01-01&until=2020-01-02").body == b""
    for wrong in (
        "",
        "since=2026-02-30&until=2026-03-01",
        "since=2026-02-02&until=2026-02-01",
        "since=0001-01-01&until=x",
    ):
        assert browser.get(f"/ledger/export?{wrong}").status == 400
    assert browser.post("/ledger/export", {"since": "2026-01-01", "until": "2100-01-01"}).status == 403
    assert not events(up, "exported")


def test_an_export_is_bounded(up: RunningConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    decided(up)
    monkeypatch.setattr(export, "MAX_RECORDS", 2)
    answer = up.browser(Role.VIEWER).get("/ledger/export?since=2026-01-01&until=2100-01-01")
    assert answer.status == 400 and "bartizan ledger export" in answer.text


def test_texts_are_exported_on_record(up: RunningConsole) -> None:
    decided(up)
    answer = up.browser(Role.PRIVACY).post("/ledger/export", {"since": "2026-01-01", "until": "2100-01-01"})
    assert answer.status == 200 and "a secret text" in answer.text
    (event,) = events(up, "exported")
    assert event["person"] == up.account("privacy@example.org").person and event["texts"] is True


# ---- People ----------------------------------------------------------------------------------------------------------


def test_a_person_is_a_pseudonym_until_their_name_is_opened(up: RunningConsole) -> None:
    decided(up, person=HOSTILE)
    who = up.home.vault.pseudonym(HOSTILE)
    page = up.browser(Role.VIEWER).get(f"/people/{who}").text
    assert "3 exchanges in 30 days, 3 of them acted on." in page and "Open the name" not in page and "mail@" not in page
    assert up.browser(Role.ANALYST).post(f"/people/{who}/name").status == 403
    browser = up.browser(Role.PRIVACY)
    assert "Open the name" in browser.get(f"/people/{who}").text and not events(up, "name-opened")
    answer = browser.post(f"/people/{who}/name")
    assert answer.status == 200 and "&lt;img src=x&gt;" in answer.text and "<img src" not in answer.text
    (event,) = events(up, "name-opened")
    assert event["person"] == who and event["by"] == up.account("privacy@example.org").person
    assert "mail@" not in browser.get(f"/people/{who}").text  # not kept anywhere
    assert up.browser().api("POST", f"/people/{who}/name", token(up, Role.PRIVACY)).json["name"] == HOSTILE


def test_nobody_has_no_page(up: RunningConsole) -> None:
    browser = up.browser(Role.PRIVACY)
    for path in ("/people/p-nobody", "/people/%3Cscript%3E", "/ledger/forget/p-nobody"):
        answer = browser.get(path)
        assert answer.status == 404 and "<script>" not in answer.text.replace("<script src", "")
    assert browser.post("/people/p-nobody/name").status == 400


def test_forgetting_shows_its_effect_and_wants_the_name(up: RunningConsole) -> None:
    decided(up)
    who = up.home.vault.pseudonym(ALICE)
    _, secret = up.home.vault.add_key("laptop", ALICE)
    assert up.browser(Role.ADMIN, Role.ANALYST).get(f"/ledger/forget/{who}").status == 403
    browser = up.browser(Role.PRIVACY)
    found = browser.post("/ledger/forget", {"person": ALICE})
    assert (found.status, found.headers["location"]) == (303, f"/ledger/forget/{who}")
    assert len(events(up, "name-opened")) == 1  # by its name somebody learnt whose records these are
    page = browser.get(f"/ledger/forget/{who}").text
    assert (
        "3 records would belong to nobody" in page and "1 gateway key, 1 of them in force" in page and ALICE not in page
    )
    path = f"/ledger/forget/{who}"
    assert browser.post(path, {"confirm": "bob", "why": "asked"}).status == 400
    assert browser.post(path, {"confirm": ALICE, "why": ""}).status == 400
    assert up.home.who(secret) and not events(up, "forgotten")
    assert browser.post(path, {"confirm": ALICE, "why": "asked on paper"}).status == 303
    (event,) = events(up, "forgotten")
    assert event["forgotten"] == who and event["person"] == up.account("privacy@example.org").person
    assert "asked on paper" not in str(event) and up.home.vault.name(who) is None
    assert browser.get(path).status == 404 and "Forgotten" in browser.get(f"/people/{who}").text
    assert browser.post(f"/people/{who}/name").status == 400
    assert "agrees with itself" in checked(up)  # and every proof holds
    assert browser.post("/ledger/forget", {"person": "nobody@example.org"}).status == 400


def test_the_last_admin_cannot_be_forgotten(up: RunningConsole) -> None:
    browser = up.browser(Role.PRIVACY, Role.ADMIN, name="me@example.org")
    who = up.account("me@example.org").person
    assert browser.post(f"/ledger/forget/{who}", {"confirm": who, "why": "me"}).status == 400
    up.account("other@example.org", Role.ADMIN)
    answer = browser.post(f"/ledger/forget/{who}", {"confirm": who, "why": "me"})
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in")
    assert browser.get("/ledger").status == 303  # signed out with it
