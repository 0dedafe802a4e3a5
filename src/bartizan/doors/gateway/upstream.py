"""Calling a provider: one of the configured ones, never another.

No redirect is followed, no proxy or cookie of the environment is taken over, and nothing is sent twice: a second try
happens only where the first one never had a connection. Deadlines are kept by one sweep for all calls (`sweep`), since
a timer a piece would cost more than the piece.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bartizan.config import Protocol, Timeouts, Upstream
from bartizan.doors.gateway.client import Address, Broken, Client, Headers, Reply, Unreachable
from bartizan.home.court import Intercepted

NEVER = float("inf")
TRIES_BEFORE_REST = 5  # Failures in a row; then the upstream rests, and every call is answered at once.
REST_S = 5.0

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding "
    b"upgrade".split()
)
_NOT_BACK = HOP_BY_HOP | {b"content-length", b"content-encoding", b"alt-svc"}
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class UpstreamTrouble(Exception):
    """There is no answer to pass on. `status` is what the client is told; `what` holds no content."""

    def __init__(self, status: int, what: str, *, retry_after_s: int = 0, kind: str = "") -> None:
        self.status, self.what, self.retry_after_s, self.kind = status, what, retry_after_s, kind
        super().__init__(what)


@dataclass(slots=True)
class Breaker:
    """Rests an upstream that fails again and again; then one call tries it."""

    failures: int = 0
    rests_until: float = 0.0

    def closed(self, now: float) -> bool:
        """Whether a call may go out. After the rest, one may, and the next ones wait for how it ends."""
        if self.failures < TRIES_BEFORE_REST:
            return True
        if now < self.rests_until:
            return False
        self.rests_until = now + REST_S
        return True

    def failed(self, now: float) -> bool:
        """Note a failure; True when it begins a rest."""
        self.failures += 1
        if self.failures >= TRIES_BEFORE_REST:
            self.rests_until = now + REST_S
        return self.failures == TRIES_BEFORE_REST

    def worked(self) -> bool:
        """Note a success; True when it ends a time of failures."""
        before, self.failures = self.failures, 0
        return before >= TRIES_BEFORE_REST


@dataclass(slots=True)
class Target:
    """One configured upstream, ready to be called."""

    name: str
    protocol: Protocol
    url: str
    timeouts: Timeouts
    key: str = field(default="", repr=False)
    passthrough: bool = False
    model: str = ""  # what the embedded model is called
    breaker: Breaker = field(default_factory=Breaker)
    host: str = ""
    sanctioned: bool | None = True  # Who is configured is; of an intercepted host the register says it.
    _addresses: dict[tuple[str, bytes], Address] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, upstream: Upstream, key: str) -> Target:
        """An upstream of the configuration with its key."""
        target = cls(name, upstream.protocol, "", upstream.timeouts, key, upstream.passthrough)
        if upstream.url:
            target.move(upstream.url)
        return target

    def move(self, url: str) -> None:
        """The upstream is at another address now: the embedded model chooses its port when it starts."""
        self.url, self.host = url.rstrip("/"), urlsplit(url).hostname or ""
        self._addresses.clear()

    def address(self, path: str, query: bytes) -> Address:
        """Where a path of ours (`/v1/…`, `/v2/…`) is over there. A base that ends in a version has it already."""
        known = self._addresses.get((path, query))
        if known is None:
            rest = path.removeprefix("/v1").removeprefix("/v2") if re.search(r"/v\d+[a-z]*$", self.url) else path
            known = Address.of(self.url + rest + (f"?{query.decode('latin-1')}" if query else ""))
            if len(self._addresses) < 64:
                self._addresses[(path, query)] = known
        return known

    def credentials(self, dialect: str) -> list[tuple[bytes, bytes]]:
        """The headers that say who we are."""
        if not self.key:
            return []
        if dialect == "anthropic" and self.protocol is Protocol.ANTHROPIC:
            return [(b"x-api-key", self.key.encode())]
        return [(b"authorization", b"Bearer " + self.key.encode())]


class Call:
    """One answer of an upstream, as it comes in."""

    __slots__ = ("_decode", "_got", "_idle_s", "_reply", "_upstreams", "ends", "headers", "late", "status", "type")

    def __init__(self, upstreams: Upstreams, reply: Reply, idle_s: float, ends: float) -> None:
        self._upstreams, self._reply, self._idle_s = upstreams, reply, idle_s
        self._decode: Callable[[bytes], Iterable[bytes]] | None = None
        self._got = 0
        self.ends, self.late = ends, False
        self.status, self.type = 0, b""
        self.headers: list[tuple[bytes, bytes]] = []

    def overdue(self) -> None:
        """From the sweep: whoever waits is woken up."""
        self.ends, self.late = NEVER, True
        self._reply.give_up()

    def opened(self) -> None:
        """The head is here. Raises UpstreamTrouble for one that cannot be passed on."""
        self.status, headers = self._reply.status, self.headers
        encoding = b""
        for pair in self._reply.headers:
            name, value = pair
            if name == b"content-type":
                self.type = value.partition(b";")[0].strip().lower()
            elif name == b"content-encoding":
                encoding = value.strip().lower()
            if name not in _NOT_BACK and not name.startswith(b"x-bartizan-"):
                if _CONTROL.search(value):
                    raise UpstreamTrouble(502, "the upstream's head has control characters in it")
                headers.append(pair)
        if encoding and encoding != b"identity":
            self._decode = _decoder(encoding)

    async def piece(self, limit: int) -> bytes:
        """What is here of the body, decoded; waits for more where nothing is, and gives b"" at its end.

        Raises UpstreamTrouble when it stalls, breaks off, or is larger than `limit`.
        """
        reply = self._reply
        while True:
            if reply.waits:
                self.ends = self._upstreams.clock() + self._idle_s
            try:
                piece = await reply.piece()
            except Broken as error:
                if self.late:
                    what = f"the upstream sent nothing for {self._idle_s:g} s"
                    raise UpstreamTrouble(504, what, kind="stalled") from None
                raise UpstreamTrouble(502, "the upstream broke off in its answer", kind="broken") from error
            finally:
                self.ends = NEVER
            if not piece:
                return b""
            if self._decode is None:
                self._grown(len(piece), limit)
                return piece
            decoded = []
            for part in self._decode(piece):
                self._grown(len(part), limit)
                decoded.append(part)
            if piece := b"".join(decoded):
                return piece

    def _grown(self, by: int, limit: int) -> None:
        self._got += by
        if self._got > limit:
            raise UpstreamTrouble(502, f"the upstream's answer is larger than {limit} bytes", kind="large")

    async def whole(self, limit: int) -> bytes:
        """The whole body, as `piece` gives it."""
        first = await self.piece(limit)
        second = await self.piece(limit) if first else b""
        if not second:
            return first  # Most come in one.
        pieces = [first, second]
        while piece := await self.piece(limit):
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Let go. What did not come to its end is cut off: the provider stops writing what nobody reads."""
        self._upstreams.calls.discard(self)
        self._reply.close()


