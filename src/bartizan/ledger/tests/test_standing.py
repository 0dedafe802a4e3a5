"""How logs stand, whatever became of their files."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bartizan.core.errors import StoreBroken
from bartizan.ledger.checkpoint import Checkpoint, keep_outside
from bartizan.ledger.proof import prove
from bartizan.ledger.standing import outside, standings

if TYPE_CHECKING:
    from conftest import Place


def test_a_log_says_how_long_it_is_and_how_far_it_is_signed(place: Place) -> None:
    assert standings(place.path) == ()
    place.write(300, bodies=True)
    (one,) = standings(place.path)
    assert (one.name, one.records, one.signed, one.problem) == ("gateway-0.1", 301, 301, "")
    assert one.note.startswith("bartizan-") and one.checkpoints >= 1 and one.bytes > 10_000
    assert 0 < one.first_us <= one.last_us and len(one.months) == 1


def test_a_log_that_is_written_now_can_be_read(place: Place) -> None:
    writer = place.writer()
    writer.wait(writer.append(place.entry(0)))
    (one,) = standings(place.path)
    assert one.records == 2 and not one.problem


def test_a_log_that_somebody_keeps_is_said_at_once(place: Place) -> None:
    place.write(3)
    place.write(3, name="gateway-1")
    other = sqlite3.connect(place.log())
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    kept, free = standings(place.path)
    other.close()
    assert "another process keeps it" in kept.problem and free.records == 4
    assert time.monotonic() - began < 4


def test_a_file_that_is_no_log_is_said_and_the_others_stand(place: Place) -> None:
    place.write(3)
    place.write(3, name="gateway-1")
    place.log("gateway-1.1").write_bytes(b"x" * 5000)
    good, bad = standings(place.path)
    assert good.records == 4 and not good.problem
    assert bad.problem and bad.records == 0 and bad.bytes == 5000


def test_checkpoints_outside_agree_as_far_as_they_go(place: Place) -> None:
    place.write(500, outside=True)
    publics = [place.signer.public]
    (one,) = standings(place.path)
    found = outside(place.outside, [one], publics)
    assert found.kept == {"gateway-0.1": 501} and not (found.missing or found.faults or found.problem)
    place.write(700)  # nothing of these is kept outside
    (one,) = standings(place.path)
    assert outside(place.outside, [one], publics).kept == {"gateway-0.1": 501}
    place.write(1, name="gateway-1")
    found = outside(place.outside, standings(place.path), publics)
    assert found.missing == ("gateway-1.1",) and found.kept == {"gateway-0.1": 501}


def test_another_past_does_not_agree(place: Place) -> None:
    place.write(10, outside=True)
    publics = [place.signer.public]
    (one,) = standings(place.path)
    assert "another key" in outside(place.outside, [one], [b"x" * 32]).faults[0]
    origin = place.signer.origin(one.name)
    for size, said in ((5, "are not those of"), (11, "are not those of"), (400, "ends at 11 records")):
        place.outside.unlink()
        keep_outside(place.outside, place.signer.note(Checkpoint(origin, size, b"x" * 32, 1)))
        found = outside(place.outside, [one], publics)
        assert said in found.faults[0] and not found.kept, size


def test_a_place_outside_that_cannot_be_read_is_said(place: Place) -> None:
    place.write(3)
    found = standings(place.path)
    assert "No such file" in outside(place.outside, found, [place.signer.public]).problem
    place.outside.write_text("nothing of the kind\n\n— a b\n\n")
    assert outside(place.outside, found, [place.signer.public]).problem
    assert not outside(place.outside, [replace(found[0], note="")], [place.signer.public]).problem


def test_a_damaged_tile_is_the_stores_fault(place: Place) -> None:
    place.write(600)
    place.change("UPDATE tile SET hashes = x'00' WHERE level = 0 AND number = 0")
    with pytest.raises(StoreBroken, match="tile"):
        prove(place.path, "X00003")
