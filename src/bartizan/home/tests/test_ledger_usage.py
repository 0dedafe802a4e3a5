"""What passed the gateway and the forward door comes into the register from the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.config import load
from bartizan.home import Home
from bartizan.home.ledger_usage import Refreshed, refresh
from bartizan.home.register import in_force, register
from bartizan.inventory.seen import people
from bartizan.inventory.system import System
from bartizan.ledger.writer import Writer
from bartizan.readers.logs.usage import Sort
from bartizan.readers.logs.visit import HANDSHAKE_BYTES, Evidence

NOW = 1_790_000_000_000_000
CONFIG = """
upstreams:
  main: {url: "https://api.openai.com", protocol: openai, key_env: SOME_KEY}
  ours: {url: "http://127.0.0.1:9000", protocol: openai, key_env: SOME_KEY}
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    (tmp_path / "bartizan.yaml").write_text(CONFIG)
    config = load(environ={"SOME_KEY": "x"}, cwd=tmp_path)
    with Home.open(config=config, environ={"SOME_KEY": "x"}) as found:
        yield found


@pytest.fixture
def writer(home: Home) -> Iterator[Writer]:
    with_name = home.writer("gateway-0")
    yield with_name
    with_name.close()


def write(home: Home, writer: Writer, provider: str = "main", **changes: object) -> None:
    entry: dict[str, object] = {
        "door": "gateway",
        "exchange": "01J",
        "side": "request",
        "kind": "chat",
        "action": "allow",
        "when_us": NOW,
        "person": home.vault.pseudonym("ada"),
        "target": {"provider": provider},
        **changes,
    }
    writer.wait(writer.append({key: value for key, value in entry.items() if value is not None}))


def done(home: Home) -> Refreshed:
    return refresh(home, NOW)


def systems(home: Home) -> dict[str, System]:
    return {one.id: one for one in register(home).systems()}


def openai(home: Home) -> str:
    found = in_force(home).lookup("api.openai.com").service
    assert found is not None
    return found.id


def test_a_request_that_passed_is_a_prompt_to_its_upstreams_service(home: Home, writer: Writer) -> None:
    write(home, writer)
    write(home, writer, action="warn")
    assert done(home).new == (openai(home),)
    found = systems(home)[openai(home)]
    assert (found.seen.count, found.seen.people, found.seen.evidence) == (2, 1, Evidence.PROMPT)
    assert found.seen.sources == ("ledger",)
    assert people(home.state)[0].person == home.vault.pseudonym("ada")


@pytest.mark.parametrize("action", ["block", "review", "justify"])
def test_a_request_that_was_refused_used_nothing(home: Home, writer: Writer, action: str) -> None:
    write(home, writer, action=action)
    assert done(home).new == ()


def test_an_upstream_that_no_catalogue_knows_is_ones_own(home: Home, writer: Writer) -> None:
    write(home, writer, "ours")
    write(home, writer, "unknown")
    done(home)
    assert {one.id: one.sort for one in systems(home).values()} == {"ours": Sort.OWN}


def test_the_ledger_is_counted_once_and_only_what_is_new(home: Home, writer: Writer) -> None:
    write(home, writer)
    done(home)
    assert done(home).new == ()
    assert systems(home)[openai(home)].seen.count == 1
    write(home, writer)
    done(home)
    assert systems(home)[openai(home)].seen.count == 2


def test_a_long_log_is_read_in_steps(home: Home, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bartizan.home.ledger_usage.AT_ONCE", 3)
    for _ in range(10):
        write(home, writer)
    done(home)
    assert systems(home)[openai(home)].seen.count == 10


def test_what_was_found_in_requests_is_said_of_the_system(home: Home, writer: Writer) -> None:
    write(home, writer, findings=[{"risk": "personal.iban"}, {"risk": "secret.api-key"}, {"risk": 5}, "x"])
    done(home)
    assert systems(home)[openai(home)].data_seen == ("personal.iban", "secret.api-key")


def test_a_tunnel_proves_what_it_carried(home: Home, writer: Writer) -> None:
    tunnel = {"door": "forward", "kind": "flow", "provider": "", "target": {"host": "chatgpt.com"}}
    write(home, writer, **tunnel)  # type: ignore[arg-type]  # Fields by name.
    done(home)
    (system,) = systems(home).values()
    assert (system.seen.evidence, system.seen.count) == (Evidence.CONNECTED, 1)
    write(home, writer, **tunnel, side="answer", bytes_up=HANDSHAKE_BYTES + 1)  # type: ignore[arg-type]
    done(home)
    (system,) = systems(home).values()
    assert (system.seen.evidence, system.seen.count, system.seen.bytes_up) == (
        Evidence.UPLOADED,
        1,
        HANDSHAKE_BYTES + 1,
    )


def test_what_a_log_told_is_not_told_again_by_its_record(home: Home, writer: Writer) -> None:
    write(home, writer, door="logs", kind="log")
    assert done(home).new == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "x"},
        {"target": {"provider": 5, "host": ["x"]}},
        {"when_us": "now"},
        {"when_us": None},
        {"person": 7},
        {"side": None},
        {"findings": "x"},
        {"side": "answer", "bytes_up": "many"},
        {"side": "answer", "bytes_up": -5},
    ],
)
def test_a_record_may_hold_anything(home: Home, writer: Writer, changes: dict[str, object]) -> None:
    write(home, writer, **changes)  # type: ignore[arg-type]
    write(home, writer)
    done(home)
    assert systems(home)[openai(home)].seen.count in (1, 2)
