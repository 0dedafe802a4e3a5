"""Log lines: fixed keys, nothing to inject, no flood."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.core.decision import NOTHING, Action, Decision, Edit, How
from bartizan.core.finding import Failure, Finding, Place, Seen, Severity
from bartizan.report.logline import ALARM_EVERY_S, EVENTS, MAX_WAITING, Bare, Log


@dataclass
class Sink:
    """What was written, and a clock that stands still."""

    written: list[bytes] = field(default_factory=list)
    now_s: float = 1_763_879_881.5

    def log(self, *, as_json: bool = False) -> Log:
        return Log(self.written.append, as_json=as_json, now_s=lambda: self.now_s)

    def lines(self) -> list[str]:
        return b"".join(self.written).decode().splitlines()


FOUND = Seen(Finding("secret.x", Severity.HIGH, 0.9, (Place("", 0, 4),), "a key"))
FAILED = Seen(Failure("did not end in time", ("secret.x",)))


def test_a_decision_is_one_line_with_its_keys_in_order() -> None:
    sink = Sink()
    log = sink.log()
    log.decided(Decision(Action.BLOCK, seen=frozenset({FOUND, FAILED})), "request", "01J0", "chat", 3, 0.44)
    log.close()
    (line,) = sink.lines()
    assert line.startswith("2025-11-23T06:38:01Z decided action=block side=request exchange=01J0 kind=chat ")
    assert line.endswith(" detectors=3 findings=1 failures=1 took_ms=0.4")


def test_json_says_the_same() -> None:
    sink = Sink()
    log = sink.log(as_json=True)
    log.decided(NOTHING, "request", "01J0", "text", 3, 1.25)
    log.event("policy-changed", policy='default@1 "quoted"')
    log.close()
    first, second = map(json.loads, sink.lines())
    assert list(first) == [
        "time", "event", "action", "side", "exchange", "kind", "detectors", "findings", "failures", "took_ms",
    ]  # fmt: skip
    assert second["policy"] == 'default@1 "quoted"'


def test_edits_alone_are_called_redact() -> None:
    sink = Sink()
    log = sink.log()
    log.decided(Decision(edits=frozenset({Edit("", 0, 1, How.REDACT, "█")})), "request", "01J0", "text", 1, 0)
    log.close()
    assert " action=redact " in sink.lines()[0]


@given(st.text(), st.booleans())
def test_no_text_makes_a_second_line_or_a_second_key(text: str, as_json: bool) -> None:
    sink = Sink()
    log = sink.log(as_json=as_json)
    log.event("upstream-down", upstream="mine", why=text)
    log.close()
    data = b"".join(sink.written)
    assert data.count(b"\n") == 1 and data.endswith(b"\n")
    assert all(32 <= byte < 127 for byte in data[:-1])
    if as_json:
        assert list(json.loads(data)) == ["time", "event", "upstream", "why"]
    else:
        rest = data.decode().partition(" why=")[2].rstrip("\n")
        assert json.loads(rest) == text[:300] if rest.startswith('"') else rest == text


def test_an_event_nobody_declared_is_a_mistake_of_ours() -> None:
    log = Sink().log()
    with pytest.raises(KeyError):
        log.event("prompt", text="x")
    with pytest.raises(ValueError, match="is logged with"):
        log.event("policy-changed", policy="a", text="x")
    with pytest.raises(ValueError, match="is logged with"):
        log.alarm("ledger-failed", text="x")


def test_an_alarm_rings_once_a_minute_and_counts_the_rest() -> None:
    sink = Sink()
    log = sink.log()
    for _ in range(1000):
        log.alarm("ledger-failed", why="disk")
    log.alarm("passed-unrecorded", exchanges=1)
    sink.now_s += ALARM_EVERY_S
    log.alarm("ledger-failed", why="disk")
    log.close()
    lines = [line.partition(" ")[2] for line in sink.lines()]
    assert lines == [
        "ledger-failed why=disk times=1",
        "passed-unrecorded exchanges=1 times=1",
        "ledger-failed why=disk times=1000",
    ]


def test_a_reader_that_stands_still_holds_up_nobody() -> None:
    go, written = threading.Event(), []

    def slow(data: bytes) -> None:
        assert go.wait(20)
        written.append(data)

    log = Log(slow)
    log.event("stopped", pid=1)
    for _ in range(MAX_WAITING * 3):
        log.decided(NOTHING, "request", "01J0", "text", 1, 0)
    go.set()
    log.close()
    text = b"".join(written).decode()
    kept, dropped = text.count(" decided "), sum(map(int, re.findall(r"log-lines-dropped lines=(\d+)", text)))
    assert dropped and kept + dropped == MAX_WAITING * 3


def test_no_event_asks_for_content() -> None:
    banned = {"text", "prompt", "content", "person", "user", "name", "key", "file", "value", "url"}
    assert not banned & {key for keys in EVENTS.values() for key in keys}


def test_every_event_is_one_that_somebody_logs() -> None:
    package = Path(__file__).parents[2]
    paths = [*(package / "doors").rglob("*.py"), package / "home" / "court.py"]
    said = "".join(path.read_text("utf-8") for path in paths if "tests" not in path.parts)
    assert [name for name in EVENTS if f'"{name}"' not in said] == []


def test_what_a_library_logs_comes_without_its_words() -> None:
    written = io.StringIO()
    lines = logging.StreamHandler(written)
    lines.setFormatter(Bare("console"))
    library = logging.Logger("library")
    library.addHandler(lines)
    try:
        raise ValueError("canary")
    except ValueError:
        library.exception("canary of %s", "canary")
    library.error("canary")
    assert re.fullmatch(r"console: ValueError at test_logline\.py:\d+\nconsole: error in library\n", written.getvalue())
