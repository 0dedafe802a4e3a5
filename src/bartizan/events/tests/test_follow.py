"""From logs to rows: everything once, whatever happens to a log or to the file."""

from __future__ import annotations

import random
import stat
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartizan.core.errors import StoreError
from bartizan.events import Filter, Index, Row
from bartizan.events.told import Told, joined, told

if TYPE_CHECKING:
    from conftest import Desk

HOUR_US = 3_600_000_000
NOW_US = 1_800_000_000 * 1_000_000
SHAPED = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def request(exchange: str, **more: object) -> dict[str, object]:
    base = {"exchange": exchange, "side": "request", "action": "allow", "door": "gateway", "kind": "chat"}
    return base | {"person": "p-" + "01" * 10, "target": {"model": "m"}} | more


def answer(exchange: str, **more: object) -> dict[str, object]:
    return request(exchange) | {"side": "answer"} | more


def found(risk: str, severity: str = "high", confidence: float = 0.9) -> dict[str, object]:
    return {"risk": risk, "severity": severity, "confidence": confidence}


def rows(index: Index) -> list[Row]:
    """All there is, oldest first, by number."""
    out: list[Row] = []
    while some := index.after(out[-1].number if out else 0):
        out += some
    return out


def test_request_and_answer_are_one_row_and_the_stricter_counts(desk: Desk) -> None:
    desk.write(
        [
            request("a", findings=[found("secret.password", "medium", 0.7)], clauses=["one"], edits=[["x"]]),
            answer("a", action="block", findings=[found("hidden.bidi")], clauses=["two"], failures=[{"why": "x"}]),
        ]
    )
    index = desk.index()
    assert index.follow() == 2
    (row,) = rows(index)
    assert (row.exchange, row.writer, row.seq, row.time_us) == ("a", "gateway-0.1", 0, NOW_US)
    assert (row.outcome, row.severity, row.confidence, row.failures) == ("block", "high", 0.9, 1)
    assert (row.clauses, row.risks) == (("one", "two"), ("hidden.bidi", "secret.password"))
    assert row.disciplines == ("securing-ai", "ai-use", "ai-safety")
    assert (row.sides, row.model, row.kind, row.door) == (("request", "answer"), "m", "chat", "gateway")


def test_an_answer_that_comes_later_changes_the_row_and_its_number(desk: Desk) -> None:
    desk.write([request("a"), request("b")])
    index = desk.index()
    index.follow()
    first, second = rows(index)
    desk.write([answer("a", action="allow", edits=[["x"]], bodies=[{"side": "answer"}])])
    assert index.follow() == 1
    (changed,) = index.after(second.number)
    assert (changed.exchange, changed.outcome, changed.body) == ("a", "redact", ("answer",))
    assert (changed.seq, changed.time_us) == (first.seq, first.time_us)
    assert index.newest() == changed.number
    assert [row.exchange for row in rows(index)] == ["b", "a"]


def test_what_observed_clauses_would_have_done_is_kept(desk: Desk) -> None:
    desk.write([request("a", would={"action": "allow", "edits": [["x"]]}), request("b", would={"action": "review"})])
    index = desk.index()
    index.follow()
    assert [(row.outcome, row.would) for row in rows(index)] == [("allow", "redact"), ("allow", "review")]


def test_events_are_changes_and_no_rows(desk: Desk) -> None:
    desk.write(
        [
            {"event": "opened", "exchange": ""},
            {"event": "policy-changed", "exchange": "", "by": "p-1"},
            {"event": "case-granted", "exchange": "a", "by": "p-2", "person": "p-3"},
            {"event": "forgotten", "exchange": "", "person": "p-4"},
            {"event": "key-added", "exchange": "", "person": "p-5"},
        ]
    )
    index = desk.index()
    index.follow()
    assert rows(index) == []
    told_ = index.changes(0, NOW_US * 2)
    assert [(change.what, change.by, change.exchange) for change in told_] == [
        ("key-added", "", ""),
        ("forgotten", "p-4", ""),
        ("case-granted", "p-2", "a"),
        ("policy-changed", "p-1", ""),
        ("opened", "", ""),
    ]
    assert [change.what for change in index.changes(0, NOW_US * 2, what=("policy-*", "key-added"))] == [
        "key-added",
        "policy-changed",
    ]
    assert len(index.changes(NOW_US + 1_000_000, NOW_US + 3_000_000, 1)) == 1


