"""Opening sealed texts for somebody who looks at a decision or searches for words. That it was done is recorded.

Nothing is handed out before its record is on the disk. A text whose time is over, or whose person was forgotten, says
so in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import orjson

from bartizan.core.errors import InputError, StoreBroken, UsageError
from bartizan.ledger.log import aad
from bartizan.ledger.read import Record, find, parse
from bartizan.store.logfile import LogFile, logs
from bartizan.vault import Vault

MAX_SEARCHED = 500  # Sealed texts that one search opens.
MAX_SEARCHED_BYTES = 64 << 20
MAX_WORDS = 8
_DECISIONS = ("request", "answer", "subject")

Event = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Gone:
    """A sealed text that nobody can open any more, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Searched:
    """The exchanges in whose texts all words stand, in the order given, and how far the search came.

    `opened` texts were read; `gone` ones could not be; `more` says that a bound was hit before the last exchange.
    """

    found: tuple[str, ...]
    opened: int
    gone: int
    more: bool


def records_of(home: Path, exchange: str) -> list[Record]:
    """Every record of an exchange: its decisions, and what people did about it, in their order."""
    found = [parse(row) for _, row in find(home, exchange)]
    found.sort(key=lambda record: (record["time_us"], record["writer"], record["seq"]))
    return found


def open_texts(
    home: Path, vault: Vault, exchange: str, *, by: str, record: Callable[[Event], None]
) -> dict[str, bytes | Gone]:
    """The sealed texts of an exchange, by side, as they came. Who opened them is on the disk when this returns.

    Args:
        by: The pseudonym of whoever looks.
        record: Appends an event durably.

    Raises:
        StoreError: It cannot be recorded: then nothing is shown.
    """
    out: dict[str, bytes | Gone] = {}
    person = ""
    for path, row in find(home, exchange):
        made = parse(row)
        if bodies := made.get("bodies"):
            with LogFile.reading(path) as file:
                out |= {told["side"]: body(made, told, file, vault) for told in bodies if told["side"] in _DECISIONS}
            person = person or made.get("person", "")
    if any(isinstance(text, bytes) for text in out.values()):
        sides = sorted(side for side, text in out.items() if isinstance(text, bytes))
        record({"event": "text-opened", "exchange": exchange, "by": by, "person": person, "sides": sides})
    return out


def search_texts(
    home: Path,
    vault: Vault,
    exchanges: Iterable[tuple[str, str]],
    words: Sequence[str],
    *,
    by: str,
    asked: str,
    record: Callable[[Event], None],
    at_most: int = MAX_SEARCHED,
) -> Searched:
    """Which exchanges hold all the words, whatever their case. One record says who searched how many texts.

    Args:
        exchanges: What to look in, as (log, exchange), newest first.
        asked: The filter that chose them, without the words: those are content.

    Raises:
        InputError: No words, or too many.
        StoreError: It cannot be recorded: then nothing is told.
    """
    wanted = [word.casefold() for word in words if word.strip()]
    if not wanted or len(wanted) > MAX_WORDS:
        raise InputError(f"search for 1 to {MAX_WORDS} words", "q")
    paths = {path.name.removeprefix("log-").removesuffix(".sqlite"): path for path in logs(home)}
    found: list[str] = []
    opened = gone = size = 0
    more = False
    pairs = iter(exchanges)
    # A log is opened once for neighbours in the list: an index gives them by time, and most homes have few writers.
    for log, group in groupby(islice(pairs, at_most), key=lambda pair: pair[0]):
        if log not in paths:
            continue
        with LogFile.reading(paths[log]) as file:
            for _, exchange in group:
                if opened >= at_most or size > MAX_SEARCHED_BYTES:
                    more = True
                    break
                texts = [
                    body(made, told, file, vault)
                    for made in map(parse, file.by_exchange(exchange))
                    for told in made.get("bodies", ())
                    if told["side"] in _DECISIONS
                ]
                there = [text for text in texts if isinstance(text, bytes)]
                opened, gone, size = opened + len(there), gone + len(texts) - len(there), size + sum(map(len, there))
                if there and _holds(there, wanted):
                    found.append(exchange)
        if more:
            break
    more = more or next(pairs, None) is not None
    if opened:
        record({"event": "texts-searched", "exchange": "", "by": by, "filter": asked, "texts": opened})
    return Searched(tuple(found), opened, gone, more)


def _holds(texts: Iterable[bytes], words: Iterable[str]) -> bool:
    whole = "\n".join(map(_plain, texts)).casefold()
    return all(word in whole for word in words)


def _plain(raw: bytes) -> str:
    """A text as words stand in it: JSON with its escapes undone."""
    text = raw.decode("utf-8", "replace")
    if text[:1] not in ("{", "["):
        return text
    try:
        value = orjson.loads(raw)
    except ValueError:
        return text
    return "\n".join(_strings(value))


def _strings(value: object) -> Iterable[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, int | float) and not isinstance(one, bool):
            yield str(one)


def body(record: Record, told: Mapping[str, Any], file: LogFile, vault: Vault) -> bytes | Gone:
    """One sealed text of a record, or why there is none; nothing is recorded here. Any: as the record says it."""
    try:
        sealed = file.body(told["month"], record["seq"], told["side"])
        if sealed is None:
            return Gone("its time was over")
        tied = aad(record["writer"], record["seq"], told["side"])
        text, commitment = vault.open_as(record.get("person", ""), record["time_us"], sealed, tied)
    except StoreBroken as error:
        return Gone(str(error))
    if commitment != told["commitment"]:
        return Gone("the text is not the one that was recorded")
    return text


def decisions(records: Iterable[Record]) -> list[Record]:
    """Those of them that are decisions, a request before its answer. Raises UsageError where there is none."""
    found = [record for record in records if "action" in record and record.get("side") in _DECISIONS]
    if not found:
        raise UsageError("no decision has this id; it may have been made in another home")
    return sorted(found, key=lambda record: _DECISIONS.index(record["side"]))
