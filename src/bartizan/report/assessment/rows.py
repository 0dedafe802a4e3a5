"""Rows of the data on the page, before and after: pictures, the columns that moved, the words that changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from bartizan.report.assessment.markup import table, text
from bartizan.report.assessment.pictures import change, is_image, picture

if TYPE_CHECKING:
    from bartizan.assess.examples import Example
    from bartizan.assess.target import Array

MAX_COLUMNS = 6  # of a table's row that are shown, those that moved most
MAX_WORDS = 400  # of a text
MAX_CODES = 3  # letters of an edit that are told by number


def examples(rows: Sequence[Example], changes: Mapping[object, str]) -> Iterator[str]:
    """The rows that fell to the smallest changes. `changes`: what flips a row, in words, by its index."""
    if not rows:
        return
    yield '<div class="card"><h3>Fell to the smallest changes</h3><div class="examples">'
    for one in rows:
        yield f'<div class="example">{_row(one, changes.get(one.index))}'
        yield f"<p><strong>{text(one.label)}</strong> became <strong>{text(one.answer)}</strong></p>"
        yield f'<p class="dim">row {one.index:,}, {_size(one)}, {text(one.attack)}</p></div>'
    yield "</div></div>"


def triggers(found: Sequence[tuple[str, Array]]) -> Iterator[str]:
    """Pictures of recovered triggers."""
    shown = [(name, row) for name, row in found if is_image(row.shape)]
    if not shown:
        return
    yield '<div class="triggers">'
    for name, row in shown:
        number, _, what = name.partition("_")
        title = f"trigger {int(number) + 1}, {what}" if number.isdigit() else name
        yield f"<figure>{picture(row, title)}<figcaption>{text(title)}</figcaption></figure>"
    yield "</div>"


def _size(one: Example) -> str:
    return f"{one.distance:.0%} of its words" if _is_text(one) else f"change {one.distance:.3g}"


def _is_text(one: Example) -> bool:
    return isinstance(one.before, str) or one.before.dtype.kind in "UO"


def _row(one: Example, words: str | None) -> str:
    if _is_text(one):
        return _texts(str(one.before), str(one.after))
    if is_image(one.before.shape):
        return _pictures(one)
    return f"<p>{text(words)}</p>" if words else _columns(one)  # A schema's words have its names of columns.


def _pictures(one: Example) -> str:
    parts = (
        (picture(one.before, f"row {one.index}, {one.label}"), "as given"),
        (change(one.before, one.after, f"what was changed in row {one.index}"), "change, enlarged"),
        (picture(one.after, f"row {one.index} after the attack, taken for {one.answer}"), "after"),
    )
    return f'<div class="pair">{"".join(f"<div>{shown}<small>{name}</small></div>" for shown, name in parts)}</div>'


def _columns(one: Example) -> str:
    import numpy as np

    before, after = np.asarray(one.before, np.float64).ravel(), np.asarray(one.after, np.float64).ravel()
    rounding = (
        np.abs(before - before.astype(after_type)) if (after_type := np.asarray(one.after).dtype).kind == "f" else 0.0
    )
    moved = np.nan_to_num(np.abs(after - before))
    moved[moved <= rounding] = 0.0  # Only as the file keeps it.
    part = moved / np.maximum(np.nan_to_num(np.abs(before)), 1e-9)  # Columns have units of their own.
    order = [int(at) for at in np.argsort(-part, kind="stable")[:MAX_COLUMNS] if moved[at] > 0]
    names = one.columns
    rows = [
        [text(names[at] if at < len(names) else f"column {at}"), f"{before[at]:.5g}", f"<mark>{after[at]:.5g}</mark>"]
        for at in order
    ]
    more = int((moved > 0).sum()) - len(order)
    return table(("column", "was", "becomes"), rows, (1, 2)) + (f'<p class="dim">and {more:,} more</p>' if more else "")


def _texts(before: str, after: str) -> str:
    """Word by word: what went is struck through, what came is marked."""
    old, new = before.split(" ")[:MAX_WORDS], after.split(" ")[:MAX_WORDS]
    out: list[str] = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            out.append(text(" ".join(old[a:b])))
            continue
        if a < b:
            out.append(f"<del>{text(' '.join(old[a:b]))}</del>")
        if c < d:
            came = " ".join(new[c:d])
            out.append(f"<mark>{text(came)}</mark>{_unseen(came, ' '.join(old[a:b]))}")
    return f"<p>{' '.join(out)}</p>"


def _unseen(came: str, went: str) -> str:
    """The numbers of letters that look like others or like nothing: without them the two words look the same."""
    codes = dict.fromkeys(f"U+{ord(one):04X}" for one in came if not one.isascii() and one not in went)
    return f' <span class="dim">({", ".join(list(codes)[:MAX_CODES])})</span>' if codes else ""
