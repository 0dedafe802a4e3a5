"""Which AI is in use, in the room of a card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bartizan.doors.console import use_words
from bartizan.doors.console.charts import sparks_of
from bartizan.doors.console.render import plural
from bartizan.home.register import register
from bartizan.inventory.system import Status

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked
    from bartizan.doors.console.charts import Chart

DAYS = 30


@dataclass(frozen=True, slots=True)
class UseCard:
    """The number of the card, its bars by day, and its sentence."""

    services: int
    unit: str
    chart: Chart
    says: str


def use_card(asked: Asked) -> UseCard | None:
    """The card; None where no source ever told of any use. Raises StoreError."""
    console = asked.console
    if not console.home.state.query("SELECT 1 FROM usage_ LIMIT 1"):
        return None
    counted = console.uses.counted(DAYS, asked.now_us)
    systems = register(console.home).systems(told=counted.seen)
    used = [one for one in systems if use_words.service(one) and one.seen.count]
    shapes = {one.id: use_words.shape(one.status) for one in used}
    made = console.uses.bars(counted, shapes)
    open_ = sum(one.status is Status.UNDECIDED for one in used)
    chart = sparks_of(made, use_words.WORDS, says=f"AI use per day in {DAYS} days", when=use_words.day_of)
    says = f"{plural(counted.people, 'person', 'people')} in {DAYS} days"
    says += f"; nobody decided on {open_} of them." if open_ else "; somebody decided on each of them."
    unit = "AI service in use" if len(used) == 1 else "AI services in use"
    return UseCard(len(used), unit, chart, says)
