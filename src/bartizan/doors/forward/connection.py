"""One connection of a client, from its head to its end. Read this first.

    CONNECT host:port ─▶ who? ─▶ judge ─▶ record ─┬▶ refused: on the disk ─▶ 403, and a case where a person can decide
                                                  └▶ look up, check, connect ─▶ on the disk ─▶ 200 ─▶ bytes …
                                                     … first bytes: which name? another one: judge again ─▶ … ─▶ record

Nothing is read of what goes through a tunnel but the client's first message, and of that the name alone. A request of
http:// goes the same way up to the connection (plain.py goes on from there).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, cast

from bartizan.core.decision import Action
from bartizan.core.errors import InputError, PolicyError, StoreError
from bartizan.doors.forward import answers
from bartizan.doors.forward.addresses import NoAddress
from bartizan.doors.forward.head import MAX_HEAD_BYTES, Head, Refusal
from bartizan.doors.forward.inside import Inside
from bartizan.doors.forward.opening import Opening, Server
from bartizan.doors.forward.pipe import NEVER, Pipe
from bartizan.doors.forward.plain import Origin, asked, request_head
from bartizan.readers.client_hello import ClientHello
from bartizan.readers.tunnel import Place, Tunnel, stricter

if TYPE_CHECKING:
    from bartizan.doors.forward.door import Door, Verdict
    from bartizan.vault import Identity

Side = TypeVar("Side", bound=asyncio.Protocol)

EARLY_BYTES = 64 * 1024  # What a client may send before it is answered.
LINGER_S = 2.0  # After a refusal, what the client still sends is read and dropped: a reset would lose the answer.
HALF_S = 60.0  # One side is done, and the other one sends nothing.
NO_KEY = "send a gateway key as the proxy's password; on Bartizan's machine, `bartizan keys add NAME` makes one"
_HEAD, _BUSY, _OPEN, _PLAIN, _CLOSING = range(5)


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._stage = _HEAD
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._deadline = self._loop.time() + door.limits.head_s
        self._identity: Identity | None = None
        self._verdict: Verdict | None = None
        self._began = self._loop.time()
        self._pipe: Pipe | Origin | None = None
        self._secret = ""
        self._late = False  # whether a connection to an address took too long

    # ---- From the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        door = self._door
        door.connections.add(self)
        if len(door.connections) > door.most or door.draining:
            self._refused(Refusal(503, "too many connections"))

    def data_received(self, data: bytes) -> None:
        if self._stage == _CLOSING:
            return
        if self._stage == _PLAIN:
            self._body(data)
            return
        buffer = self._buffer
        since = max(0, len(buffer) - 3)
        buffer += data
        if self._stage == _BUSY:
            if len(buffer) > EARLY_BYTES:
                self._transport.pause_reading()
            return
        end = buffer.find(b"\r\n\r\n", since)
        if end > MAX_HEAD_BYTES or (end < 0 and len(buffer) > MAX_HEAD_BYTES):
            self._refused(Refusal(431, f"the head is larger than {MAX_HEAD_BYTES} bytes"))
        elif end >= 0:
            raw = bytes(buffer[: end + 4])
            del buffer[: end + 4]
            self._stage, self._deadline = _BUSY, NEVER
            self._task = self._loop.create_task(self._served(raw))

    def eof_received(self) -> bool:
        """A client that is done before its tunnel stands wants none."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(self._pipe, Origin) and not self._pipe.over:
            self._pipe.client_lost()  # Its end is told once the host's side is gone, too.
            return
        self._door.connections.discard(self)
        self._over("client-gone")
        if self._task is not None:
            self._late = False
            self._task.cancel()

    # ---- Deadlines

    def sweep(self, now: float) -> None:
        """End what takes too long."""
        pipe = self._pipe
        if pipe is not None:
            quiet_s = pipe.quiet_s(now)
            if quiet_s > (HALF_S if pipe.halves or pipe.over else self._door.settings.idle_s):
                pipe.abort("idle")
            elif now > self._deadline:
                pipe.abort("no-hello")
            elif why := self._door.ousted(self._secret):
                pipe.abort(why)
        elif now <= self._deadline:
            return
        elif self._stage == _BUSY and self._task is not None:
            self._late, self._deadline = True, NEVER
            self._task.cancel()
            self._task.uncancel()  # It goes on with the next address.
        elif self._stage == _HEAD and self._buffer:
            self._refused(Refusal(408, "the rest of the request did not come in time"))
        else:
            self._transport.abort()

    def drain(self, now: float, quiet_s: float) -> None:
        """Bartizan ends: so does this, unless something moves."""
        if self._pipe is not None:
            if self._pipe.quiet_s(now) > quiet_s:
                self._pipe.abort("drained")
        elif self._stage == _HEAD:
            self._transport.close()

    def abort(self, why: str) -> None:
        """End it now."""
        if self._pipe is not None:
            self._pipe.abort(why)
        else:
            self._over(why)
            self._transport.abort()

    # ---- A request

    async def _served(self, raw: bytes) -> None:
        """Answer, or join. Whatever breaks on the way fails closed."""
        door = self._door
        try:
            head = Head()
            head.read(raw)
            identity = self._who(head)
            if head.connect:
                await self._tunnel(head, identity)
            else:
                await self._plain(head, identity)
        except Refusal as refusal:
            self._over("refused")
            self._refused(refusal)
        except NoAddress as error:
            id_ = self._verdict.id if self._verdict else ""
            self._over(error.why)
            self._say(answers.error(error.status, error.what, id_))
        except PolicyError:
            self._over("unjudged")
            self._refused(Refusal(503, "there is no policy that holds, so nothing passes"))
        except StoreError as error:
            door.failed(error)
            self._over("unrecorded")
            self._refused(Refusal(503, "the record cannot be kept now, so nothing passes"))
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._over("fault")
            self._refused(Refusal(500, "this request met a fault of the proxy"))
            raise

    def _who(self, head: Head) -> Identity:
        """Whose key was sent. Raises Refusal."""
        secret = self._secret = head.secret()
        found = self._door.court.home.who(secret) if secret else None
        if found is None:
            raise Refusal(407, "the key is unknown or revoked" if secret else NO_KEY)
        return found

    def _place(self, authority: bytes) -> Place:
        """Where the client wants to go. Raises Refusal."""
        try:
            place = Place.parse(authority)
        except InputError as error:
            raise Refusal(400, f"the address's {error}") from None
        self._may(place)
        return place

    def _may(self, place: Place) -> None:
        if place.port not in self._door.ports:
            raise Refusal(403, f"port {place.port} is not one that this proxy reaches")

    async def _unpaused(self, place: Place, identity: Identity) -> None:
        """Refuses a source that somebody paused, on record. Raises Refusal."""
        if told := await self._door.paused(place, identity):
            raise Refusal(403, told, "paused")

    def _enter(self, identity: Identity) -> None:
        if why := self._door.enter(identity):
            raise Refusal(429, why)
        self._identity = identity
        if self._door.tunnels > self._door.settings.tunnels:
            raise Refusal(503, "too many tunnels are open")

    async def _tunnel(self, head: Head, identity: Identity) -> None:
        door = self._door
        place = self._place(head.url)
        await self._unpaused(place, identity)
        self._enter(identity)
        content = Tunnel(place, door.known(place.host, identity))
        verdict = self._verdict = await door.judged(content, identity, door.court.ids.next())
        if verdict.refused:
            await self._refuse(verdict, page=False)
            return
        if place.host in door.intercepted:
            await door.court.durable(verdict.ticket, verdict.policy)
            self._open_up(verdict)
            return
        server = await self._connected(place, Server)
        try:
            await door.court.durable(verdict.ticket, verdict.policy)
        except BaseException:
            server.transport.abort()
            raise
        if server.lost:
            raise NoAddress("server-broke", 502, "the host closed the connection")
        self._join(server, content, verdict)

    async def _plain(self, head: Head, identity: Identity) -> None:
        door = self._door
        place, path = asked(head.url)
        self._may(place)
        if head.upgrade:
            raise Refusal(501, "a plain request upgrades to nothing here")
        await self._unpaused(place, identity)
        self._enter(identity)
        content = Tunnel(place, door.known(place.host, identity))
        verdict = self._verdict = await door.judged(content, identity, door.court.ids.next())
        if verdict.refused:
            accepts = next((value for name, value in head.headers if name.lower() == b"accept"), b"")
            await self._refuse(verdict, page=b"text/html" in accepts and head.method in (b"GET", b"HEAD"))
            return
        transport = self._transport
        origin = await self._connected(place, lambda: Origin(transport, head, verdict.id, self._piped))
        try:
            await door.court.durable(verdict.ticket, verdict.policy)
        except BaseException:
            origin.transport.abort()
            raise
        self._began, self._pipe, self._stage = self._loop.time(), origin, _PLAIN
        if b"expect" in head.special:
            transport.write(answers.CONTINUE)
        origin.ask(request_head(head, place, path, door.settings.headers.get(place.host, {})))
        transport.resume_reading()
        early = bytes(self._buffer)
        self._buffer.clear()
        self._body(early)

    def _body(self, data: bytes) -> None:
        """Bytes of a plain request's body."""
        assert isinstance(self._pipe, Origin)
        try:
            self._pipe.more(data)
        except Refusal:
            self._pipe.abort("client-broke")

    def pause_writing(self) -> None:
        """A client that reads slowly makes the host wait."""
        if isinstance(self._pipe, Origin) and not self._pipe.transport.is_closing():
            self._pipe.transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        if isinstance(self._pipe, Origin) and not self._pipe.transport.is_closing():
            self._pipe.transport.resume_reading()

    async def _connected(self, place: Place, side: Callable[[], Side]) -> Side:
        """A connection to an address of the place that was checked. Raises NoAddress."""
        door, loop = self._door, self._loop
        until = loop.time() + door.settings.connect_s
        addresses = await door.resolver.addresses(place, door.settings.connect_s)
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            now = loop.time()
            self._deadline = now + max(0.05, (until - now) / left)  # The sweep ends what takes longer.
            try:
                _, server = await loop.create_connection(side, address, place.port)
            except OSError:
                continue
            except asyncio.CancelledError:
                if not self._late:
                    raise
                self._late = False
                continue
            else:
                return server
            finally:
                self._deadline = NEVER
        raise NoAddress("unreachable", 502, "the host cannot be reached")

    # ---- No

    async def _refuse(self, verdict: Verdict, *, page: bool) -> None:
        """The policy's refusal, once it is on the disk."""
        door, decision, policy = self._door, verdict.decision, verdict.policy
        await door.court.durable(verdict.ticket, policy)
        subject = verdict.subject
        failed = policy.failed_closed(decision, subject.context, subject.history)
        case, link = await door.case(verdict)
        about = link if case is not None else door.explained(verdict.known)
        notice = door.court.notice(verdict.id, decision, policy, about, case)
        if verdict.known.alternative:
            notice = replace(notice, tell=(*notice.tell, f"You may use {verdict.known.alternative} instead."))
        status = 503 if failed else 307 if page and link and decision.action is Action.JUSTIFY else 403
        self._leave()
        self._say(answers.refusal(status, notice, verdict.id, subject.context.host, page=page))

    def _refused(self, refusal: Refusal) -> None:
        """Nobody decided: the request cannot be served as it is."""
        why = {407: "key", 429: "busy", 503: "busy", 403: "place", 408: "slow"}.get(refusal.status, "input")
        self._door.court.counters.add("refused_clients", f"proxy-{refusal.why or why}")
        self._say(answers.error(refusal.status, refusal.what))

    def _say(self, response: bytes) -> None:
        """Answer and close; what the client still sends is read and dropped for a moment, so that it gets to read."""
        self._stage, self._deadline = _CLOSING, self._loop.time() + LINGER_S
        self._buffer.clear()
        if self._transport.is_closing():
            return
        self._transport.write(response)
        if self._transport.can_write_eof():
            self._transport.resume_reading()
            self._transport.write_eof()
        else:
            self._transport.close()

    # ---- Yes

    def _join(self, server: Server, content: Tunnel, verdict: Verdict) -> None:
        """From here on bytes go through."""
        door, transport = self._door, self._transport
        tell = door.court.tell(verdict.decision, verdict.policy)
        transport.write(answers.established(verdict.id, tell))
        self._began = now = self._loop.time()
        self._pipe = pipe = Pipe(transport, server.transport, now, self._piped)
        self._stage = _OPEN
        opening = Opening(self, pipe, content)
        pipe.up = opening
        transport.set_protocol(opening)
        server.joined(pipe.down)
        transport.resume_reading()
        if self._buffer:
            early = bytes(self._buffer)
            self._buffer.clear()
            opening.data_received(early)

    def _open_up(self, verdict: Verdict) -> None:
        """From here on the gateway reads the requests: nothing is connected to before one was judged."""
        door, transport = self._door, self._transport
        transport.write(answers.established(verdict.id, door.court.tell(verdict.decision, verdict.policy)))
        self._stage, self._began = _OPEN, self._loop.time()
        self.hello_begins()
        inside = door.inside(transport, verdict, self._secret, self._begun, self._done)
        transport.set_protocol(inside)
        transport.resume_reading()
        early = bytes(self._buffer)
        self._buffer.clear()
        inside.data_received(early)

    def _begun(self) -> None:
        self._deadline = NEVER

    def _done(self, inside: Inside) -> None:
        self._door.connections.discard(self)
        self._over(inside.why, inside.bytes_up, inside.bytes_down)

    def hello_begins(self) -> None:
        """The client's first message began: it must become whole."""
        self._deadline = self._loop.time() + self._door.limits.head_s

    def hello(self, opening: Opening, hello: ClientHello) -> None:
        """The client's first message is here: it names the host that was asked for, or there is more to decide."""
        self._deadline = NEVER
        if hello.bounded:
            assert self._pipe is not None
            self._pipe.abort("hello-too-large")
        elif not hello.name or hello.name == opening.content.place.host:
            opening.go_on()
        else:
            opening.transport.pause_reading()
            self._task = self._loop.create_task(self._another(opening, hello))

    async def _another(self, opening: Opening, hello: ClientHello) -> None:
        """The tunnel leads to one host and its first message asks for another: both count, the stricter one decides."""
        door, pipe = self._door, opening.pipe
        assert self._identity is not None and self._verdict is not None
        content = opening.content
        content = replace(
            content,
            name=hello.name,
            known=stricter(content.known, door.known(hello.name, self._identity)),
            fronted=not content.place.literal,
            encrypted=hello.encrypted,
        )
        try:
            verdict = self._verdict = await door.judged(content, self._identity, self._verdict.id)
            await door.court.durable(verdict.ticket, verdict.policy)
        except (PolicyError, StoreError):
            pipe.abort("unjudged")
            return
        if verdict.refused or hello.name in door.intercepted:  # Those are reached by their names alone.
            pipe.abort("name-refused")
        elif not pipe.over:
            opening.go_on()
            opening.transport.resume_reading()

    # ---- The end

    def _piped(self, pipe: Pipe | Origin) -> None:
        """Both connections are gone, or will not be used any more."""
        if self._task is not None:
            self._task.cancel()
        self._door.connections.discard(self)
        self._over(pipe.why, pipe.bytes_up, pipe.bytes_down)

    def _over(self, why: str, up: int = 0, down: int = 0) -> None:
        """Record the end of what was begun, once."""
        verdict, self._verdict = self._verdict, None
        if verdict is not None and not (verdict.refused and self._pipe is None):
            self._door.ended(verdict, why, up, down, self._began)
        self._leave()

    def _leave(self) -> None:
        identity, self._identity = self._identity, None
        if identity is not None:
            self._door.leave(identity)
