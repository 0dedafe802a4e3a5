"""Charts as SVG, drawn here: coloured by class, so that a theme costs nothing, and each with its numbers as a table.

No chart carries a style or an id, every mark says its numbers in a `<title>`, and the whole says what there is to see
in its `aria-label`. What became of a thing is never told by colour alone: the page sets its shapes beside the chart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, log10
from typing import Protocol

from markupsafe import Markup, escape

WORDS = {
    "allow": "allowed",
    "warn": "warned",
    "redact": "redacted",
    "justify": "reason asked",
    "review": "held",
    "block": "blocked",
}
"""Outcomes, mildest first, as people read them."""

ACTED = tuple(outcome for outcome in WORDS if outcome != "allow")

MINUTE_US = 60_000_000
DAY_US = 86_400_000_000
MAX_MARKS = 6  # More changes than that in one chart are told by the first six and a count.
APART = 60  # Units between two marks that have words of their own.
MAX_BARS = 200

When = Callable[[int, int], str]


class Bucket(Protocol):
    """What happened in a span of time: how often, by outcome."""

    @property
    def start_us(self) -> int: ...

    @property
    def counts(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that changed: a new policy, a first sight of a detector."""

    at_us: int
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, what it says in one sentence, and its numbers. `outcomes` are those that occur, for the legend."""

    svg: Markup
    says: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    outcomes: tuple[str, ...] = ()


def clock(at_us: int, step_us: int) -> str:
    """A bucket's beginning as its axis says it, in local time: the hour, the day where buckets are days."""
    at = datetime.fromtimestamp(at_us / 1e6).astimezone()
    return f"{at.day} {at:%b}" if step_us >= DAY_US else f"{at:%H:%M}"


def stacked(
    buckets: Sequence[Bucket], *, step_us: int, says: str, marks: Sequence[Mark] = (), when: When = clock
) -> Chart:
    """What was acted on over time, one bar a bucket, above a quiet strip of all that was examined."""
    buckets = buckets[-MAX_BARS:]
    top = _nice(max((_acted(one) for one in buckets), default=0))
    most = max((sum(one.counts.values()) for one in buckets), default=0)
    step = (_RIGHT - _LEFT) / max(1, len(buckets))
    out = [_axis(top), _text(_LEFT - 8, _FOOT, "end", "all")]
    every = ceil(len(buckets) * 60 / (_RIGHT - _LEFT)) or 1  # A label needs some sixty units.
    for n, one in enumerate(buckets):
        x, width = _LEFT + n * step + step * 0.09, step * 0.82
        bars = _stack(one, ACTED, x, width, _BASE, _BASE - _ABOVE, top)
        bars += _bar("allow", x, width, _FOOT, _height(sum(one.counts.values()), most, 20))
        out.append(_group(told(one, step_us, when), bars))
        if not n % every:
            out.append(_text(x + width / 2, 213, "middle", when(one.start_us, step_us)))
    if buckets:
        begin, end = buckets[0].start_us, buckets[-1].start_us + step_us
        out += _marks([mark for mark in marks if begin <= mark.at_us <= end], begin, end)
    return _chart(f"0 0 {_RIGHT} 218", "chart", out, says, buckets, step_us, when)


def counted(
    buckets: Sequence[Bucket],
    words: Mapping[str, str],
    *,
    step_us: int,
    says: str,
    when: When,
    marks: Sequence[Mark] = (),
    tell: Callable[[int], str] = "{:,}".format,
) -> Chart:
    """What there was over time, one bar a bucket, stacked in the order of `words`: what each shape means here.

    Args:
        tell: A count in words, where it counts no things: bytes.
    """
    buckets = buckets[-MAX_BARS:]
    top = _nice(max((sum(one.counts.values()) for one in buckets), default=0))
    step = (_RIGHT - _LEFT) / max(1, len(buckets))
    out = [_axis(top)]
    every = ceil(len(buckets) * 60 / (_RIGHT - _LEFT)) or 1
    for n, one in enumerate(buckets):
        x, width = _LEFT + n * step + step * 0.09, step * 0.82
        parts = [f"{tell(one.counts[key])} {word}" for key, word in words.items() if one.counts.get(key)]
        title = f"{when(one.start_us, step_us)}: {', '.join(parts) or 'none'}"
        out.append(_group(title, _stack(one, tuple(words), x, width, _BASE, _BASE - _ABOVE, top)))
        if not n % every:
            out.append(_text(x + width / 2, _BASE + 17, "middle", when(one.start_us, step_us)))
    if buckets:
        begin, end = buckets[0].start_us, buckets[-1].start_us + step_us
        out += _marks([mark for mark in marks if begin <= mark.at_us < end], begin, end, _BASE)
    svg = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _RIGHT, _BASE + 22, says, Markup("").join(out)
    )
    there = tuple(key for key in words if any(one.counts.get(key) for one in buckets))
    rows = tuple((when(one.start_us, step_us), *(tell(one.counts.get(key, 0)) for key in there)) for one in buckets)
    return Chart(svg, says, ("From", *(words[key].capitalize() for key in there)), rows, there)


