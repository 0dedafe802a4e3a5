"""What judges and records for a door that serves: one loop, one ledger and one desk of cases, whoever asks.

The doors of one process share them. What a door does with a decision is its own affair.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bartizan.core.decision import Action, Decision
from bartizan.core.detector import Cost
from bartizan.core.errors import StoreFull
from bartizan.core.finding import Finding
from bartizan.core.subject import Context, Subject
from bartizan.exchange.dialect import Notice
from bartizan.home.metrics import Counters
from bartizan.ledger.entry import entry
from bartizan.policy.clause import OnFull
from bartizan.report.decision import told
from bartizan.report.ids import Ids

if TYPE_CHECKING:
    from bartizan.cases import Desk
    from bartizan.config import Config
    from bartizan.home import Home
    from bartizan.home.durable import Ledger, Ticket
    from bartizan.loop import Loop
    from bartizan.policy.model import Policy
    from bartizan.report.logline import Log


@dataclass(frozen=True, slots=True)
class Intercepted:
    """A tunnel that was opened: the gateway reads its requests as its own, and asks the host that was meant.

    Args:
        secret: The key it was asked for with; it may be revoked while the tunnel stands.
        system: What the catalogue calls it, else the host: the provider in policies and records.
        headers: Those that every request gets, in the place of the client's own.
    """

    secret: str = field(repr=False)
    host: str
    port: int
    system: str
    sanctioned: bool | None
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Court:
    """The shared parts. Everything here belongs to the event loop of its process."""

    def __init__(
        self, door: str, config: Config, home: Home, loop: Loop, ledger: Ledger, log: Log, counters: Counters
    ) -> None:
        """`door` is the name under which it records."""
        self.door, self.config, self.home, self.loop = door, config, home, loop
        self.ledger, self.log, self.counters = ledger, log, counters
        self.ids = Ids(time.time_ns, os.urandom)
        self.desk: Desk = home.desk(ledger.record)
        self._detectors = len(loop.detectors)
        self._slow = any(detector.cost is Cost.WORKER for detector in loop.detectors)

    async def judge(self, subject: Subject, size: int) -> tuple[Decision, Policy]:
        """What the policy says, and which one it was. Raises PolicyError, StoreError: then nothing may pass."""
        began, loop = time.perf_counter(), self.loop.steady()
        if self._slow or size > self.config.examine.inline_bytes:
            decision = await loop.ajudge(subject)
        else:
            decision = loop.judge(subject)
        self.counters.took("judge_seconds", time.perf_counter() - began)
        return decision, loop.policy

    def record(
        self,
        subject: Subject,
        decision: Decision,
        policy: Policy,
        id_: str,
        side: str,
        content: bytes,
        began: float,
        facts: Mapping[str, object] | None = None,
        *,
        awaited: bool = True,
    ) -> Ticket:
        """Hand the record of a decision to the ledger; its ticket. Raises StoreError.

        One that is not `awaited` may be written a little later, together with others.
        """
        made = entry(
            subject,
            decision,
            exchange=id_,
            side=side,
            door=self.door,
            policy=policy.ref,
            detectors=self.loop.detectors_digest,
            content=content,
            vault=self.home.vault,
            facts=facts,
        )
        counters = self.counters
        for seen in decision.seen:
            if isinstance(seen.item, Finding):
                counters.add("findings", seen.item.risk)
            else:
                counters.add("examination_failures", seen.item.detector)
        ticket = self.ledger.append(made, ((side, content),) if content and policy.keeps(decision) else ())
        counters.add("decisions", side, decision.outcome)
        took_ms = (time.perf_counter() - began) * 1000
        self.log.decided(decision, side, id_, subject.kind.value, self._detectors, took_ms)
        return ticket

    async def durable(self, ticket: Ticket, policy: Policy) -> None:
        """Until a record is on the disk. Raises StoreError, unless a full disk may be passed without one."""
        try:
            await self.ledger.durable(ticket)
        except StoreFull:
            if (policy.on_full or self.config.on_full) != OnFull.PASS:
                raise
            self.counters.add("unrecorded")
            self.log.alarm("passed-unrecorded", exchanges=1)

    def tell(self, decision: Decision, policy: Policy) -> tuple[str, ...]:
        """What the clauses say to the person."""
        return tuple(told([policy.clause(id_) for id_ in sorted(decision.clauses)])) if decision.clauses else ()

    def notice(self, id_: str, decision: Decision, policy: Policy, link: str | None, case: str | None) -> Notice:
        """What a client is told of a refusal. Without console or `public_url` there is no link, but the command."""
        enforced = tuple(c for c in sorted(decision.clauses) if policy.clause(c).enforced)
        tell = self.tell(decision, policy)
        if case is not None and link is None:
            verb = "reason" if decision.action is Action.JUSTIFY else "decide"
            way = f'POST {{"reason": …}} to /v1/cases/{case}' if verb == "reason" else f"`bartizan cases decide {case}`"
            tell = (*tell, f"Case {case}: {way}.")
        return Notice(case or id_, enforced, tell, link)

    def open_case(
        self, subject: Subject, decision: Decision, content: bytes, id_: str
    ) -> tuple[str | None, str | None]:
        """Open a case for a decision that waits for a person: its id and link. Writes to the disk: for threads.

        (None, None) where nobody could ever let it pass.
        """
        context: Context = subject.context
        wanted = self.home.wanted(decision, context, exchange=id_, writer=self.ledger.writer.log)
        if wanted is None:
            return None, None
        opened = self.desk.open(wanted, content, time.time_ns() // 1000)
        if opened.new:
            self.log.event("case-opened", case=opened.case.id, action=decision.action.name.lower(), exchange=id_)
        config = self.config  # The console's page takes a reason; the gateway's own only tells.
        base = config.console_url.rstrip("/") or config.public_url.rstrip("/") or config.console_base
        return opened.case.id, f"{base}/c/{opened.token}" if base else None

    def remembering(self, subject: Subject) -> Subject:
        """The subject with the grants of its person, if there are any: the record names what was remembered."""
        history = self.home.granted.history(subject.context)
        return replace(subject, history=history) if history.digest else subject
