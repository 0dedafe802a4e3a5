"""Numbered marks in a text, nested where they overlap, and edits in the place of what they replaced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bartizan.core.decision import Edit
from bartizan.doors.console.visible import Room

MAX_DEPTH = 5  # Marks in each other. A sixth at the same place has its number, and no tint of its own.

Show = Callable[[str, Room], tuple[Markup, int]]


@dataclass(frozen=True, slots=True)
class Span:
    """Where a finding is: half-open, in code points. `tone` is its class, `level` its severity."""

    start: int
    end: int
    number: int
    tone: str
    level: int


def marked(
    text: str,
    start: int,
    end: int,
    spans: Sequence[Span],
    edits: Sequence[Edit],
    room: Room,
    show: Show | None = None,
) -> tuple[Markup, int]:
    """The passage `start:end` with its marks, and where it ended: at `end`, or where the page was full.

    Args:
        spans: Of this text; they may lie beside the passage, or reach beyond it.
        edits: In order and apart from each other; each one's mark stands in its place.
        show: How the text itself is shown.
    """
    put = show or (lambda piece, into: into.put(piece))
    here = [span for span in spans if span.start < end and span.end > start]
    changed = [
        edit for edit in edits if (edit.start < end and edit.end > start) or start <= edit.start == edit.end < end
    ]
    cuts = {start, end, *(edge for span in here for edge in (span.start, span.end))}
    cuts |= {edge for edit in changed for edge in (edit.start, edit.end)}
    edges = sorted(edge for edge in cuts if start <= edge <= end)
    out: list[Markup] = []
    open_: list[Span] = []
    for n, edge in enumerate(edges):
        ending = sorted((span for span in here if span.end == edge), key=lambda span: span.number)
        inside = next((edit for edit in changed if edit.start < edge < edit.end), None)
        _close(out, open_, [span for span in open_ if span.end > edge], room)
        if not inside:
            behind = [e for e in changed if e.end == edge and e.start < edge]
            numbers = sorted(
                {span.number for span in ending}
                | {span.number for span in here for e in behind if e.start < span.end <= edge}
            )
            out += [room.add(_number(number)) for number in numbers]
        for edit in changed:
            if edit.start == edge or (n == 0 and edit.start < edge):
                _close(out, open_, [], room)
                out.append(room.add(_edited(edit)))
        if edge == end:
            break
        after = edges[n + 1]
        if any(edit.start <= edge < edit.end for edit in changed):
            continue
        _open(out, open_, here, edge, room)
        made, taken = put(text[edge:after], room)
        out.append(made)
        if taken < after - edge:
            _close(out, open_, [], room)
            return Markup("").join(out), edge + taken
    _close(out, open_, [], room)
    return Markup("").join(out), end


def _close(out: list[Markup], open_: list[Span], kept: list[Span], room: Room) -> None:
    """End marks from the innermost out, until only such are open as go on."""
    same = 0
    while same < min(len(open_), len(kept)) and open_[same] == kept[same]:
        same += 1
    out += [room.add(Markup("</mark>")) for _ in open_[same:]]
    del open_[same:]


def _open(out: list[Markup], open_: list[Span], here: Sequence[Span], edge: int, room: Room) -> None:
    """Begin the marks of this place: the longest outside, and of many the most severe."""
    active = [span for span in here if span.start <= edge < span.end]
    if len(active) > MAX_DEPTH:
        active = sorted(active, key=lambda span: (-span.level, span.number))[:MAX_DEPTH]
    active.sort(key=lambda span: (span.start, -span.end, span.number))
    _close(out, open_, active, room)
    for span in active[len(open_) :]:
        out.append(room.add(Markup('<mark class="{}" data-n="{}">').format(span.tone, span.number)))
        open_.append(span)


def _number(number: int) -> Markup:
    return Markup('<sup><a href="#f{0}" data-n="{0}" aria-label="finding {0}">{0}</a></sup>').format(number)


def _edited(edit: Edit) -> Markup:
    if edit.start == edit.end:
        return Markup('<ins class="edit">{}</ins>').format(edit.mark)
    told = f"{edit.end - edit.start:,} characters were here"
    return Markup('<ins class="edit" title="{}">{}</ins>').format(told, edit.mark)
