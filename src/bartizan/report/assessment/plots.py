"""Curves as SVG, drawn here: coloured by class, so that a theme costs nothing, and each with its numbers as a table.

No drawing carries a style, and the whole says what there is to see in its `aria-label`. Curves differ by dash as well
as by colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bartizan.report.assessment.markup import text

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BASE = 52, 548, 12, 258
MAX_POINTS = 400  # of a curve; more than a drawing of that size can show
MAX_ROWS = 60
STYLES = 6  # of lines, in page.css


@dataclass(frozen=True, slots=True)
class Axis:
    """What one axis says. `share`: numbers are shares, shown in percent."""

    label: str
    low: float
    high: float
    log: bool = False
    share: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, 0 to 1; what lies outside is at the edge."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(at)
        return (at - low) / (high - low) if high > low else 0.0

    def ticks(self) -> list[float]:
        """Round numbers along it."""
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            tens = [10.0**n for n in range(first - 1, last + 1)]
            between = (1, 2, 5) if self.high / self.low < 100 else (1,)
            found = [ten * part for ten in tens for part in between]
            return [value for value in found if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]
        step = _step((self.high - self.low) / 5)
        first = math.ceil(self.low / step - 1e-9)
        return [n * step for n in range(first, first + 12) if n * step <= self.high * (1 + 1e-9)]

    def tell(self, value: float) -> str:
        """A value as this axis shows it."""
        if self.share:
            return f"{value * 100:.3g} %"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Curve:
    """A named line through points (x, y), with a band (x, low, high) where there is one."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    steps: bool = False


def plot(curves: Sequence[Curve], x: Axis, y: Axis, says: str) -> str:
    """A drawing, its legend, and its numbers below. "" where there is nothing to draw."""
    drawn = [_thinned(curve) for curve in curves if curve.points]
    if not drawn:
        return ""
    out = [f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(says)}">']
    out += _axes(x, y)
    for n, curve in enumerate(drawn):
        out += _curve(curve, x, y, n % STYLES)
    out.append("</svg>")
    return f"<figure>{''.join(out)}{_legend(drawn)}<figcaption>{text(says)}</figcaption>{_table(drawn, x, y)}</figure>"


def bar(share: float, low: float, high: float, says: str) -> str:
    """One share with its interval, as a bar from 0 to 100 %."""
    at, begin, end = (min(1.0, max(0.0, value)) * 200 for value in (share, low, high))
    width = max(2.0, end - begin)
    return (
        f'<svg class="bar" viewBox="0 0 200 14" role="img" aria-label="{text(says)}" preserveAspectRatio="none">'
        '<rect class="track" y="4" width="200" height="6" rx="3"/>'
        f'<rect class="fill" y="4" width="{_n(at)}" height="6" rx="3"/>'
        f'<rect class="range" x="{_n(min(begin, 200 - width))}" y="0" width="{_n(width)}" height="14" rx="2"/>'
        f'<rect class="tick" x="{_n(min(at, 198.5))}" y="0" width="1.5" height="14"/></svg>'
    )


def _axes(x: Axis, y: Axis) -> Iterable[str]:
    for value in y.ticks():
        at = _n(BASE - y.place(value) * (BASE - TOP))
        yield f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{at}" y2="{at}"/>'
        yield f'<text x="{LEFT - 6}" y="{float(at) + 4:.1f}" text-anchor="end">{y.tell(value)}</text>'
    for value in x.ticks():
        at = _n(LEFT + x.place(value) * (RIGHT - LEFT))
        yield f'<line class="grid" x1="{at}" x2="{at}" y1="{BASE}" y2="{BASE + 4}"/>'
        where = "end" if x.place(value) > 0.97 else "middle"  # The last one would be cut off.
        yield f'<text x="{at}" y="{BASE + 17}" text-anchor="{where}">{x.tell(value)}</text>'
    yield f'<text class="label" x="{RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{text(x.label)}</text>'
    yield f'<text class="label" x="{LEFT}" y="{HEIGHT - 6}">↑ {text(y.label)}</text>'
    yield f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{BASE}" y2="{BASE}"/>'


def _curve(curve: Curve, x: Axis, y: Axis, n: int) -> Iterable[str]:
    def at(px: float, py: float) -> tuple[str, str]:
        return _n(LEFT + x.place(px) * (RIGHT - LEFT)), _n(BASE - y.place(py) * (BASE - TOP))

    if curve.band:
        there = [at(px, high) for px, _, high in curve.band]
        back = [at(px, low) for px, low, _ in reversed(curve.band)]
        yield f'<polygon class="band c{n}" points="{" ".join(",".join(p) for p in [*there, *back])}"/>'
    path: list[str] = []
    last = ""
    for px, py in curve.points:
        left, top = at(px, py)
        path.append(f"M{left} {top}" if not path else f"H{left}V{top}" if curve.steps else f"L{left} {top}")
        last = f'<circle class="dot c{n}" cx="{left}" cy="{top}" r="3"/>'
    yield f'<path class="line c{n}" d="{"".join(path)}"/>'
    if len(curve.points) == 1:
        yield last
    elif len(curve.points) <= 20 and not curve.steps:
        for px, py in curve.points:
            left, top = at(px, py)
            yield f'<circle class="dot c{n}" cx="{left}" cy="{top}" r="2.5"/>'


def _legend(curves: Sequence[Curve]) -> str:
    if len(curves) < 2:
        return ""
    items = (
        '<li><svg class="key" viewBox="0 0 26 8" aria-hidden="true">'
        f'<path class="line c{n % STYLES}" d="M1 4H25"/></svg>{text(curve.name)}</li>'
        for n, curve in enumerate(curves)
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _table(curves: Sequence[Curve], x: Axis, y: Axis) -> str:
    rows = []
    for curve in curves:
        bands = {px: (low, high) for px, low, high in curve.band}
        step = max(1, math.ceil(len(curve.points) / MAX_ROWS))
        for px, py in curve.points[::step]:
            low, high = bands.get(px, (None, None))
            between = f"{y.tell(low)} – {y.tell(high)}" if low is not None and high is not None else ""
            rows.append(
                f"<tr><td>{text(curve.name)}</td><td>{x.tell(px)}</td><td>{y.tell(py)}</td><td>{between}</td></tr>"
            )
    head = f"<tr><th scope=col>curve</th><th scope=col>{text(x.label)}</th><th scope=col>{text(y.label)}</th>"
    return (
        "<details><summary>Show as table</summary><table><thead>"
        f"{head}<th scope=col>interval</th></tr></thead><tbody>{''.join(rows)}</tbody></table></details>"
    )


def _thinned(curve: Curve) -> Curve:
    points = [(px, py) for px, py in curve.points if math.isfinite(px) and math.isfinite(py)]
    band = [one for one in curve.band if all(math.isfinite(value) for value in one)]
    step = max(1, math.ceil(len(points) / MAX_POINTS))
    kept = points[::step] + ([points[-1]] if points and (len(points) - 1) % step else [])
    return Curve(curve.name, kept, band[:: max(1, math.ceil(len(band) / MAX_POINTS))], curve.steps)


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough * (1 - 1e-9))


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