class Upstreams:
    """The providers there are, and the connections to them."""

    def __init__(self, targets: Iterable[Target], told: Callable[[str, str, str], None]) -> None:
        """`told(event, upstream, why)` hears when one begins to fail and when it works again."""
        self.targets = {target.name: target for target in targets}
        self.calls: set[Call] = set()
        self.clock = asyncio.get_running_loop().time
        self._told = told
        self._client = Client()
        self._serving: dict[str, list[Target]] = {}
        self._intercepted: dict[tuple[str, int, str], Target] = {}  # as many as are configured

    def intercepted(self, tunnel: Intercepted, dialect: str) -> Target:
        """The host that a client of the proxy meant, with the client's own credential."""
        name = (tunnel.host, tunnel.port, dialect)
        known = self._intercepted.get(name)
        if known is None or known.sanctioned is not tunnel.sanctioned:
            known = Target(tunnel.system, Protocol(dialect), "", Timeouts(), "", passthrough=True)
            known.sanctioned = tunnel.sanctioned
            known.move(f"https://{tunnel.host}:{tunnel.port}" if tunnel.port != 443 else f"https://{tunnel.host}")
            self._intercepted[name] = known
        return known

    def serving(self, dialect: str) -> list[Target]:
        """Who speaks a dialect, in the order of the configuration."""
        known = self._serving.get(dialect)
        if known is None:
            spoken = [Protocol(dialect), *([] if dialect == Protocol.INFERENCE else [Protocol.LOCAL])]
            known = self._serving[dialect] = [t for t in self.targets.values() if t.protocol in spoken]
        return known

    async def post(self, target: Target, address: Address, headers: Headers, body: bytes, *, streamed: bool) -> Call:
        """Send a request and wait for the head of its answer.

        Raises UpstreamTrouble where there is none. Whoever gets a Call closes it.
        """
        wait_s = target.timeouts.head_s if streamed else target.timeouts.whole_head_s
        return await self._called(b"POST", target, address, headers, body, wait_s)

    async def get(self, target: Target, address: Address, headers: Headers, wait_s: float) -> Call:
        """The same without a body."""
        return await self._called(b"GET", target, address, headers, b"", wait_s)

    async def _called(
        self, method: bytes, target: Target, address: Address, headers: Headers, body: bytes, wait_s: float
    ) -> Call:
        if not target.url:
            raise UpstreamTrouble(503, "the local model is starting", retry_after_s=1, kind="starting")
        now = self.clock()
        if not target.breaker.closed(now):
            rest_s = max(1, round(target.breaker.rests_until - now))
            raise UpstreamTrouble(503, f"the upstream {target.name} is failing", retry_after_s=rest_s, kind="resting")
        reply = await self._asked(method, target, address, headers, body)
        call = Call(self, reply, target.timeouts.idle_s, self.clock() + wait_s)
        self.calls.add(call)
        try:
            await reply.head()
            call.ends = NEVER
            call.opened()
        except Broken as error:
            call.close()
            if call.late:
                raise self._failed(target, 504, f"the upstream did not answer within {wait_s:g} s", "slow") from None
            raise self._failed(target, 502, f"the upstream {target.name} gave no readable answer", "broken") from error
        except BaseException:
            call.close()
            raise
        if target.breaker.worked():
            self._told("upstream-up", target.name, "")
        return call

    async def _asked(self, method: bytes, target: Target, address: Address, headers: Headers, body: bytes) -> Reply:
        connect_s = target.timeouts.connect_s
        try:
            try:
                return await self._client.ask(method, address, headers, body, connect_s)
            except Unreachable:  # Nothing was sent: no harm in a second try.
                return await self._client.ask(method, address, headers, body, connect_s)
        except Unreachable as error:
            raise self._failed(target, 502, f"the upstream {target.name} cannot be reached", "unreachable") from error
        except ValueError as error:
            raise self._failed(target, 502, f"the upstream {target.name} cannot be asked", "broken") from error

    def _failed(self, target: Target, status: int, what: str, kind: str) -> UpstreamTrouble:
        if target.breaker.failed(self.clock()):
            self._told("upstream-down", target.name, what)
        return UpstreamTrouble(status, what, kind=kind)

    def sweep(self, now: float) -> None:
        """Wake whoever waits for longer than it should."""
        for call in [call for call in self.calls if call.ends < now]:
            call.overdue()
        self._client.sweep(now)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


