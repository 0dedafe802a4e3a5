"""What was measured of models, out of the ledger: one assessment a record, with its numbers and how to tell them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from bartizan.doors.console.charts import Chart
from bartizan.events import Filter
from bartizan.ledger.opening import records_of
from bartizan.report.assessment.gauges import percent

if TYPE_CHECKING:
    from bartizan.doors.console.console import Console
    from bartizan.events import Row

DOOR = "assess"
MAX_MODELS = 500  # Assessments, newest first, among which models are looked for.
MAX_RUNS = 60  # Of one model on its page.
CHECKS = ("evasion", "privacy", "theft", "poison")


@dataclass(frozen=True, slots=True)
class Asked:
    """One number that is shown: where it stands, what it says, and whether more is worse. `share`: in percent."""

    check: str
    name: str
    title: str
    says: str  # with {} for the number
    share: bool = True


NUMBERS = (
    Asked("evasion", "robust_accuracy", "Robust", "{} of its answers stay right under attack"),
    Asked("privacy", "membership_tpr_at_1pct", "Members told", "{} of its training rows are told at 1 % false alarms"),
    Asked("theft", "stolen_fidelity", "Copied", "a copy answers {} of new rows alike"),
    Asked("poison", "backdoor_rows", "Backdoor rows", "{} training rows carry a confirmed trigger", share=False),
)
SHARES = tuple(one for one in NUMBERS if one.share)


@dataclass(frozen=True, slots=True)
class Run:
    """One assessment as it was recorded. `numbers` are by name; a check that is missing was not measured."""

    row: Row
    model: str
    data: str
    kind: str
    strength: str
    seed: int
    numbers: Mapping[str, float]
    not_measured: tuple[str, ...]
    not_trusted: tuple[str, ...]
    versions: Mapping[str, str]
    seconds: float

    @property
    def name(self) -> str:
        return self.row.model

    def tell(self, one: Asked) -> str:
        """A number for people; "" where it was not measured."""
        value = self.numbers.get(one.name)
        if value is None:
            return ""
        most = "≤ " if one.check in self.not_trusted else ""
        return f"{most}{percent(value)}" if one.share else f"{value:,.0f}"

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """For programs."""
        return {
            "id": self.row.exchange,
            "time_us": self.row.time_us,
            "name": self.name,
            "model": self.model,
            "data": self.data,
            "kind": self.kind,
            "strength": self.strength,
            "seed": self.seed,
            "action": self.row.outcome,
            "would": self.row.would,
            "measures": dict(self.numbers),
            "not_measured": list(self.not_measured),
            "not_trusted": list(self.not_trusted),
            "versions": dict(self.versions),
            "seconds": self.seconds,
        }


def latest(console: Console, now_us: int) -> list[tuple[Row, int]]:
    """The newest assessment of each model, newest first, and how many there were of it."""
    rows = console.index.page(Filter.parse(f"door:{DOOR}", now_us), limit=MAX_MODELS).rows
    found: dict[str, tuple[Row, int]] = {}
    for row in rows:
        first, count = found.get(row.model, (row, 0))
        found[row.model] = (first, count + 1)
    return list(found.values())


def runs(console: Console, name: str, now_us: int) -> list[Run]:
    """The assessments of one model, newest first."""
    filter_ = Filter.parse(f"door:{DOOR}", now_us).plus("model", name)
    rows = console.index.page(filter_, limit=MAX_RUNS).rows
    return [run for row in rows if row.model == name and (run := run_of(console, row)) is not None]


def run_of(console: Console, row: Row) -> Run | None:
    """What its record says; None where there is none, or one that nobody here wrote."""
    for record in records_of(console.home.path, row.exchange):
        told = record.get("assessment")
        if isinstance(told, dict):
            return _run(row, told)
    return None


def _run(row: Row, told: Mapping[str, Any]) -> Run:
    measures = told.get("measures")
    pairs = [pair for check in CHECKS if isinstance(measures, dict) for pair in _pairs(measures.get(check))]
    versions = told.get("versions")
    return Run(
        row,
        _word(told.get("model")),
        _word(told.get("data")),
        _word(told.get("kind")),
        f"{told.get('eps')} {_word(told.get('norm'))}",
        told["seed"] if isinstance(told.get("seed"), int) else 0,
        dict(pairs),
        _words(told.get("not_measured")),
        _words(told.get("not_trusted")),
        {str(k): _word(v) for k, v in versions.items()} if isinstance(versions, dict) else {},
        float(told["seconds"]) if isinstance(told.get("seconds"), int | float) else 0.0,
    )


def _pairs(value: object) -> Iterable[tuple[str, float]]:
    for pair in value if isinstance(value, list) else []:
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], int | float):
            yield str(pair[0]), float(pair[1])


def _words(value: object) -> tuple[str, ...]:
    return tuple(map(_word, value)) if isinstance(value, list) else ()


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


# ---- The numbers over time -------------------------------------------------------------------------------------------

_LEFT, _RIGHT, _TOP, _BASE = 44, 850, 14, 176


def trend(found: list[Run], when: Any) -> Chart:  # Any: a filter of the templates, from a time to words
    """The shares of one model from assessment to assessment, oldest first."""
    order = list(reversed(found))
    out = [_level(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    step = (_RIGHT - _LEFT) / max(1, len(order) - 1)
    for n, one in enumerate(SHARES):
        points = [
            (_LEFT + at * step if len(order) > 1 else (_LEFT + _RIGHT) / 2, run.numbers[one.name], run)
            for at, run in enumerate(order)
            if one.name in run.numbers
        ]
        out.append(_line(one, n, points, when))
    every = max(1, -(-len(order) // 10))
    for at, run in enumerate(order):
        if at % every == 0:
            x = _LEFT + at * step if len(order) > 1 else (_LEFT + _RIGHT) / 2
            anchor = "start" if at == 0 and len(order) > 1 else "end" if at == len(order) - 1 > 0 else "middle"
            out.append(
                Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
                    f"{x:.1f}", _BASE + 18, anchor, when(run.row.time_us)
                )
            )
    last = order[-1] if order else None
    told = "; ".join(one.says.format(last.tell(one)) for one in SHARES if last is not None and last.tell(one))
    says = f"{len(order)} assessments. The last one: {told or 'no share was measured'}."
    svg = Markup('<svg class="chart trend" viewBox="0 0 860 200" role="img" aria-label="{}">{}</svg>').format(
        says, Markup("").join(out)
    )
    rows = tuple((str(when(run.row.time_us)), *(run.tell(one) or "–" for one in SHARES)) for run in order)
    return Chart(svg, says, ("Measured", *(one.title for one in SHARES)), rows)


def _y(share: float) -> float:
    return _BASE - min(1.0, max(0.0, share)) * (_BASE - _TOP)


def _level(share: float) -> Markup:
    y = f"{_y(share):.1f}"
    line = Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(_LEFT, _RIGHT, y, y)
    return line + Markup('<text x="{}" y="{}" text-anchor="end">{} %</text>').format(
        _LEFT - 8, f"{_y(share) + 4:.1f}", round(share * 100)
    )


def _line(one: Asked, n: int, points: list[tuple[float, float, Run]], when: Any) -> Markup:  # Any: as above
    path = " ".join(f"{x:.1f},{_y(share):.1f}" for x, share, _ in points)
    line = Markup('<polyline class="line t{}" points="{}"/>').format(n, path) if len(points) > 1 else Markup("")
    dots = [
        Markup('<g><title>{}</title><circle class="dot t{}" cx="{}" cy="{}" r="4"/></g>').format(
            f"{when(run.row.time_us)}: {one.says.format(run.tell(one))}", n, f"{x:.1f}", f"{_y(share):.1f}"
        )
        for x, share, run in points
    ]
    return line + Markup("").join(dots)
