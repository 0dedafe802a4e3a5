"""Which sources told, and which are silent."""

from __future__ import annotations

from registry import DAY, HEAD, NOW, Registry, used

from bartizan.inventory.coverage import Covered, coverage, silent
from bartizan.inventory.feeding import SourceKind, SourceRead, feed
from bartizan.readers.logs.visit import DAY_US


def daily(registry: Registry, first: int, last: int, format_: str = "squid", origin: str = "", every: int = 1) -> None:
    for day in range(first, last + 1, every):
        registry.feed(
            used(day=day),
            head=f"{origin} {day}".encode() + HEAD,
            format_=format_,
            origin=origin,
            now_us=(day + 1) * DAY_US,
        )


def found(registry: Registry, now_us: int = NOW) -> dict[str, Covered]:
    return {one.title: one for one in coverage(registry.store, now_us)}


def test_what_never_told_is_named(registry: Registry) -> None:
    assert [(one.kind, one.never, one.silent) for one in coverage(registry.store, NOW)] == [
        ("logs", True, False),
        ("endpoint", True, False),
        ("code", True, False),
        ("ledger", True, False),
    ]


def test_sources_of_one_format_and_origin_are_one_line(registry: Registry) -> None:
    daily(registry, DAY - 3, DAY)
    source = SourceRead(SourceKind.LOGS, "squid", b"more", lines=100, junk=3, first_us=5, last_us=NOW)
    feed(registry.register, [used()], source, NOW)
    one = found(registry)["logs squid"]
    assert (one.sources, one.lines, one.junk, one.first_us, one.last_us) == (5, 100, 3, 5, NOW)
    assert not one.silent and silent(coverage(registry.store, NOW)) == []


def test_one_that_told_daily_is_silent_after_four_days(registry: Registry) -> None:
    daily(registry, DAY - 20, DAY - 4)
    daily(registry, DAY - 20, DAY, origin="proxy-2")
    lines = found(registry)
    assert (lines["logs squid"].silent, lines["logs squid"].silent_days) == (True, 4)
    assert not lines["logs squid (proxy-2)"].silent
    assert [one.title for one in silent(coverage(registry.store, NOW))] == ["logs squid"]


def test_one_that_tells_weekly_may_be_silent_for_weeks(registry: Registry) -> None:
    daily(registry, DAY - 70, DAY - 14, every=7)
    assert not found(registry)["logs squid"].silent
    assert found(registry, NOW + 10 * DAY_US)["logs squid"].silent


def test_a_source_from_the_future_is_not_silent(registry: Registry) -> None:
    registry.feed(used(day=DAY + 400))
    assert (found(registry)["logs squid"].silent, found(registry)["logs squid"].silent_days) == (False, 0)


def test_a_source_without_times_counts_by_its_reading(registry: Registry) -> None:
    feed(registry.register, [], SourceRead(SourceKind.ENDPOINT, "", b"machine-1"), NOW - 9 * DAY_US)
    one = found(registry)["endpoint"]
    assert (one.silent, one.silent_days, one.as_json()["last"]) == (True, 9, None)