# ---- Content codings: asked for is `identity`; who sends another all the same is read, within bounds.

_PIECE = 1 << 20  # Decoded bytes at once: a bomb is met by the limit on the sum before it is unpacked.


def _decoder(coding: bytes) -> Callable[[bytes], Iterable[bytes]]:
    if coding in (b"gzip", b"x-gzip", b"deflate"):
        return _Inflating(zlib.decompressobj(zlib.MAX_WBITS | 32))
    if coding == b"br":
        import brotli  # type: ignore[import-untyped]  # it has no types

        return _Unbrotli(brotli.Decompressor())
    raise UpstreamTrouble(502, "the upstream's answer has a content coding that is not known here")


class _Inflating:
    def __init__(self, state: Any) -> None:  # Any: zlib does not name the type of its object
        self._state = state

    def __call__(self, data: bytes) -> Iterable[bytes]:
        try:
            while data:
                yield self._state.decompress(data, _PIECE)
                data = self._state.unconsumed_tail
        except zlib.error as error:
            raise UpstreamTrouble(502, "the upstream's compressed answer cannot be read", kind="broken") from error


class _Unbrotli:
    def __init__(self, state: Any) -> None:  # Any: brotli has no types
        self._state = state

    def __call__(self, data: bytes) -> Iterable[bytes]:
        import brotli

        try:
            yield self._state.process(data, output_buffer_limit=_PIECE)
            while not self._state.can_accept_more_data():
                yield self._state.process(b"", output_buffer_limit=_PIECE)
        except brotli.error as error:
            raise UpstreamTrouble(502, "the upstream's compressed answer cannot be read", kind="broken") from error
