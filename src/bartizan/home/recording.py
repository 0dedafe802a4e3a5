"""A home for doors that judge without serving: `inspect --record`, `scan --record`, `judge(home=…)`.

Every decision is on the disk before it is told. One process holds one log; several on the same home take one each.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bartizan.core.decision import Decision
from bartizan.core.errors import StoreBusy
from bartizan.core.subject import Subject
from bartizan.home import Home
from bartizan.ledger.entry import entry
from bartizan.ledger.writer import Writer
from bartizan.loop import Loop
from bartizan.policy.model import Policy
from bartizan.workers import Pool

MAX_AT_ONCE = 64  # Processes that record from the same door at the same time.


class Recorder:
    """Judges by a home's policy and writes to its ledger."""

    def __init__(self, home: Home | Path | str | None, door: str) -> None:
        """Opens the home (None: as configured), making it at its first use. Raises ConfigError, StoreError.

        A home that is open already stays so.
        """
        self._door = door
        self._owned = not isinstance(home, Home)
        self._home = home if isinstance(home, Home) else Home.open(home)
        try:
            self._pool = Pool()
            self._loop = self._home.loop(self._pool)
            self._writer = self._first_free()
        except BaseException:
            self._close_home()
            raise

    def _first_free(self) -> Writer:
        for number in range(MAX_AT_ONCE):
            try:
                return self._home.writer(f"{self._door}-{number}")
            except StoreBusy:
                continue
        raise StoreBusy(f"{MAX_AT_ONCE} processes record from {self._door} already")

    @property
    def loop(self) -> Loop:
        """What judges now. Whoever records a decision says by which policy it was made, and that is this one's."""
        return self._loop.steady()

    def now(self, subject: Subject) -> Subject:
        """The subject as of now, with what is remembered about its context: what is judged and recorded."""
        context = replace(subject.context, when_us=time.time_ns() // 1000)
        return self._loop.remembering(replace(subject, context=context))

    def record(
        self,
        subject: Subject,
        decision: Decision,
        id_: str,
        content: bytes,
        policy: Policy,
        facts: Mapping[str, object] | None = None,
    ) -> int:
        """Hands a decision to the ledger: `wait` for its ticket before anybody hears of it. Raises StoreError.

        Args:
            facts: More fields of the record, with ASCII names and values without content.
        """
        made = entry(
            subject,
            decision,
            exchange=id_,
            side="subject",
            door=self._door,
            policy=policy.ref,
            detectors=self._loop.detectors_digest,
            content=content,
            vault=self._home.vault,
            facts=facts,
        )
        return self._writer.append(made, (("subject", content),) if policy.keeps(decision) else ())

    def wait(self, ticket: int) -> None:
        """Until that record and all before it are on the disk. Raises StoreError where they cannot be."""
        self._writer.wait(ticket)

    def close(self) -> None:
        """Ends the log, the workers and the home."""
        self._writer.close()
        self._pool.close()
        self._close_home()

    def _close_home(self) -> None:
        if self._owned:
            self._home.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
