"""What the index answers, held against the rows one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartizan.core.errors import InputError
from bartizan.events import DISCIPLINES, OUTCOMES, Bucket, Filter, Index, Row
from bartizan.events.index import SAMPLE, VALUE_FIELDS

if TYPE_CHECKING:
    from conftest import Desk

HOUR_US = 3_600_000_000
NOW_US = 1_800_000_000 * 1_000_000
PEOPLE = ("", "p-" + "01" * 10, "p-" + "02" * 10)
APPS = ("", "chat", "chat-two", "data lab")
RISKS = ("secret.password", "secret.jwt", "personal.email", "hidden.bidi", "other.thing")
CLAUSES = ("no-secrets-out", "no-secrets-in", "watch")

FINDINGS = st.lists(
    st.fixed_dictionaries({"risk": st.sampled_from(RISKS), "severity": st.sampled_from(["low", "high", "critical"])}),
    max_size=2,
)
RECORD = st.fixed_dictionaries(
    {
        "time_us": st.integers(-3 * HOUR_US, 0).map(lambda ago: NOW_US + ago),
        "action": st.sampled_from(["allow", "allow", "warn", "justify", "review", "block"]),
        "edits": st.sampled_from([[], [["x"]]]),
        "would": st.sampled_from([None, {"action": "block"}, {"action": "allow", "edits": [["x"]]}]),
        "person": st.sampled_from(PEOPLE),
        "groups": st.lists(st.sampled_from(["eng", "legal"]), max_size=2, unique=True),
        "app": st.sampled_from(APPS),
        "key": st.sampled_from(["k-1", "k-2"]),
        "target": st.sampled_from([{}, {"provider": "openai", "model": "gpt-5"}, {"model": "gpt-6 x"}]),
        "door": st.sampled_from(["gateway", "inspect"]),
        "kind": st.sampled_from(["chat", "text"]),
        "findings": FINDINGS,
        "failures": st.sampled_from([[], [], [{"why": "x"}]]),
        "clauses": st.lists(st.sampled_from(CLAUSES), max_size=2, unique=True),
    }
)
HISTORY = st.lists(st.tuples(RECORD, st.none() | RECORD), max_size=25)
ASKED = st.sampled_from(
    [
        *(f"action:{outcome}" for outcome in OUTCOMES),
        *(f"discipline:{discipline}" for discipline in DISCIPLINES),
        *(f"who:{person}" for person in PEOPLE if person),
        *("would:block", "would:allow", "would:redact", "app:chat", "app:chat*", 'app:"data lab"', 'app:""', "app:*"),
        *("model:gpt-5", "model:gpt-*", "model:gpt*", "provider:openai", "provider:no-such", "key:k-1", "group:eng"),
        *("risk:secret.*", "risk:secret.j*", "risk:sec*", "risk:*", "risk:secret.jwt", "risk:other.thing", "risk:none"),
        *("clause:watch", "clause:no-secrets-out", "clause:no-*", "clause:*", "severity:high", "severity:high+"),
        *("severity:info+", "severity:medium", "failed:yes", "failed:no", "kind:chat", "kind:text", "door:gateway"),
        *("door:inspect", "exchange:X1", "exchange:none", "after:1h", "after:2h", "before:1h", "before:30m"),
    ]
)
FILTER = st.lists(st.tuples(ASKED, st.integers(0, 3)), max_size=4).map(
    lambda terms: " ".join(
        f"-{term}" if not minus and not term.startswith(("after", "before")) else term for term, minus in terms
    )
)
SHAPED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def written(desk: Desk, history: list[tuple[dict[str, object], dict[str, object] | None]]) -> Index:
    """A home of these exchanges, followed in two pieces so that rows change."""
    told = [
        [{k: v for k, v in side.items() if v} | {"exchange": f"X{number}", "side": name}]
        for number, pair in enumerate(history)
        for name, side in zip(("request", "answer"), pair, strict=True)
        if side
    ]
    entries = [entry for some in told for entry in some]
    desk.write(entries[: len(entries) // 2])
    index = desk.index()
    index.follow()
    desk.write(entries[len(entries) // 2 :])
    index.follow()
    return index


def all_rows(index: Index) -> list[Row]:
    out: list[Row] = []
    while some := index.after(out[-1].number if out else 0):
        out += some
    return sorted(out, key=lambda row: row.time_us, reverse=True)


@SHAPED
@given(HISTORY, st.lists(FILTER, min_size=1, max_size=6), st.integers(1, 7))
def test_a_filter_finds_the_rows_that_it_means(
    fresh: Callable[[], Desk],
    history: list[tuple[dict[str, object], dict[str, object] | None]],
    asked: list[str],
    limit: int,
) -> None:
    index = written(fresh(), history)
    everything = all_rows(index)
    assert len(everything) == len(history)
    for text in asked:
        filter_ = Filter.parse(text, NOW_US)
        meant = [row for row in everything if filter_.matches(row)]
        paged: list[Row] = []
        before = ""
        while True:
            page = index.page(filter_, before=before, limit=limit)
            paged += page.rows
            before = page.next
            if not before:
                break
        assert {row.exchange for row in paged} == {row.exchange for row in meant}
        assert len(paged) == len(meant)
        assert [row.time_us for row in paged] == [row.time_us for row in meant]
        assert index.count(filter_) == len(meant)
        assert index.count(filter_, at_most=2) == min(2, len(meant))
        assert_counted(index, filter_, meant)


def assert_counted(index: Index, filter_: Filter, meant: list[Row]) -> None:
    """Values and groups are those of the rows."""
    panel = index.panel(filter_, top=20)
    assert dict(panel["action"]) == Counter(row.outcome for row in meant)
    assert dict(panel["who"]) == Counter(row.person for row in meant if row.person)
    assert dict(panel["risk"]) == Counter(risk for row in meant for risk in row.risks)
    assert dict(panel["discipline"]) == Counter(name for row in meant for name in row.disciplines)
    assert dict(panel["group"]) == Counter(group for row in meant for group in row.groups)
    assert dict(panel["severity"]) == Counter(row.severity for row in meant if row.severity)
    assert dict(panel["would"]) == Counter(row.would for row in meant if row.would)
    assert dict(panel["failed"]) == Counter("yes" if row.failures else "no" for row in meant)
    for field in VALUE_FIELDS:
        assert index.values(filter_, field, 2) == panel[field][:2]
        # Each value that is shown is one that can be asked for, and finds as many.
        for value, n in panel[field][:2]:
            if not filter_.values(field):
                assert index.count(filter_.plus(field, value)) == n
    groups = index.groups(filter_, 100)
    assert {group.shape: group.count for group in groups} == Counter(row.shape for row in meant)
    for group in groups:
        times = [row.time_us for row in meant if row.shape == group.shape]
        assert (group.first_us, group.last_us) == (min(times), max(times))
        assert (group.row.shape, group.row.time_us) == (group.shape, group.last_us)
        if not filter_.values("shape"):
            assert index.count(filter_.plus("shape", group.shape)) == group.count


@SHAPED
@given(
    HISTORY,
    st.integers(-5 * HOUR_US, HOUR_US),
    st.integers(0, 6 * HOUR_US),
    st.sampled_from([60_000_000, 700_000_000, HOUR_US, 3 * HOUR_US // 2, 2 * HOUR_US, 5 * HOUR_US]),
    st.sampled_from(["", *DISCIPLINES]),
    st.sampled_from(["", "gateway", "inspect"]),
)
def test_charts_count_each_event_once(
    fresh: Callable[[], Desk],
    history: list[tuple[dict[str, object], dict[str, object] | None]],
    begin: int,
    length: int,
    step_us: int,
    discipline: str,
    door: str,
) -> None:
    index = written(fresh(), history)
    rows = all_rows(index)
    since_us = NOW_US + begin
    meant = [
        row for row in rows if (not discipline or discipline in row.disciplines) and (not door or row.door == door)
    ]
    expected = []
    for start_us in range(since_us, since_us + length, step_us):
        end_us = min(start_us + step_us, since_us + length)
        expected.append(Bucket(start_us, Counter(row.outcome for row in meant if start_us <= row.time_us < end_us)))
    assert index.buckets(since_us, since_us + length, step_us, discipline=discipline, door=door) == tuple(expected)
    since = [row for row in rows if row.time_us >= since_us]
    assert index.clause_hits(since_us) == Counter(clause for row in since for clause in row.clauses)
    assert index.discipline_counts(since_us) == {
        name: Counter(row.outcome for row in since if name in row.disciplines) for name in DISCIPLINES
    }
    assert_people(index, since, since_us)


def assert_people(index: Index, since: list[Row], since_us: int) -> None:
    """Each one once, with what happened to them most."""
    met = Counter((row.person or row.app, row.outcome) for row in since if row.outcome != "allow")
    top = index.top_people(since_us, 10)
    assert {who for who, _, _ in top} == {who for who, _ in met if who}
    assert len({who for who, _, _ in top}) == len(top)
    for who, outcome, n in top:
        assert n == met[who, outcome] == max(count for (one, _), count in met.items() if one == who)
    assert [n for _, _, n in top] == sorted((n for _, _, n in top), reverse=True)
    assert index.top_people(since_us, 1) == top[:1]


def test_pages_go_on_where_they_ended_while_more_arrives(desk: Desk) -> None:
    same = [{"exchange": f"X{number}", "side": "subject", "time_us": NOW_US} for number in range(10)]
    desk.write(same)
    index = desk.index()
    index.follow()
    first = index.page(limit=4)
    desk.write([{"exchange": "new", "side": "subject"}])
    index.follow()
    second = index.page(limit=4, before=first.next)
    third = index.page(limit=4, before=second.next)
    assert [row.exchange for page in (first, second, third) for row in page.rows] == [f"X{n}" for n in range(9, -1, -1)]
    assert third.next == ""


@pytest.mark.parametrize("before", ["x", "1", "1.2.3", "-.1", "' OR 1", "1.-2", "g.1", "1.1\n", "0" * 17 + ".1"])
def test_a_page_begins_only_where_one_ended(desk: Desk, before: str) -> None:
    with pytest.raises(InputError, match="what the page before gave"):
        desk.index().page(before=before)


def test_an_empty_index_answers_everything(desk: Desk) -> None:
    index = desk.index()
    assert (
        index.page().rows == index.groups() == index.after(0) == index.top_people(0) == index.changes(0, NOW_US) == ()
    )
    assert (index.count(), index.newest(), index.event("x")) == (0, 0, None)
    assert set(index.panel(Filter()).values()) == {()}
    assert (index.status().records, index.status().newest_us, index.status().problem) == (0, 0, "")
    assert index.buckets(0, HOUR_US, HOUR_US) == (Bucket(0, {}),)


def test_charts_and_fields_have_bounds(desk: Desk) -> None:
    index = desk.index()
    with pytest.raises(InputError, match="at most 2000 steps"):
        index.buckets(0, 2001, 1)
    with pytest.raises(InputError, match="more than nothing"):
        index.buckets(0, 1, 0)
    with pytest.raises(InputError, match="1 of the fields have no values"):
        index.panel(Filter(), ("who", "words"))
    assert index.page(limit=10**9).rows == ()
    assert index.after(2**80) == index.top_people(-(2**80)) == ()


def test_values_are_suggested_as_they_begin(desk: Desk) -> None:
    desk.write([{"exchange": app, "side": "subject", "app": app} for app in ("chat", "chat-two", "mail", "100%")])
    index = desk.index()
    index.follow()
    assert index.suggestions("app", "ch") == ("chat", "chat-two")
    assert index.suggestions("app", "") == ("100%", "chat", "chat-two", "mail")
    assert index.suggestions("app", "%") == index.suggestions("words", "c") == ()


def test_values_and_groups_are_of_the_newest(desk: Desk) -> None:
    old = [{"exchange": f"O{n}", "side": "subject", "app": "old", "time_us": NOW_US} for n in range(50)]
    new = [{"exchange": f"N{n}", "side": "subject", "app": "new", "time_us": NOW_US + 1} for n in range(SAMPLE)]
    desk.write([*old, *new])
    index = desk.index()
    index.follow()
    assert index.values(Filter(), "app") == (("new", SAMPLE),)
    assert [group.count for group in index.groups()] == [SAMPLE]
    assert index.count(at_most=10**6) == SAMPLE + 50