def sparks(buckets: Sequence[Bucket], *, step_us: int, says: str, when: When = clock) -> Chart:
    """What was acted on over time in the room of a card, without an axis."""
    buckets = buckets[-MAX_BARS:]
    top = max((_acted(one) for one in buckets), default=0)
    step = 100 / max(1, len(buckets))
    out = [
        _group(told(one, step_us, when), _stack(one, ACTED, (n + 0.1) * step, step * 0.8, 40, 39, top))
        for n, one in enumerate(buckets)
    ]
    return _chart("0 0 100 40", "spark", out, says, buckets, step_us, when, stretched=True)


def sparks_of(buckets: Sequence[Bucket], words: Mapping[str, str], *, says: str, when: When) -> Chart:
    """The same as `counted` in the room of a card, without an axis."""
    buckets = buckets[-MAX_BARS:]
    top = max((sum(one.counts.values()) for one in buckets), default=0)
    step = 100 / max(1, len(buckets))
    out = []
    for n, one in enumerate(buckets):
        parts = [f"{one.counts[key]:,} {word}" for key, word in words.items() if one.counts.get(key)]
        bars = _stack(one, tuple(words), (n + 0.1) * step, step * 0.8, 40, 39, top)
        out.append(_group(f"{when(one.start_us, 0)}: {', '.join(parts) or 'none'}", bars))
    return _chart("0 0 100 40", "spark", out, says, buckets, 0, when, stretched=True)


def strip(buckets: Sequence[Bucket], *, step_us: int, says: str, top: int = 0, when: When = clock) -> Chart:
    """The last minutes of one door: what was examined, with what was acted on drawn before it on a scale of its own.

    Args:
        top: Items a bucket that fill the height, for strips that are read beside each other; 0: the busiest bucket's.
    """
    buckets = buckets[-MAX_BARS:]
    top = top or max((sum(one.counts.values()) for one in buckets), default=0)
    most = max((_acted(one) for one in buckets), default=0)
    step = 300 / max(1, len(buckets))
    out = []
    for n, one in enumerate(buckets):
        x, width = (n + 0.08) * step, step * 0.84
        bars = _stack(one, ACTED, x, width, 28, 27, most)
        bars += _bar("allow", x, width, 44, _height(sum(one.counts.values()), top, 14))
        out.append(_group(told(one, step_us, when), bars))
    return _chart("0 0 300 44", "strip", out, says, buckets, step_us, when, stretched=True)


def level(share: float) -> Markup:
    """How sure a finding is, as a bar. The number stands beside it, so that this is decoration."""
    width = _number(100 * min(1.0, max(0.0, share if share == share else 0.0)))
    return Markup(
        '<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="4" rx="2"/><rect class="lvl" width="{}" height="4" rx="2"/></svg>'
    ).format(width)


def told(one: Bucket, step_us: int, when: When = clock) -> str:
    """A bucket in words: "14:00, 969 examined: 923 allowed, 12 warned"."""
    parts = [f"{one.counts[outcome]:,} {word}" for outcome, word in WORDS.items() if one.counts.get(outcome)]
    total = sum(one.counts.values())
    return f"{when(one.start_us, step_us)}, {total:,} examined" + (f": {', '.join(parts)}" if parts else "")


# ---- Inside ---------------------------------------------------------------------------------------------------------

_LEFT, _RIGHT, _ABOVE, _BASE, _FOOT = 38, 860, 34, 150, 196