def history(seed: int, count: int) -> list[tuple[str, dict[str, object]]]:
    """Exchanges in two logs, in the order in which they were written."""
    chance = random.Random(seed)
    out: list[tuple[str, dict[str, object]]] = []
    for number in range(count):
        log = chance.choice(["gateway-0.1", "gateway-1.1"])
        one = chance.choice(["allow", "allow", "warn", "block"])
        risks = chance.sample(["secret.password", "hidden.bidi", "personal.email"], chance.randrange(3))
        at = len(out) * 1_000_000 + NOW_US
        facts = {"findings": [found(risk) for risk in risks], "clauses": chance.sample(["one", "two"], len(risks) % 3)}
        out.append((log, request(f"X{number}", action=one, time_us=at, **facts)))
        if one != "block":
            out.append((log, answer(f"X{number}", time_us=at + 1_500_000, action=chance.choice(["allow", "warn"]))))
        if number % 7 == 0:
            out.append((log, {"event": "key-added", "exchange": "", "time_us": at + 1}))
    return out


def seen(index: Index) -> object:
    """All that an index tells, but for the numbers, which say in which order it was told."""
    page = index.page(Filter(), limit=500).rows
    return (
        [tuple(getattr(row, name) for name in Row.__slots__ if name != "number") for row in page],
        index.buckets(NOW_US - HOUR_US, NOW_US + 3 * HOUR_US, HOUR_US // 2),
        index.discipline_counts(0),
        index.clause_hits(NOW_US + 7_000_000),
        index.changes(0, NOW_US * 2, 100),
        [(group.shape, group.count, group.first_us, group.last_us) for group in index.groups()],
        index.panel(Filter()),
        index.status().records,
    )


@SHAPED
@given(st.integers(0, 1000), st.lists(st.tuples(st.integers(1, 20), st.integers(1, 15)), max_size=12))
def test_followed_in_any_pieces_it_is_the_same_as_at_once(
    fresh: Callable[[], Desk], seed: int, pieces: list[tuple[int, int]]
) -> None:
    told_ = history(seed, 40)
    whole, cut = fresh(), fresh()
    for log in ("gateway-0.1", "gateway-1.1"):
        whole.write([entry for name, entry in told_ if name == log], log)
    at_once = whole.index()
    at_once.follow()
    in_pieces = cut.index()
    at = 0
    for written, most in [*pieces, (len(told_), 3)]:
        piece: dict[str, list[dict[str, object]]] = {}
        for name, entry in told_[at : at + written]:
            piece.setdefault(name, []).append(entry)
        for name, entries in piece.items():
            cut.write(entries, name)
        at += written
        in_pieces.follow(most)
        in_pieces.close()
        in_pieces = cut.index()
    while in_pieces.follow(7):
        pass
    # Logs have their numbers in order of their creation in both, or are begun at other moments: no row tells.
    assert seen(in_pieces) == seen(at_once)


@given(st.permutations(range(4)), st.integers(0, 1000))
def test_records_of_an_exchange_join_in_any_order(order: list[int], seed: int) -> None:
    words: dict[tuple[object, str], int] = {}
    chance = random.Random(seed)

    def intern(kind: object, word: str) -> int:
        return words.setdefault((kind, word), len(words))

    def one(number: int) -> Told:
        side = chance.choice(["request", "answer", "subject"])
        facts = {
            "action": chance.choice(["allow", "warn", "review"]),
            "findings": [found("secret.jwt", chance.choice(["low", "high"]))],
        }
        return told(request("a", **facts) | {"side": side}, 1, number, chance.randrange(3), intern)

    parts = [one(number) for number in range(4)]
    shuffled = [parts[number] for number in order]
    forwards, other = parts[0], shuffled[0]
    for part in parts[1:]:
        forwards = joined(forwards, part)
    for part in shuffled[1:]:
        other = joined(other, part)
    assert forwards == other


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    "exchange", "side", "action", "edits", "person", "groups", "app", "key", "target", "findings", "failures",
    "clauses", "would", "policy", "kind", "door", "bodies", "event", "by", "after",
)  # fmt: skip


