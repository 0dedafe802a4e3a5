"""The register as a file, and back."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry import NOW, Registry, used

from bartizan.core.errors import ConfigError
from bartizan.inventory.sheet import Imported, as_csv, as_json, cells, read, take
from bartizan.inventory.system import Status
from bartizan.readers.logs.usage import Sort
from bartizan.store.state import State as Store
from bartizan.vault import MasterKey, Vault


def taken(registry: Registry, text: str | bytes, why: str = "Reviewed.") -> Imported:
    data = text.encode() if isinstance(text, str) else text
    return take(registry.register, read(data, "r.csv"), "r.csv", "ada", why, NOW)


def problems(registry: Registry, text: str | bytes, why: str = "Reviewed.") -> list[str]:
    before = registry.store.query("SELECT * FROM system")
    with pytest.raises(ConfigError) as raised:
        taken(registry, text, why)
    assert registry.store.query("SELECT * FROM system") == before, "something was changed"
    return str(raised.value).splitlines()


def test_a_file_changes_adds_and_decides(registry: Registry) -> None:
    registry.feed(used(), used(system="other-chat"))
    done = taken(
        registry,
        "id,status,alternative,owner\nsome-chat,blocked,our-bot,it\nour-bot,approved,,it\nother-chat,undecided,,lab\n",
    )
    assert done == Imported(rows=3, added=1, changed=1, decided=2)
    systems = {one.id: one for one in registry.register.systems()}
    assert (systems["some-chat"].status, systems["some-chat"].alternative) == (Status.BLOCKED, "our-bot")
    assert (systems["our-bot"].sort, systems["our-bot"].owner) == (Sort.OWN, "it")
    assert (systems["other-chat"].owner, systems["other-chat"].decided_us) == ("lab", None)
    assert registry.register.why(registry.register.history("some-chat")[0]) == "Reviewed."


def test_a_file_that_says_what_is_so_changes_nothing(registry: Registry) -> None:
    registry.feed(used())
    registry.register.decide("some-chat", Status.BLOCKED, "ciso", NOW, why="x", changes={"owner": "it, or = lab"})
    told = len(registry.events)
    for write in (as_csv, as_json):
        assert taken(registry, write(registry.register.systems())) == Imported(1, 0, 0, 0)
    assert len(registry.events) == told


def test_a_column_that_is_missing_stays_and_an_empty_cell_empties(registry: Registry) -> None:
    registry.register.set("some-chat", {"owner": "it", "purpose": "drafts"}, "ada", NOW)
    taken(registry, "id,purpose\nsome-chat,\n")
    system = registry.register.system("some-chat")
    assert (system.owner, system.purpose) == ("it", "")


def test_spreadsheets_of_half_of_europe_are_read(registry: Registry) -> None:
    text = "\ufeffid;owner;purpose\r\nsome-chat;it;drafts, and more\r\n"
    taken(registry, text.encode("utf-8"))
    assert registry.register.system("some-chat").purpose == "drafts, and more"


@pytest.mark.parametrize("word", ["=1+1", "+1", "-1", "@x", "'=1", "'", "''=1", "=cmd|' /C calc'!A0"])
def test_no_cell_is_a_formula_and_all_come_back(registry: Registry, word: str) -> None:
    registry.register.set("some-chat", {"purpose": word}, "ada", NOW)
    text = as_csv(registry.register.systems())
    for row in csv.reader(io.StringIO(text)):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)
    assert read(text.encode(), "r.csv")[0].values["purpose"] == word


def test_all_mistakes_are_said_at_once_by_line(registry: Registry) -> None:
    registry.feed(used(system="ai.example", sort=Sort.CANDIDATE))
    found = problems(
        registry,
        "id,status,risk_tier,review_day\n"
        "No Name,approved,,\n"
        "some-chat,maybe,huge,soon\n"
        "some-chat,approved,,\n"
        "one,two\n",
    )
    assert [line.split(": ")[0] for line in found] == [f"r.csv:{n}:1" for n in (2, 3, 3, 3, 4, 5)]
    assert [line for line in found if "risk_tier" in line] == [
        "r.csv:3:1: risk_tier: is not one of minimal, limited, high, prohibited, or nothing"
    ]


def test_what_cannot_be_together_is_said_by_line(registry: Registry) -> None:
    registry.feed(used(system="ai.example", sort=Sort.CANDIDATE))
    text = (
        "id,status,alternative\nai.example,blocked,\nsome-chat,blocked,nothing-known\nother-chat,approved,other-chat\n"
    )
    assert [line[:9] for line in problems(registry, text, why="")] == ["r.csv:2:1"] * 2 + ["r.csv:3:1"] * 2 + [
        "r.csv:4:1"
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    {
        "no id": ("name\nx\n", "has no column id"),
        "a column of its own": ("id,colour\nx,red\n", 'no column "colour"'),
        "a column twice": ("id,owner,owner\nx,a,b\n", "is there twice"),
        "nothing": ("", "has no column id"),
        "a quote that does not end": ('id,owner\nx,"a\n', "is no CSV"),
        "latin-1": (b"id,owner\nx,M\xfcller\n", "is not UTF-8"),
        "a terminal's sequence": ("id,owner\nx,a\x1b[2J\n", "nobody can see"),
        "broken JSON": ('{"systems": [', "is no JSON"),
        "deep JSON": ("[" * 100_000, "is no JSON"),
        "no list": ('{"systems": 5}', "is a list"),
        "no object": ("[5]", "is an object with an id"),
        "a number": ('[{"id": "x", "owner": 5}]', "is a text"),
        "a field of its own": ('[{"id": "x", "colour": "red"}]', 'no field "colour"'),
    }.values(),
)
def test_every_mistake_has_its_sentence(registry: Registry, text: str | bytes, what: str) -> None:
    assert any(what in line for line in problems(registry, text))


def test_a_file_that_is_too_large_is_not_read(registry: Registry) -> None:
    assert "is larger than" in problems(registry, b"x" * (16 * 1024 * 1024 + 1))[0]
    rows = "".join(f"a{n}\n" for n in range(20_001))
    assert any("more than 20,000 rows" in line for line in problems(registry, "id\n" + rows))


WORDS = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=20).map(
    lambda word: " ".join(word.split())
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.fixed_dictionaries({"owner": WORDS, "purpose": WORDS, "instructions": WORDS}), max_size=3))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, given_: list[dict[str, str]]) -> None:
    """Any words at all, through both formats, into another register: the same."""
    one, other = _registry(tmp_path_factory.mktemp("one")), _registry(tmp_path_factory.mktemp("other"))
    for number, values in enumerate(given_):
        one.register.set(f"system-{number}", values, "ada", NOW)
    for write in (as_csv, as_json):
        taken(other, write(one.register.systems()))
        assert _written(other) == _written(one)
    one.store.close()
    other.store.close()


def _written(registry: Registry) -> list[dict[str, str]]:
    return sorted((cells(one) for one in registry.register.systems()), key=lambda row: row["id"])


def _registry(path: Path) -> Registry:
    store = Store.open(path)
    return Registry(store, Vault.open(store, MasterKey(b"m" * 32, "test")))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_at_all(data: bytes) -> None:
    """A file is read or refused, and never anything else."""
    try:
        read(data, "r.csv")
    except ConfigError:
        return


def test_a_file_for_programs_is_one(registry: Registry) -> None:
    registry.feed(used())
    value = json.loads(as_json(registry.register.systems()))
    assert value["schema"] == "bartizan.register/1"
    assert value["systems"][0]["people"] == "1"