def _chart(
    box: str,
    sort: str,
    marks: Iterable[Markup],
    says: str,
    buckets: Sequence[Bucket],
    step_us: int,
    when: When,
    *,
    stretched: bool = False,
) -> Chart:
    aspect = Markup(' preserveAspectRatio="none"') if stretched else Markup("")
    svg = Markup('<svg class="{}" viewBox="{}"{} role="img" aria-label="{}">{}</svg>').format(
        sort, box, aspect, says, Markup("").join(marks)
    )
    there = tuple(outcome for outcome in ACTED if any(one.counts.get(outcome) for one in buckets))
    columns = ("allow", *there)
    rows = tuple(
        (
            when(one.start_us, step_us),
            f"{sum(one.counts.values()):,}",
            *(f"{one.counts.get(outcome, 0):,}" for outcome in columns),
        )
        for one in buckets
    )
    return Chart(svg, says, ("From", "Examined", *(WORDS[c].capitalize() for c in columns)), rows, there)


def _acted(one: Bucket) -> int:
    return sum(one.counts.get(outcome, 0) for outcome in ACTED)


def _height(count: int, top: int, room: float) -> float:
    """Of a bar: nothing for nothing, and at least a hairline for anything, or one block in a busy hour is not seen."""
    return max(0.8, room * min(count, top) / top) if count and top else 0.0


def _stack(one: Bucket, outcomes: Sequence[str], x: float, width: float, base: float, room: float, top: int) -> Markup:
    out, y = Markup(""), base
    for outcome in outcomes:
        height = _height(one.counts.get(outcome, 0), top, room)
        out += _bar(outcome, x, width, y, height)
        y -= height
    return out


def _bar(css: str, x: float, width: float, base: float, height: float) -> Markup:
    if not height:
        return Markup("")
    # A page has some hundred of them: nothing here comes from outside, so nothing has to be escaped.
    x_, y, width_, height_ = _number(x), _number(base - height), _number(width), _number(height)
    return Markup(f'<rect class="{css}" x="{x_}" y="{y}" width="{width_}" height="{height_}"/>')  # noqa: S704


def _group(title: str, marks: Markup) -> Markup:
    return Markup("<g><title>{}</title>{}</g>").format(title, marks)


def _axis(top: int) -> Markup:
    lines = 1 if top < 2 else 2 if top % 3 else 3
    out = Markup("")
    for n in range(lines + 1):
        y = _BASE - (_BASE - _ABOVE) * n / lines
        out += Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            _LEFT, _RIGHT, _number(y), _number(y)
        )
        out += _text(_LEFT - 8, y + 4, "end", _short(top * n / lines))
    return out


def _marks(marks: Sequence[Mark], begin: int, end: int, foot: int = 196) -> list[Markup]:
    """Changes as dashed lines with their words; those that would stand on each other share one."""
    groups: list[tuple[float, list[Mark]]] = []
    for mark in marks:
        x = _LEFT + (_RIGHT - _LEFT) * (mark.at_us - begin) / max(1, end - begin)
        if groups and x - groups[-1][0] < APART:
            groups[-1][1].append(mark)
        else:
            groups.append((x, [mark]))
    out = []
    for n, (x, some) in enumerate(groups[:MAX_MARKS]):
        text = _cut(some[0].text) if len(some) == 1 else f"{len(some)} changes"
        if n == MAX_MARKS - 1 and len(groups) > MAX_MARKS:
            text += f", and {sum(len(rest) for _, rest in groups[MAX_MARKS:])} more"
        left = x > (_LEFT + _RIGHT) / 2
        line = Markup('<line class="note" x1="{0}" x2="{0}" y1="8" y2="{1}"/>').format(_number(x), foot)
        y = 16 + 13 * (n % 2)  # Two rows, so that neighbours can be read.
        words = _text(x - 8 if left else x + 8, y, "end" if left else "start", text, "notet")
        out.append(_group(", ".join(_cut(mark.text) for mark in some[:MAX_MARKS]), line + words))
    return out


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def _text(x: float, y: float, anchor: str, text: str, css: str = "") -> Markup:
    named = Markup(' class="{}"').format(css) if css else Markup("")
    return Markup('<text{} x="{}" y="{}" text-anchor="{}">{}</text>').format(
        named, _number(x), _number(y), anchor, escape(text)
    )


def _nice(count: int) -> int:
    """The next round number an axis can end at; all of them divide by the two or three lines below."""
    if count <= 2:
        return max(1, count)
    power = 10 ** int(log10(count))
    return next(
        int(power * step) for step in (1, 1.2, 1.5, 2, 3, 4, 6, 8, 10) if power * step >= count and not power * step % 1
    )


def _short(count: float) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size * 10:
            return f"{count / size:g}{letter}"
    return f"{count:,g}" if count < 1 or count % 1 else f"{int(count):,}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
