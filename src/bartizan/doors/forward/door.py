"""What all connections of the proxy in one process share: who may, how many, what the policy says, what is recorded.

A tunnel's request is recorded before it is answered, and once more when it has ended, with what went through it: two
records of one exchange, as the gateway writes them.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bartizan.core.decision import NOTHING, Action, Decision
from bartizan.core.errors import ConfigError, StoreError
from bartizan.core.subject import Context, Direction, Subject
from bartizan.doors.forward.addresses import Resolver
from bartizan.doors.forward.connection import Connection
from bartizan.doors.forward.inside import Inside
from bartizan.doors.forward.services import Services
from bartizan.home.authority import Authority
from bartizan.home.court import Intercepted
from bartizan.inventory.restriction import slug
from bartizan.readers.tunnel import UNKNOWN, Known, Place, Tunnel, tunnel

if TYPE_CHECKING:
    from bartizan.home.court import Court
    from bartizan.home.durable import Ticket
    from bartizan.policy.model import Policy
    from bartizan.vault import Identity

BACKLOG = 1024
QUIET_S = 1.0  # At the end, a tunnel in which nothing moves for so long has nothing to finish.
_SANCTIONED = {"approved": True, "tolerated": True, "restricted": False, "blocked": False}
PAUSED = Decision(Action.BLOCK)


@dataclass(slots=True)
class Verdict:
    """What was decided on one tunnel, and where that is written."""

    id: str
    place: Place
    known: Known
    subject: Subject
    decision: Decision
    policy: Policy
    ticket: Ticket

    @property
    def refused(self) -> bool:
        """A tunnel cannot be edited: what would have to be does not pass."""
        return self.decision.action >= Action.JUSTIFY or bool(self.decision.edits)


Ended = Callable[[Inside], None]
Within = Callable[[Intercepted], asyncio.Protocol]


def opened(court: Court, connections: int, within: Within) -> Door:
    """The proxy of a process; `within` makes what reads an intercepted tunnel.

    Raises BartizanError where what it needs is not there.
    """
    intercepted = court.config.forward.intercept
    authority = Authority.load(court.home.path) if intercepted else None
    for host in intercepted:
        if authority is not None and not authority.covers(host):
            raise ConfigError(
                f"forward.intercept: {host} is none of the hosts that the CA was made for\n"
                "  Remove it (`bartizan usage ca remove`), and create it again."
            )
    return Door(court, Services(court.home).known, connections, authority, within)


class Door:
    """One process's proxy. Everything here belongs to the event loop."""

    def __init__(
        self,
        court: Court,
        known: Callable[[str, Identity], Known],
        connections: int,
        authority: Authority | None,
        within: Within,
    ) -> None:
        """`known` says what a host is, and what holds there for a person; `connections` of clients: at most so many."""
        self.court, self.known, self._authority, self._within = court, known, authority, within
        self.settings, self.limits = court.config.forward, court.config.limits
        self.resolver = Resolver(self.settings.networks, self.settings.lookups)
        self.intercepted = frozenset(self.settings.intercept)
        self.ports = frozenset(map(int, self.settings.ports))
        self.connections: set[Connection] = set()
        self.most = min(connections, 2 * self.settings.tunnels)
        self.tunnels = 0
        self.draining = False
        self._of_key: dict[str, int] = {}
        self._server: asyncio.Server | None = None

    # ---- Its life

    async def listen(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Begin to take connections."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), sock=listener, ssl=tls, backlog=BACKLOG)

    def sweep(self, now: float) -> None:
        """End what takes too long."""
        for connection in tuple(self.connections):
            connection.sweep(now)

    async def drain(self, until: float) -> None:
        """No new connections; tunnels in which something moves may go on until then."""
        self.draining = True
        if self._server is not None:
            self._server.close()
        loop = asyncio.get_running_loop()
        while self.connections and (now := loop.time()) < until:
            for connection in tuple(self.connections):
                connection.drain(now, QUIET_S)
            await asyncio.sleep(0.05)
        for connection in tuple(self.connections):
            connection.abort("drained")
        await asyncio.sleep(0)  # What was ended is told by then.

    def gauges(self) -> dict[str, float]:
        """What is under way, for the metrics."""
        return {"tunnels_open": self.tunnels}

    def inside(
        self, transport: asyncio.Transport, verdict: Verdict, secret: str, begun: Callable[[], None], ended: Ended
    ) -> Inside:
        """The client's side of a tunnel to an intercepted host. `begun` is called once TLS stands."""
        assert self._authority is not None
        host, known, place = verdict.subject.context.host, verdict.known, verdict.place
        headers = [
            (name.lower().encode(), value.encode()) for name, value in self.settings.headers.get(host, {}).items()
        ]
        sanctioned = verdict.subject.context.sanctioned
        tunnel = Intercepted(secret, host, place.port, known.system or host, sanctioned, tuple(headers))

        def made() -> asyncio.Protocol:
            begun()
            return self._within(tunnel)

        return Inside(transport, self._authority.context(host, datetime.now(UTC)), made, ended)

    # ---- Who may

    def enter(self, identity: Identity) -> str:
        """Count a tunnel of this key; why it cannot be, or ""."""
        busy = self._of_key.get(identity.key, 0)
        if busy >= self.settings.tunnels_per_key:
            return "too many tunnels of this key are open"
        self._of_key[identity.key] = busy + 1
        self.tunnels += 1
        return ""

    def leave(self, identity: Identity) -> None:
        """It is over."""
        self.tunnels -= 1
        self._of_key[identity.key] -= 1
        if not self._of_key[identity.key]:
            del self._of_key[identity.key]

    def ousted(self, secret: str) -> str:
        """Why a tunnel that stands may stand no longer, or ""."""
        home = self.court.home
        identity = home.who(secret)
        if identity is None:
            return "key-revoked"
        return "paused" if home.pauses.of(identity, _now_us) is not None else ""

    # ---- What is decided, and recorded

    async def paused(self, place: Place, identity: Identity) -> str:
        """What a source is told that somebody paused, once its refusal is on the disk; "" for all others.

        Raises PolicyError, StoreError.
        """
        court, began = self.court, time.perf_counter()
        pause = court.home.pauses.of(identity, _now_us)
        if pause is None:
            return ""
        policy = court.loop.steady().policy
        context = Context(
            person=identity.person,
            groups=identity.groups,
            app=identity.app,
            key=identity.key,
            host=place.host,
            when_us=_now_us(),
        )
        subject = tunnel(Tunnel(place, UNKNOWN), context)
        told = {"kind": pause.kind, "since_us": pause.at_us, "until_us": pause.until_us}
        facts: dict[str, object] = {"port": place.port, "paused": told}
        ticket = court.record(subject, PAUSED, policy, court.ids.next(), "request", b"", began, facts)
        await court.durable(ticket, policy)
        return pause.told(policy.owner)

    async def judged(self, content: Tunnel, identity: Identity, id_: str) -> Verdict:
        """The policy's word on a tunnel, on its way to the disk. Raises PolicyError, StoreError."""
        court, known = self.court, content.known
        began = time.perf_counter()
        context = Context(
            person=identity.person,
            groups=identity.groups,
            app=identity.app,
            key=identity.key,
            provider=known.system,
            host=content.name or content.place.host,
            sanctioned=_SANCTIONED.get(known.status),
            when_us=time.time_ns() // 1000,
        )
        subject = court.remembering(tunnel(content, context))
        raw = str(content.place).encode()
        decision, policy = await court.judge(subject, len(raw))
        facts: dict[str, object] = {"port": content.place.port}
        if known.system:
            facts |= {"system": known.system, "status": known.status, "tier": known.tier}
        if content.fronted:
            facts["fronted"] = True
        ticket = court.record(subject, decision, policy, id_, "request", raw, began, facts)
        return Verdict(id_, content.place, known, subject, decision, policy, ticket)

    def ended(self, verdict: Verdict, why: str, up: int, down: int, began: float) -> None:
        """Record what went through."""
        context = replace(verdict.subject.context, direction=Direction.IN, when_us=time.time_ns() // 1000)
        subject = replace(verdict.subject, context=context, children=())
        took_ms = round((asyncio.get_running_loop().time() - began) * 1000)
        facts: dict[str, object] = {"ended": why, "bytes_up": up, "bytes_down": down, "open_ms": took_ms}
        court = self.court
        try:
            now_s = time.perf_counter()
            court.record(subject, NOTHING, verdict.policy, verdict.id, "answer", b"", now_s, facts, awaited=False)
        except StoreError as error:
            self.failed(error)
        counters = court.counters
        counters.add("tunnels", why)
        counters.add("tunnel_bytes", "up", by=up)
        counters.add("tunnel_bytes", "down", by=down)

    def failed(self, error: StoreError) -> None:
        """Something cannot be recorded: those who look after Bartizan hear of it."""
        self.court.counters.add("ledger_failures")
        self.court.log.alarm("ledger-failed", why=type(error).__name__)

    async def case(self, verdict: Verdict) -> tuple[str | None, str | None]:
        """The case that a person can decide, and its link; (None, None) where none could let it pass."""
        if verdict.decision.action not in (Action.JUSTIFY, Action.REVIEW):
            return None, None
        about = str(verdict.subject.context.host).encode()
        return await asyncio.to_thread(self.court.open_case, verdict.subject, verdict.decision, about, verdict.id)

    def explained(self, known: Known) -> str | None:
        """The console's page about a service that is stopped; None where no decision about one stopped it."""
        base = self.court.config.console_base
        return f"{base}/coach/{slug(known.system)}" if base and _SANCTIONED.get(known.status) is False else None


def _now_us() -> int:
    return time.time_ns() // 1000
