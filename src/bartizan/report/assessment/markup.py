"""Pieces of a page: all that comes from a model, its data or a file is escaped, and what nobody sees is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from bartizan.report.assessment.gauges import percent, share_of

MAX_ROWS = 200
MAX_TEXT = 2000
MAX_DEPTH = 4
HIDDEN = frozenset({"files", "measures", "sentence", "warnings", "trusted", "seconds", "cpu_seconds"})  # told elsewhere


def text(value: object) -> str:
    """Anything as text inside of a page, bounded."""
    said = str(value)
    return escape(visible(said if len(said) <= MAX_TEXT else f"{said[:MAX_TEXT]}…"))


def visible(text: str) -> str:
    """What nobody sees in a text, and what could reorder it, becomes a replacement character."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def told(value: object) -> str:
    """A value of JSON for people, as text inside of a page."""
    rate = share_of(value)
    if rate is not None:
        return f"{rate.words()}{f', {rate.hits:,} of {rate.of:,}' if rate.of else ''}"
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(told(one) for one in value[:12]) + (
            f" and {len(value) - 12:,} more" if len(value) > 12 else ""
        )
    if isinstance(value, Mapping):
        return "; ".join(f"{label(key)} {told(one)}" for key, one in list(value.items())[:12])
    return text(value)


def label(key: object) -> str:
    """The name of a field for people."""
    return text(str(key).replace("_", " "))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table of cells that are markup already; the columns in `numbers` stand right."""
    kept = list(rows)
    if not kept:
        return ""

    def cell(tag: str, n: int, inner: str) -> str:
        right = ' class="n"' if n in numbers else ""
        scope = " scope=col" if tag == "th" else ""
        return f"<{tag}{scope}{right}>{inner}</{tag}>"

    head = "".join(cell("th", n, text(one)) for n, one in enumerate(heads))
    body = "".join(f"<tr>{''.join(cell('td', n, one) for n, one in enumerate(row))}</tr>" for row in kept[:MAX_ROWS])
    more = f'<p class="dim">and {len(kept) - MAX_ROWS:,} more</p>' if len(kept) > MAX_ROWS else ""
    wide = ' class="wide"' if len(heads) > 3 else ""
    return f'<div class="scroll"><table{wide}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values; values are markup already."""
    inner = "".join(f"<tr><th scope=row>{text(name)}</th><td>{value}</td></tr>" for name, value in rows if value)
    return f'<table class="facts"><tbody>{inner}</tbody></table>' if inner else ""


def records(rows: object) -> str:
    """A list of mappings as a table whose columns are their fields; "" for anything else."""
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping) for row in rows):
        return ""
    names = [
        name for name in dict.fromkeys(name for row in rows for name in row) if any(_there(row, name) for row in rows)
    ]
    heads = [str(name).replace("_", " ") for name in names]
    numbers = [n for n, name in enumerate(names) if all(_plain_number(row.get(name)) for row in rows)]
    return table(heads, ([told(row.get(name)) for name in names] for row in rows), numbers)


def _there(row: Mapping[str, Any], name: str) -> bool:
    return row.get(name) is not None and row[name] != ""


def _plain_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def everything(section: Mapping[str, Any], skip: Iterable[str] = (), depth: int = 0) -> str:
    """All that a section holds, whatever its check wrote: rates, facts and tables."""
    left = {name: value for name, value in section.items() if name not in HIDDEN and name not in set(skip)}
    plain, inner = [], []
    for name, value in left.items():
        if isinstance(value, Mapping) and share_of(value) is None and depth < MAX_DEPTH:
            inner.append((name, everything(value, depth=depth + 1)))
        elif made := records(value):
            inner.append((name, made))
        else:
            plain.append((str(name).replace("_", " "), told(value)))
    below = "".join(f"<h3>{label(name)}</h3>{made}" for name, made in inner if made)
    return facts(plain) + below


def share(value: float) -> str:
    """A share as text inside of a page."""
    return text(percent(value))
