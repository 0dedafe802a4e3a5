"""What Live shows and sends: rows and rates as pieces of its page, made by the same templates as the page itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bartizan.core.errors import UsageError
from bartizan.doors.console.charts import Chart, strip
from bartizan.doors.console.feed import Feed
from bartizan.doors.console.lines import clauses, door, lines
from bartizan.doors.console.rates import STEP_US, Rates
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.console import Console
    from bartizan.events import Row
    from bartizan.vault.accounts import Session


class Live:
    """Live of one console. Every method may be called from any thread, but those of `feed`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rates = Rates(console.index)
        self.feed = Feed(console.index, self.rows, self.rates)
        self.end = self.feed.end

    def rows(self, rows: Sequence[Row]) -> str:
        """Rows as the lines of the table."""
        now_us = time.time_ns() // 1000
        made = lines(rows, clauses(self._console.home), now_us)
        return self._console.part("live_rows.html", {"lines": made, "fresh": True})

    def rates(self) -> dict[str, Any]:  # Any: as JSON has it
        """What ticks beside them."""
        values = self.strips(time.time_ns() // 1000)
        return {"html": self._console.part("live_rates.html", values), "second": a_second(values["all"].a_second)}

    def strips(self, now_us: int) -> dict[str, Any]:  # Any: a template takes what it shows
        """The values of the strips. Raises StoreError."""
        all_, *doors = self._rates.doors(now_us)
        top = max((sum(one.counts.values()) for one in all_.buckets), default=0)
        shown = [all_, *doors] if len(doors) > 1 else doors or [all_]
        status = self._console.index.status()
        return {
            "all": all_,
            "strips": [
                {
                    "name": door(one.name) if one.name else "All doors",
                    "chart": _strip(one.buckets, one.examined, top, door(one.name) if one.name else "all doors"),
                    "second": a_second(one.a_second),
                    "counts": one.counts,
                    "examined": one.examined,
                }
                for one in shown
            ],
            "behind": status.behind,
            "problem": status.problem,
        }

    def holds(self, session: Session | None) -> bool:
        """Whether somebody may still watch: their session has not ended, and they may still look."""
        if session is None:
            return False
        accounts, person = self._console.accounts, session.account.person
        try:
            return accounts.account(person).may(Role.VIEWER) and any(
                one.id == session.id for one in accounts.sessions(person)
            )
        except UsageError:
            return False


def a_second(rate: float) -> str:
    """A rate for people."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _strip(buckets: Sequence[Any], examined: int, top: int, name: str) -> Chart:
    says = f"{name}, the last 15 minutes: {examined:,} examined"
    return strip(buckets, step_us=STEP_US, top=top, says=says, when=_clock)


def _clock(at_us: int, step_us: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at_us // 1_000_000))
