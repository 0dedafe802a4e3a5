"""Forgetting a person: nothing is left but proofs."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bartizan.core.errors import StoreBroken, UsageError
from bartizan.ledger import erase
from bartizan.ledger.export import opened
from bartizan.ledger.proof import proof_faults, prove
from bartizan.ledger.read import records
from bartizan.store.logfile import LogFile
from bartizan.store.state import State
from bartizan.vault import MasterKey, Vault

if TYPE_CHECKING:
    from conftest import Place

ALICE, BOB = "alice@example.org", "bob@example.org"
DAY_US = 86_400_000_000


def everything(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file())


def texts(place: Place) -> dict[str, str | None]:
    told = opened(records(place.path), place.path, place.vault)
    return {
        record["exchange"]: record["opened"]["request"].get("text")
        for record in told
        if record.get("side") == "request" and "opened" in record
    }


def write(place: Place, person: str, exchange: str) -> None:
    writer = place.writer()
    told = {"exchange": exchange, "side": "request", "person": place.vault.pseudonym(person)}
    writer.append(told, [("request", f"what {person} said".encode())])
    writer.close()


def test_a_forgotten_persons_texts_and_name_are_gone_and_every_proof_still_holds(place: Place) -> None:
    import json

    write(place, ALICE, "A")
    write(place, BOB, "B")
    _, secret = place.vault.add_key("alice-laptop", ALICE)
    assert texts(place) == {"A": f"what {ALICE} said", "B": f"what {BOB} said"}
    proof = json.dumps(prove(place.path, "A"))
    pseudonym = place.vault.pseudonym(ALICE)
    wrapped = [
        bytes(row[0]) for row in place.state.query("SELECT wrapped FROM person_key WHERE pseudonym = ?", (pseudonym,))
    ]
    wrapped += [
        bytes(row[0]) for row in place.state.query("SELECT wrapped_name FROM person WHERE pseudonym = ?", (pseudonym,))
    ]
    assert len(wrapped) == 2
    writer = place.writer("admin")
    gone = erase.forget(writer, place.vault, ALICE, by=BOB, why="she asked for it")
    writer.close()
    assert (gone.pseudonym, gone.months, gone.keys) == (pseudonym, 1, 1)
    assert texts(place) == {"A": None, "B": f"what {BOB} said"}
    assert place.vault.who(secret) is None
    assert place.vault.name(pseudonym) is None
    assert place.vault.pseudonym(ALICE) != pseudonym
    left = everything(place.path)
    for bytes_ in (*wrapped, ALICE.encode(), b"alice-laptop", b"she asked for it", f"what {ALICE} said".encode()):
        assert bytes_ not in left
    assert place.verify().faults == []
    assert proof_faults(proof, [place.signer.public]) == []
    (event,) = [record for record in records(place.path) if record.get("event") == "forgotten"]
    assert (event["forgotten"], event["person"]) == (pseudonym, place.vault.pseudonym(BOB))


def test_another_process_forgets_soon(place: Place) -> None:
    write(place, ALICE, "A")
    other = Vault.open(State.open(place.path), MasterKey.load(place.path, {}))
    before = other.pseudonym(ALICE)
    _, secret = place.vault.add_key("alice", ALICE)
    assert other.who(secret)
    writer = place.writer("admin")
    erase.forget(writer, place.vault, before, by=BOB, why="")
    writer.close()
    deadline = time.monotonic() + 20
    while other.pseudonym(ALICE) == before or other.who(secret):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    sealed = other.seal_as(before, time.time_ns() // 1000, b"still under way", b"x")
    with pytest.raises(StoreBroken):
        other.open_as(before, time.time_ns() // 1000, sealed.blob, b"x")


@pytest.mark.parametrize("lost", ["erasures.jsonl", "nothing"])
def test_a_restored_backup_forgets_again(place: Place, tmp_path: Path, lost: str) -> None:
    """From the list beside the state, or from the logs' own records if that is gone too."""
    write(place, ALICE, "A")
    pseudonym = place.vault.pseudonym(ALICE)
    place.state.scrub()
    shutil.copy(place.path / "state.sqlite", tmp_path / "backup")
    writer = place.writer("admin")
    erase.forget(writer, place.vault, ALICE, by=BOB, why="")
    writer.close()
    place.state.close()
    shutil.copy(tmp_path / "backup", place.path / "state.sqlite")
    (place.path / lost).unlink(missing_ok=True)
    place.state = State.open(place.path)
    place.vault = Vault.open(place.state, MasterKey.load(place.path, {}))
    place.write(1)
    assert place.vault.name(pseudonym) is None
    assert place.state.query("SELECT * FROM person_key WHERE pseudonym = ?", (pseudonym,)) == []
    assert texts(place)["A"] is None
    assert place.verify().faults == []


def test_a_restored_backup_revokes_again(place: Place, tmp_path: Path) -> None:
    id_, secret = place.vault.add_key("mallory")
    _, other = place.vault.add_key("alice")
    place.state.scrub()
    shutil.copy(place.path / "state.sqlite", tmp_path / "backup")
    writer = place.writer("admin")
    writer.wait(writer.append({"event": "key-revoked", "exchange": "", "key": id_}))
    writer.close()
    place.vault.revoke(id_)
    place.state.close()
    shutil.copy(tmp_path / "backup", place.path / "state.sqlite")
    place.state = State.open(place.path)
    place.vault = Vault.open(place.state, MasterKey.load(place.path, {}))
    assert place.vault.who(secret) is not None
    place.write(1)
    assert place.vault.who(secret) is None
    assert place.vault.who(other) is not None


def test_somebody_unknown_is_said_and_nothing_is_recorded(place: Place) -> None:
    writer = place.writer("admin")
    with pytest.raises(UsageError, match="nobody"):
        erase.forget(writer, place.vault, "nobody@example.org", by=BOB, why="")
    writer.close()
    assert [record.get("event") for record in records(place.path)] == ["opened"]


def test_bodies_past_their_time_are_dropped_by_every_writer_and_verify_knows(place: Place) -> None:
    now = time.time_ns() // 1000
    clock = [now - 100 * DAY_US]
    old = place.writer("gateway-1", clock_us=lambda: clock[0])
    old.wait(old.append(place.entry(9), [("request", b"old text")]))
    old.close()
    running = place.writer("gateway-0", clock_us=lambda: clock[0])
    running.wait(running.append(place.entry(0), [("request", b"old text")]))
    clock[0] = now
    running.wait(running.append(place.entry(1), [("request", b"new text")]))
    admin = place.writer("admin")
    with pytest.raises(UsageError, match="31 days"):
        erase.forget_older(admin, place.vault, 5, by=BOB, why="")
    erase.forget_older(admin, place.vault, 60, by=BOB, why="a rule")
    deadline = time.monotonic() + 20
    while True:
        with LogFile.reading(place.log("gateway-0.1")) as file:
            if len(file.months()) == 1:
                break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.close()
    admin.close()
    with LogFile.reading(place.log("gateway-1.1")) as file:
        assert file.months() == []
    report = place.verify()
    assert (report.faults, report.erased) == ([], 2)
    assert list(texts(place).values()) == [None, "new text", None]


def test_a_month_of_bodies_that_no_record_accounts_for_is_a_fault(place: Place) -> None:
    place.write(3, bodies=True)
    with LogFile.reading(place.log()) as file:
        ((_, table),) = file.months()
    place.change(f"DROP TABLE {table}")
    assert len(place.verify().faults) == 3