@SHAPED
@given(st.lists(st.dictionaries(st.sampled_from(NAMES), HOSTILE), max_size=5))
def test_no_record_whatever_it_holds_stops_the_others(
    fresh: Callable[[], Desk], hostile: list[dict[str, object]]
) -> None:
    desk = fresh()
    desk.write([*hostile, request("last")])
    index = desk.index()
    assert index.follow() == len(hostile) + 1
    assert index.event("last")
    assert index.status().problem == ""


def test_what_a_follow_up_log_wrote_again_counts_once(desk: Desk) -> None:
    """Two records of the first log were never acknowledged; the second one has them again."""
    desk.write([request("a"), request("b"), request("c")])
    index = desk.index()
    index.follow()
    assert index.count() == 3
    after = {"log": "gateway-0.1", "size": 1}
    desk.write([{"event": "opened", "exchange": "", "after": after}, request("b"), request("d")], "gateway-0.2")
    index.follow()
    assert sorted(row.exchange for row in rows(index)) == ["a", "b", "d"]
    assert index.status().records == 4
    desk.write([request("e")])
    assert index.follow() == 0


def test_a_log_that_is_gone_shorter_or_another_begins_the_index_anew(desk: Desk) -> None:
    desk.write([request("a"), request("b")])
    desk.write([request("c")], "gateway-1.1")
    index = desk.index()
    index.follow()
    desk.change("DELETE FROM record WHERE seq = 1", path=desk.log())
    index.follow()
    assert sorted(row.exchange for row in rows(index)) == ["a", "c"]
    changed = orjson.dumps(request("z") | {"seq": 0})
    desk.change("UPDATE record SET exchange = 'z', entry = ?", changed, path=desk.log())
    index.follow()
    assert sorted(row.exchange for row in rows(index)) == ["c", "z"]
    desk.log().unlink()
    index.follow()
    assert [row.exchange for row in rows(index)] == ["c"]
    assert index.status().problem == ""


def test_a_broken_log_is_said_and_the_others_are_read(desk: Desk) -> None:
    desk.write([request("a")])
    desk.write([request("b")], "gateway-1.1")
    desk.log("gateway-2.1").write_bytes(b"not a database at all, but long enough to be looked at " * 40)
    index = desk.index()
    assert index.follow() == 2
    assert "log-gateway-2.1.sqlite: " in index.status().problem
    assert index.count() == 2
    desk.log("gateway-2.1").unlink()
    index.follow()
    assert index.status().problem == ""


def test_a_damaged_page_costs_its_records_and_not_those_behind_it(desk: Desk) -> None:
    desk.write([request(f"X{number}", policy="p" * 200) for number in range(600)])
    desk.change("PRAGMA wal_checkpoint(TRUNCATE)", path=desk.log())
    raw = bytearray(desk.log().read_bytes())
    at = raw.index(b'"X300"') // 4096 * 4096
    raw[at : at + 4096] = bytes(4096)
    desk.log().write_bytes(raw)
    index = desk.index()
    taken = index.follow()
    assert 540 < taken < 600
    assert index.event("X0")
    assert index.event("X599")
    assert "gateway-0.1: " in index.status().problem
    assert "records cannot be read" in index.status().problem
    assert index.follow() == 0


def test_a_record_that_is_no_json_is_counted_as_unreadable(desk: Desk) -> None:
    desk.write([request("a"), request("b"), request("c")])
    desk.change("UPDATE record SET entry = 'no' WHERE seq = 1", path=desk.log())
    index = desk.index()
    index.follow()
    assert sorted(row.exchange for row in rows(index)) == ["a", "c"]
    assert index.status().problem == "gateway-0.1: 1 records cannot be read"


