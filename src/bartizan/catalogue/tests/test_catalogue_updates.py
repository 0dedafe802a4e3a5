"""Updates: the text they are, what they change, and who signed them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.catalogue import tables
from bartizan.catalogue.catalogue import Catalogue
from bartizan.catalogue.changes import Change, changes
from bartizan.catalogue.signing import PublicKey, SecretKey, verified
from bartizan.core.errors import InputError

SHIPPED = tables.shipped()
SECRET = SecretKey(b"number 8", bytes(range(32)))
SERVICE = ("New one", "V", "chat", "", "", "new.example")
HOST = ("listed.example", "exact", "B", "listed", "Listed", "", "other", "site", "", "somebody")
SIGNAL = ("env", "NEW_KEY", "new-one", "New one", "V", "chat")
SMALL = tables.Tables(
    2099010101,
    "2099-01-01",
    services=(dict(zip(tables.COLUMNS["services"], SERVICE, strict=True)),),
    hosts=(dict(zip(tables.COLUMNS["hosts"], HOST, strict=True)),),
    signals=(dict(zip(tables.COLUMNS["signals"], SIGNAL, strict=True)),),
)
TEXT = tables.text(SMALL)
WRONG = {
    "nothing": ("", "begins with"),
    "another first line": (TEXT.replace("bartizan-catalogue 1", "bartizan-catalogue 2"), "begins with"),
    "no version": (TEXT.replace("version 2099010101\n", ""), "begins with"),
    "a table missing": (TEXT.partition("[signals]")[0], "each once"),
    "a table twice": (TEXT + "[signals]\nkind,value,service,name,vendor,category\n", "no second table"),
    "an unknown table": (TEXT + "[people]\nname\n", "no other than"),
    "a missing cell": (TEXT.replace("new.example", "new.example\nx,y"), "line 7: 6 cells"),
    "other columns": (TEXT.replace("kind,value", "value,kind"), "columns of [signals]"),
    "a tier": (TEXT.replace("exact,B", "exact,X"), "no tier"),
    "a match": (TEXT.replace("exact,B", "near,B"), "no suffix or exact or regex"),
    "no host": (TEXT.replace("listed.example", "not a host"), "no suffix or exact or regex"),
    "no marked host": (TEXT.replace("new.example", "z:new.example"), "'z:new.example' is no host"),
    "an id": (TEXT.replace(",listed,Listed", ",Listed!,Listed"), "no id of a service"),
    "a slow expression": (TEXT.replace("listed.example,exact", r"(a+)+\.example,regex"), "no expression for hosts"),
    "a look-around": (TEXT.replace("listed.example,exact", r"(?=a)\.example,regex"), "no expression for hosts"),
    "a broken expression": (TEXT.replace("listed.example,exact", r"([a\.example,regex"), "no expression for hosts"),
    "a control character": (TEXT.replace("Listed,", "Lis\x1b[2Jted,"), "cannot be shown"),
}


def test_what_ships_is_an_update_too() -> None:
    assert tables.parse(tables.text(SHIPPED).encode()) == SHIPPED


def test_a_newer_update_is_the_catalogue() -> None:
    catalogue = Catalogue.load(update=TEXT.encode())
    assert (catalogue.version, catalogue.made) == (2099010101, "2099-01-01")
    assert catalogue.lookup("a.new.example").tier == "A"
    assert catalogue.lookup("listed.example").tier == "B"
    assert catalogue.lookup("chatgpt.com").service is None
    assert list(catalogue.signals("env")) == ["NEW_KEY"]


def test_an_older_update_gives_way_to_what_ships() -> None:
    catalogue = Catalogue.load(update=tables.text(replace(SMALL, version=1)).encode())
    assert catalogue.version == SHIPPED.version
    assert catalogue.lookup("chatgpt.com").tier == "A"


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_an_update_is_said(case: str) -> None:
    text, said = WRONG[case]
    with pytest.raises(InputError) as caught:
        tables.parse(text.encode())
    assert said in str(caught.value)


@given(st.data())
def test_an_update_cut_or_garbled_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(TEXT)))
    garbled = TEXT[:at] + data.draw(st.text(max_size=5)) + TEXT[at + data.draw(st.integers(0, 5)) :]
    try:
        Catalogue.load(update=garbled.encode())
    except InputError as error:
        assert len(str(error)) < 500


def test_a_diff_names_what_was_added_removed_and_changed() -> None:
    other = replace(
        SMALL,
        services=({**SMALL.services[0], "category": "coding", "hosts": "new.example more.example"},),
        hosts=(),
    )
    assert changes(SMALL, other) == (
        Change("removed", "service", "listed", "Listed (-), other", ""),
        Change("changed", "service", "new-one", "New one (V), chat", "New one (V), coding"),
        Change("removed", "host", "listed.example", "listed, tier B", ""),
        Change("added", "host", "more.example and below", "", "new-one, tier A"),
    )
    assert changes(SMALL, SMALL) == ()


def test_what_was_signed_verifies() -> None:
    public = PublicKey.parse(SECRET.public().text().encode())
    assert verified(SECRET.sign(b"message\n"), public) == b"message\n"
    assert SecretKey.parse(SECRET.text().encode()) == SECRET


@given(st.integers(min_value=0), st.integers(1, 255))
def test_one_changed_bit_is_always_found(at: int, flip: int) -> None:
    """But for the comment, which is untrusted and says so."""
    signed = bytearray(SECRET.sign(b"message\n"))
    start = signed.index(b"\n") + 1
    signed[start + at % (len(signed) - start)] ^= flip
    with pytest.raises(InputError):
        verified(bytes(signed), SECRET.public())


def test_another_key_signs_nothing() -> None:
    same_number = SecretKey(SECRET.number, bytes(32))
    with pytest.raises(InputError, match="another key signed it"):
        verified(same_number.sign(b"message"), SECRET.public())
    with pytest.raises(InputError, match="is the one that counts here"):
        verified(SecretKey(b"8 number", SECRET.seed).sign(b"message"), SECRET.public())


@given(st.binary(max_size=300))
def test_any_bytes_are_no_key_and_no_signature(text: bytes) -> None:
    for parse in (PublicKey.parse, SecretKey.parse):
        with pytest.raises(InputError):
            parse(text)
    with pytest.raises(InputError):
        verified(text, SECRET.public())


def test_signify_of_openbsd_verifies_our_files(tmp_path: Path) -> None:
    """Where it is installed; the layout is compared with one of its own files everywhere."""
    signed = SECRET.sign(TEXT.encode())
    head, body = signed.split(b"\n", 2)[:2]
    assert head == b"untrusted comment: verify with catalogue.pub"
    assert body.startswith(b"RW")  # As all Ed25519 signatures and keys of signify do.
    program = shutil.which("signify-openbsd")
    if program:
        (tmp_path / "catalogue.pub").write_text(SECRET.public().text())
        (tmp_path / "update").write_bytes(signed)
        subprocess.run(
            [program, "-V", "-e", "-p", "catalogue.pub", "-x", "update", "-m", "out"], cwd=tmp_path, check=True
        )
        assert (tmp_path / "out").read_text() == TEXT
