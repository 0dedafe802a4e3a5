"""The answer of `usage logs` in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bartizan.doors.usage.answer import MAX_PEOPLE, WORDS, Answer, Use, ordered
from bartizan.home.logs.lines import MAX_NAMES, rfc3339
from bartizan.readers.logs.reading import NO_FORMAT
from bartizan.report.table import show as table

MOST = 40  # Candidates and look-alikes that are shown; the rest is counted.
HEADERS = ("service", "people", "visits", "sent", "at least", "accounts", "first", "last", "denied")


def told(whole: Answer) -> str:
    """What a person reads: services, then what imitates them, then what might be AI."""
    parts = []
    if whole.services:
        parts.append(table(HEADERS, [_row(use, _service(use)) for use in ordered(whole.services)]))
        found = sorted({use.evidence for use in whole.services.values()})
        parts.append("".join(f"{one.word}: {WORDS[one].partition(': ')[2] or WORDS[one]}\n" for one in found))
    else:
        read = all(source.whole for source in whole.sources)
        parts.append(f"no AI service in {'these logs' if read else 'what could be read of these logs'}\n")
    for title, uses in (
        ("Look-alikes: these hosts imitate an AI service, and are none", whole.lookalikes),
        ("Candidates: unknown hosts that look like AI, for review", whole.candidates),
    ):
        if not uses:
            continue
        rows = ordered(uses)
        named = [(_host(use), _people(use), use.count, size(use.bytes_up), use.evidence.word) for use in rows[:MOST]]
        more = f"and {len(rows) - MOST:,} more; --observations --candidates shows all\n" if len(rows) > MOST else ""
        parts.append(f"{title}\n{table(('host', 'people', 'visits', 'sent', 'at least'), named)}{more}")
    return "\n".join(parts)


def coverage(whole: Answer) -> Iterator[str]:
    """What was read, and what was not: a line for all sources, and one for each with something to say."""
    every = whole.sources
    lines = sum(source.lines for source in every)
    junk = sum(source.junk for source in every)
    formats = Counter(name for source in every for name in source.formats)
    words = [f"{len(every)} source{'s' * (len(every) != 1)}, {lines:,} lines"]
    if formats:
        words.append(", ".join(f"{name} × {count}" if count > 1 else name for name, count in sorted(formats.items())))
    if junk:
        words.append(f"{junk:,} lines of no known format")
    yield "; ".join(words)
    if silent := [source.file for source in every if source.silent and source.whole]:
        yield f"no AI service in {len(silent)}: {', '.join(silent[:5])}{' …' * (len(silent) > 5)}"
    for source in every:
        if source.why:
            yield f"{source.file}: not read to its end: {source.why}"
        for name, times in source.bounds.items():
            yield f"{source.file}: {name}{f' ({times:,})' * (times > 1)}"
    if any(NO_FORMAT in source.bounds for source in every):
        yield "  `bartizan usage logs --formats` lists what is read; --as FORMAT says which of them it is"
    if whole.left_out:
        yield f"{whole.left_out:,} observations of further candidates are not shown: more than 20,000"


def size(count: int) -> str:
    """Bytes as people say them; nothing where nothing is known."""
    if not count:
        return "-"
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def _row(use: Use, name: str) -> tuple[object, ...]:
    return (
        name, _people(use), use.count, size(use.bytes_up), use.evidence.word, _accounts(use),
        _day(use.first_us), _day(use.last_us), use.denied or "-",
    )  # fmt: skip


def _service(use: Use) -> str:
    assert use.listed.service is not None
    return use.listed.service.name


def _host(use: Use) -> str:
    host = next(iter(use.hosts), "")
    return f"{host} (like {use.listed.lookalike_of})" if use.listed.lookalike_of else host


def _people(use: Use) -> str:
    return f"{len(use.people):,}{'+' * (len(use.people) >= MAX_PEOPLE)}"


def _accounts(use: Use) -> str:
    names = sorted(use.accounts)
    more = f" +{len(names) - 1}{'…' * (len(names) >= MAX_NAMES)}" if len(names) > 1 else ""
    return f"{names[0]}{more}" if names else "-"


def _day(time_us: int) -> str:
    return (rfc3339(time_us) or "-")[:10]