@pytest.mark.parametrize(
    "sql",
    ["PRAGMA user_version = 99", "PRAGMA application_id = 1", "UPDATE meta SET value = 'other' WHERE key = 'identity'"],
)
def test_an_index_of_another_version_is_made_again(desk: Desk, sql: str) -> None:
    desk.write([request("a")])
    first = desk.index()
    first.follow()
    first.close()
    desk.change(sql, path=desk.home / "events.sqlite")
    index = desk.index()
    assert index.count() == 0
    assert index.follow() == 1


def test_a_broken_index_is_made_again(desk: Desk) -> None:
    desk.write([request("a")])
    index = desk.index()
    index.follow()
    index.close()
    for broken in (b"", b"nothing that SQLite knows" * 500):
        (desk.home / "events.sqlite").write_bytes(broken)
        index = desk.index()
        assert (index.follow(), index.count()) == (1, 1)
        index.close()


def test_an_index_that_breaks_while_it_is_read_is_made_again(desk: Desk) -> None:
    desk.write([request(f"X{number}") for number in range(3000)])
    first = desk.index()
    first.follow()
    first.close()
    index = desk.index()
    path = desk.home / "events.sqlite"
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (path.stat().st_size - 8192))
    with pytest.raises(StoreError):
        index.page(Filter())
    assert index.follow() == 3000
    assert index.count() == 3000
    assert index.status().problem == ""


def test_an_index_that_somebody_took_away_comes_back(desk: Desk) -> None:
    desk.write([request("a")])
    index = desk.index()
    index.follow()
    (desk.home / "events.sqlite").unlink()
    assert index.follow() == 1
    assert index.count() == 1


def test_one_process_follows_and_others_may_read(desk: Desk) -> None:
    desk.write([request("a")])
    index, other = desk.index(), desk.index()
    assert other.follow() == 0
    assert "another process follows this home" in other.status().problem
    assert index.follow() == 1
    assert other.count() == 1
    index.close()
    desk.write([request("b")])
    assert other.follow() == 1
    assert other.status().problem == ""


def test_the_file_is_for_its_owner_alone_and_holds_no_text(desk: Desk) -> None:
    canary = "canary" + "-of-content"
    body = {"places": [["/messages/0/content", 1, 2]], "because": canary}
    desk.write([request("a", findings=[found("secret.jwt") | body], digest=canary, thread=canary, labels=[canary])])
    index = desk.index()
    index.follow()
    index.close()
    for path in desk.home.glob("events.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert canary.encode() not in path.read_bytes()


def test_reading_while_it_is_written(desk: Desk) -> None:
    """Every answer is of one moment: the same number of rows, however they are counted."""
    index = desk.index()
    wrong: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            counted = sum(bucket.counts.get("allow", 0) for bucket in index.buckets(NOW_US, NOW_US + HOUR_US, HOUR_US))
            page = index.page(Filter(), limit=500)
            if counted % 10 or len({row.exchange for row in page.rows}) != len(page.rows):
                wrong.append(counted)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(30):
        desk.write([request(f"{number}-{n}") for n in range(10)])
        index.follow()
    done.set()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    assert index.count() == 300


def test_closing_does_not_wait_for_everything_to_be_read(desk: Desk) -> None:
    desk.write([request(f"X{number}") for number in range(20_000)])
    index = desk.index()
    thread = threading.Thread(target=index.follow)
    thread.start()
    deadline = time.monotonic() + 30
    while not index.count(at_most=1):
        assert time.monotonic() < deadline
    index.close()
    thread.join(30)
    again = desk.index()
    kept = again.status().records
    assert 0 < kept < 20_000
    assert again.follow() == 20_000 - kept


def test_a_log_that_does_not_change_is_not_opened_again(desk: Desk) -> None:
    """Its times are older than what its disk can tell apart; a change shows all the same."""
    desk.write([request("a")])
    clock_ns = [time.time_ns() + 10_000_000_000]
    index = Index.open(desk.home, lambda: clock_ns[0])
    desk.opened.append(index)
    index.follow()
    read = desk.log().stat().st_atime_ns, sorted(path.name for path in desk.home.iterdir())
    assert index.follow() == 0
    assert (desk.log().stat().st_atime_ns, sorted(path.name for path in desk.home.iterdir())) == read
    desk.write([request("b")])
    assert index.follow() == 1
