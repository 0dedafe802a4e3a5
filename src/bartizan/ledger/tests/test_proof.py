"""A proof convinces somebody who has only the public key, and a bent one convinces nobody."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartizan.core.errors import InputError, UsageError
from bartizan.ledger.checkpoint import read_note
from bartizan.ledger.proof import proof_faults, prove, prove_consistency
from bartizan.store.logfile import LogFile

if TYPE_CHECKING:
    from conftest import Place


def test_every_record_can_be_proved(place: Place) -> None:
    place.write(300)
    for number in (0, 1, 254, 255, 256, 299):
        proof = json.dumps(prove(place.path, f"X{number:05}"))
        assert proof_faults(proof, [place.signer.public]) == []


def test_a_stranger_can_check_it_with_a_few_lines(place: Place) -> None:
    """The recipe of docs/reference/ledger.md, without anything of ours."""
    place.write(300)
    told = prove(place.path, "X00123")
    (proof,) = json.loads(json.dumps(told))["proofs"]
    node = sha256(b"\0" + proof["entry"].encode()).digest()
    origin, size, root, *_ = proof["checkpoint"].split("\n")
    at, last = proof["index"], int(size) - 1
    for step in map(base64.b64decode, proof["path"]):
        if at % 2 or at == last:
            node = sha256(b"\1" + step + node).digest()
            while at % 2 == 0 and at:
                at, last = at // 2, last // 2
        else:
            node = sha256(b"\1" + node + step).digest()
        at, last = at // 2, last // 2
    assert node == base64.b64decode(root)
    assert origin.endswith("/gateway-0.1")


def test_request_and_answer_are_proved_together(place: Place) -> None:
    writer = place.writer()
    for side in ("request", "answer"):
        writer.append({"exchange": "E", "side": side})
    writer.close()
    proof = prove(place.path, "E")
    assert len(proof["proofs"]) == 2  # type: ignore[arg-type]  # JSON
    assert proof_faults(json.dumps(proof), [place.signer.public]) == []


def test_an_unknown_id_is_said(place: Place) -> None:
    place.write(1)
    with pytest.raises(UsageError, match="no record has this id"):
        prove(place.path, "nothing")


def test_what_people_did_a_thousand_times_does_not_fill_a_proof(place: Place) -> None:
    writer = place.writer()
    for _ in range(20):
        writer.append({"exchange": "E", "event": "text-opened"})
        writer.append({"exchange": "", "event": "signed-in"})
    for side in ("request", "answer"):
        writer.append({"exchange": "E", "side": side})
    writer.close()
    some = prove(place.path, "E", at_most=5)
    told = [json.loads(one["entry"]) for one in some["proofs"]]  # type: ignore[attr-defined]  # JSON
    assert [one.get("side") for one in told] == ["request", "answer", None, None, None]
    assert some["left_out"] == 17 and proof_faults(json.dumps(some), [place.signer.public]) == []
    assert len(prove(place.path, "E")["proofs"]) == 22  # type: ignore[arg-type]  # JSON
    assert "left_out" not in prove(place.path, "E")


def test_what_is_about_no_exchange_is_no_exchange(place: Place) -> None:
    writer = place.writer()
    writer.append({"exchange": "", "event": "signed-in"})
    writer.close()
    with pytest.raises(UsageError, match="no record has this id"):
        prove(place.path, "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_one_changed_character_is_no_proof_or_does_not_hold(place: Place, data: st.DataObject) -> None:
    if not place.log().exists():
        place.write(300)
    proof = json.dumps(prove(place.path, "X00123"))
    at = data.draw(st.integers(0, len(proof) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126))
    bent = proof[:at] + other + proof[at + 1 :]
    if bent == proof:
        return
    try:
        assert proof_faults(bent, [place.signer.public]) or json.loads(bent) != json.loads(proof)
    except InputError:
        return
    if json.loads(bent)["proofs"] != json.loads(proof)["proofs"]:
        assert proof_faults(bent, [place.signer.public])


def test_two_checkpoints_of_one_log_are_shown_to_be_consistent(place: Place) -> None:
    place.write(200)
    place.write(200)
    place.write(200, name="gateway-1")
    with LogFile.reading(place.log()) as file:
        notes = [read_note(note) for _, _, note in file.checkpoints()]
    with LogFile.reading(place.log("gateway-1.1")) as file:
        other = [read_note(note) for _, _, note in file.checkpoints()][-1]
    proof = prove_consistency(place.path, notes[1], notes[-1])
    assert proof["consistent"] is True
    assert proof["path"]
    assert prove_consistency(place.path, notes[-1], notes[1])["consistent"] is False
    with pytest.raises(UsageError, match="two logs"):
        prove_consistency(place.path, notes[0], other)
