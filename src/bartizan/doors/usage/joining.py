"""Sources of one run that complete each other: flows by the answers of name servers, connections by their uid.

    logs of name servers, names of connections ──▶ standard input ──▶ flows, ends of connections
        read first, in this process                                    read last, each with what came before

Only where such a source is among them, the others are told apart first; all that take no part are read as ever.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from bartizan.catalogue.wanted import Wanted
from bartizan.home.logs import observing
from bartizan.home.logs.observing import How, Run, Told
from bartizan.home.logs.sources import Source, chunks, opened
from bartizan.readers.logs import reading
from bartizan.readers.logs.observe import FULL
from bartizan.readers.logs.visit import Format

T = TypeVar("T")


@dataclass(slots=True)
class Arranged:
    """`together` are read one after the other as they stand, `others` as one likes."""

    together: list[Source] = field(default_factory=list)
    others: list[Source] = field(default_factory=list)


def arranged(sources: Iterable[Source], how: How) -> Arranged:
    """Which sources complete each other, and in which order they do."""
    every = list(sources)
    as_ = observing.format_of(how)
    if as_ is not None and as_.joins is None:
        return Arranged(others=every)
    last = [one for one in every if _looked(one, reading.joins, default=False)]
    if not last or len(every) == 1:
        return Arranged(others=every)
    ids = {id(one) for one in last}
    pipes = [one for one in every if not one.regular]
    first = [one for one in every if one.regular and id(one) not in ids and _tells(one, as_)]
    together = [*first, *pipes, *last]
    ids = {id(one) for one in together}
    return Arranged(together, [one for one in every if id(one) not in ids])


def read(together: Iterable[Source], how: How, wanted: Wanted | None = None) -> Iterator[Told]:
    """What each of them tells; one whose connections end elsewhere when all are read."""
    run = Run()
    held: list[Told] = []
    for source in together:
        told = observing.tell(source, how, wanted, run)
        if run.left:
            held.append(told)
        else:
            yield from _complete(held)
            held.clear()
            yield told
    run.left.rest()
    yield from _complete(held)


def _complete(held: Iterable[Told]) -> Iterator[Told]:
    for told in held:
        if told.observations.lost:
            told.bounded[FULL] = told.observations.lost
        yield told


def _tells(source: Source, as_: Format | None) -> bool:
    def answers(pieces: Iterator[bytes]) -> bool:
        format_, _ = (as_, None) if as_ is not None else reading.told(pieces)
        return format_ is not None and (format_.answers or format_.joins is not None)

    return _looked(source, answers, default=False)


def _looked(source: Source, look: Callable[[Iterator[bytes]], T], default: T) -> T:
    """What the beginning of a file shows."""
    if not source.regular or source.why:
        return default
    try:
        descriptor = opened(source)
    except OSError:
        return default
    try:
        return look(chunks(descriptor))
    except OSError:
        return default  # Whoever reads it next says so.
    finally:
        os.close(descriptor)
