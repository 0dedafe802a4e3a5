"""One exchange, from a client's request to the last byte of its answer. Read this first.

    read whole ─▶ judge ─▶ record ─┬▶ refused: on the disk ─▶ 400, with a case where a person can let it pass
                                   └▶ upstream ─▶ on the disk ─▶ first byte ─▶ …
                                      … ─▶ judge ─▶ record ─▶ on the disk ─▶ last byte

The prompt is on its way while its record is being flushed (law 6), unless `durability: before-send`. Whatever breaks on
the way fails closed: nothing passes that was not judged, and nothing is told as whole that was not recorded.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from bartizan.config import Protocol
from bartizan.core.decision import NOTHING, Action, Decision
from bartizan.core.errors import InputError, PolicyError, StoreError
from bartizan.core.subject import Context, Direction, Kind, Subject
from bartizan.doors.gateway import pausing
from bartizan.doors.gateway.request import JSON_TYPE
from bartizan.doors.gateway.upstream import UpstreamTrouble
from bartizan.exchange.body import Body, read_body
from bartizan.exchange.dialect import routed
from bartizan.exchange.inference import BINARY
from bartizan.loop import BIG

if TYPE_CHECKING:
    from bartizan.doors.gateway.gateway import Gateway
    from bartizan.doors.gateway.request import Request
    from bartizan.doors.gateway.upstream import Call, Target
    from bartizan.doors.gateway.watching import Asked as Rows
    from bartizan.doors.gateway.watching import Watched
    from bartizan.exchange.dialect import Asked, Notice
    from bartizan.exchange.reply_stream import Ending, ReplyStream
    from bartizan.home.durable import Ticket
    from bartizan.loop import Loop
    from bartizan.policy.model import Policy

EVENTS = b"text/event-stream"
JSON_TYPES = frozenset({b"application/json", b"application/problem+json", b"text/json"})
POLL_S = 0.1
TELL_CHARS = 1000  # Of a header; the refusal's body and the case have all of it.
_IDENTITY = (b"accept-encoding", b"identity")


class Conversation:
    """One exchange under way."""

    def __init__(self, gateway: Gateway, request: Request) -> None:
        self._gateway, self._request, self._dialect = gateway, request, request.dialect
        self._target: Target
        self._asked: Asked
        self._context: Context  # of the answer
        self._decision: Decision = NOTHING
        self._policy: Policy
        self._loop: Loop  # what judges a streamed answer: one policy from its first text to its record
        self._ticket: Ticket
        self._id = request.id
        self._when_us = time.time_ns() // 1000
        self._monitor: Watched | None = None  # of a classical model that somebody watches
        self._rows: Rows | None = None
        self._facts: dict[str, object] | None = None

    async def run(self) -> None:
        """Serve it. Raises InputError, PolicyError, StoreError, UpstreamTrouble while nothing has been sent yet."""
        gateway, request = self._gateway, self._request
        raw = await request.body(gateway.config.limits.body_bytes)
        request.began = time.perf_counter()
        body = read_body(raw) if len(raw) <= BIG else await asyncio.to_thread(read_body, raw)
        if not self._routed(body):
            await self._no_upstream()
            return
        if not await self._judged():
            return
        request.watch()
        try:
            await self._asked_upstream()
        except asyncio.CancelledError:
            if not request.gone:
                raise
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
            gateway.counters.add("upstream_calls", self._target.name, "client-gone")
        except UpstreamTrouble as trouble:
            gateway.counters.add("upstream_calls", self._target.name, trouble.kind or "unusable")
            await gateway.durable(self._ticket, self._policy)  # Law 6 holds for bad news, too.
            raise
        finally:
            request.unwatch()

    # ---- Who is asked

    def _routed(self, body: Body) -> bool:
        """Read the request and find its upstream. False where none is configured for it."""
        gateway = self._gateway
        value = body.value
        assert isinstance(value, dict)
        request = self._request
        model = value.get("model") if request.served is None else request.served.model
        target: Target | None
        if (tunnel := self._request.intercepted) is not None:
            target, id_ = (
                gateway.upstreams.intercepted(tunnel, self._dialect.name),
                model if isinstance(model, str) else "",
            )
        else:
            named, id_ = routed(model, gateway.upstreams.targets) if isinstance(model, str) else (None, "")
            serving = gateway.upstreams.serving(self._dialect.name)
            target = next((t for t in serving if named in (None, t.name)), None)
        context = self._who(target, id_, Direction.OUT)
        asked = self._dialect.request(body, context)
        if request.served is not None and "/" in id_:
            return False
        if target is None or (target.model and id_ not in ("", target.model)):
            return False  # The embedded model would answer to any name, and nobody would know why it talks nonsense.
        if request.served is not None:
            asked = replace(asked, subject=self._watched(asked.subject, target, id_))
        remembered = gateway.remembering(asked.subject)
        self._asked = asked if remembered is asked.subject else replace(asked, subject=remembered)
        self._target, self._model = target, id_
        self._context = self._who(target, id_, Direction.IN)
        return True

    def _watched(self, subject: Subject, target: Target, model: str) -> Subject:
        """The subject with what its account was found to do. Raises InputError for rows that a monitor cannot see."""
        request = self._request
        assert request.identity is not None
        if request.query or any(name == BINARY for name, _ in request.forward):
            raise InputError("a question is its path and its JSON; binary tensors and a query are not read here")
        self._monitor = watched = self._gateway.watch.of(target.name, model)
        self._facts = {"watched": watched is not None}
        if request.served is not None and request.served.version:
            version = Subject(Kind.TEXT, "/model", request.served.version)
            subject = replace(subject, children=(*subject.children, version))
        if watched is None:
            return subject
        self._rows = watched.asked(request.identity.person, subject)
        return watched.standing(subject, request.identity.person, self._when_us)

    def _who(self, target: Target | None, model: str, direction: Direction) -> Context:
        identity = self._request.identity
        assert identity is not None
        return Context(
            person=identity.person,
            groups=identity.groups,
            app=identity.app,
            key=identity.key,
            provider=target.name if target else "",
            model=model,
            host=target.host if target else "",
            sanctioned=target.sanctioned if target else None,
            direction=direction,
            when_us=self._when_us,
        )

    async def _no_upstream(self) -> None:
        gateway = self._gateway
        targets = gateway.upstreams.targets.values()
        there = [f"{t.name}/{t.model}" if t.model else f"{t.name} ({t.protocol})" for t in targets]
        message = f"no upstream is configured for this model; there are: {', '.join(there)}"
        await self._request.error(404, message, code="model_not_found")

    # ---- The request

    async def _judged(self) -> bool:
        """Judge and record the request. False where it was refused, and the refusal was sent."""
        gateway, asked = self._gateway, self._asked
        waits_until = time.monotonic() + self._request.wait_s
        while True:
            raw = asked.body.raw
            decision, policy = await gateway.judge(asked.subject, len(raw))
            self._decision, self._policy = decision, policy = asked.effective(decision), policy
            self._ticket = gateway.record(
                asked.subject, decision, policy, self._id, "request", raw, self._request.began, self._facts
            )
            if decision.action < Action.JUSTIFY:
                if any(place.path == "/model" for seen in decision.seen for place in seen.item.places):
                    self._context = replace(self._context, model="")  # The answer's record must not say it either.
                if gateway.before_send(policy):
                    await gateway.durable(self._ticket, policy)
                return True
            await gateway.durable(self._ticket, policy)
            case, link = await self._case(asked.subject, decision, raw)
            if case is None or not await self._granted(case, waits_until):
                await self._refuse(asked.subject, decision, policy, case, link)
                return False
            # It is another decision now, by what was granted meanwhile.
            self._id = self._request.id = gateway.ids.next()
            if (pause := pausing.paused(gateway, self._request)) is not None:
                await pausing.refuse(gateway, self._request, pause, "request")
                return False
            context = replace(asked.subject.context, when_us=time.time_ns() // 1000)
            asked = replace(asked, subject=gateway.remembering(replace(asked.subject, context=context)))
            self._asked = asked

    async def _case(self, subject: Subject, decision: Decision, raw: bytes) -> tuple[str | None, str | None]:
        if decision.action not in (Action.JUSTIFY, Action.REVIEW):
            return None, None
        return await asyncio.to_thread(self._gateway.open_case, subject, decision, raw, self._id)

    async def _granted(self, case: str, until: float) -> bool:
        """Wait for the case, as long as the client wanted to. False when it is still open, or was refused."""
        gateway, identity = self._gateway, self._request.identity
        assert identity is not None
        if time.monotonic() >= until:
            return False
        with gateway.waiter(self._request) as may:
            if not may:
                raise UpstreamTrouble(429, "too many requests of this key wait for a person", retry_after_s=5)
            while time.monotonic() < until:
                await asyncio.sleep(POLL_S)
                found = await asyncio.to_thread(gateway.desk.case, case, time.time_ns() // 1000)
                if found.state != "open":  # All processes have heard of its grants by then: see `cases/desk.py`.
                    if not any(gateway.home.who(secret) == identity for secret in self._request.secrets()):
                        raise UpstreamTrouble(401, "the key was revoked")
                    return found.state == "granted"
            return False

    async def _refuse(
        self, subject: Subject, decision: Decision, policy: Policy, case: str | None, link: str | None
    ) -> None:
        """The refusal in the provider's shape; 503 where it is only that something could not be examined."""
        notice = self._gateway.notice(self._id, decision, policy, link, case)
        if policy.failed_closed(decision, subject.context, subject.history):
            body = self._dialect.error(
                503, "something here could not be examined, so it does not pass", bartizan=notice.as_json()
            )
            await self._request.answer(503, body, [JSON_TYPE, (b"retry-after", b"5")])
            return
        reply = self._dialect.refusal(notice)
        headers = [(name.encode(), value.encode()) for name, value in reply.headers]
        await self._request.answer(reply.status, reply.body, headers)

    # ---- The upstream

    async def _asked_upstream(self) -> None:
        gateway, request, target, asked = self._gateway, self._request, self._target, self._asked
        headers = [*request.forward, _IDENTITY]
        if target.passthrough:
            headers += self._passed_through()
        else:
            headers += target.credentials(self._dialect.name)
        model = self._model if target.protocol is not Protocol.LOCAL else (target.model or self._model)
        body = asked.rewritten(self._decision, model)
        path = request.path if request.served is None else request.served.path(model)
        address = target.address(path, request.query)
        call = await gateway.upstreams.post(target, address, headers, body, streamed=asked.stream)
        try:
            await gateway.durable(self._ticket, self._policy)
            if asked.stream and call.type == EVENTS and call.status < 300:
                await self._stream(call)
            else:
                await self._whole(call)
            gateway.counters.add("upstream_calls", target.name, "ok" if call.status < 500 else "error")
        finally:
            call.close()

    def _passed_through(self) -> list[tuple[bytes, bytes]]:
        credentials = self._request.credentials
        if self._request.intercepted is not None:  # The proxy was sent our key, the host never is.
            return [pair for pair in credentials.items() if pair[0] != b"x-bartizan-key"]
        if b"x-bartizan-key" not in credentials:
            raise UpstreamTrouble(401, "this upstream takes your own credential; send Bartizan's key as x-bartizan-key")
        ours = (b"x-bartizan-key", credentials[b"x-bartizan-key"])
        # Whoever sends our key in the provider's place, too, must not send it to the provider.
        return [pair for pair in credentials.items() if pair[0] != ours[0] and ours[1] not in pair[1]]

    def _headers(
        self, call: Call, answer: Decision = NOTHING, policy: Policy | None = None
    ) -> list[tuple[bytes, bytes]]:
        """The upstream's end-to-end headers, and what was done to the request and to a whole answer, by its policy."""
        headers, both = call.headers, self._decision if answer is NOTHING else self._decision | answer
        if both.edits:
            headers.append((b"x-bartizan-action", b"redacted"))
        elif both.action is Action.WARN:
            headers.append((b"x-bartizan-action", b"warn"))
        if both.clauses:
            told = self._gateway.tell
            tell = dict.fromkeys((*told(self._decision, self._policy), *told(answer, policy or self._policy)))
            if tell:
                headers.append((b"x-bartizan-tell", quote(" ".join(tell)[:TELL_CHARS]).encode()))
        return headers

    # ---- The answer, whole

    async def _whole(self, call: Call) -> None:
        gateway, request, status = self._gateway, self._request, call.status
        if 300 <= status < 400:
            raise UpstreamTrouble(502, "the upstream redirects, which is not followed", kind="redirect")
        if status == 401 and not self._target.passthrough:
            raise UpstreamTrouble(502, f"the upstream {self._target.name} does not take the gateway's key", kind="key")
        raw = await call.whole(gateway.config.limits.body_bytes)
        try:
            if call.type not in JSON_TYPES or any(name == BINARY for name, _ in call.headers):
                raise InputError("it is not JSON")
            answer = self._dialect.answer(raw, self._context)
        except InputError as error:
            if status < 400:
                raise UpstreamTrouble(
                    502, f"the upstream's answer cannot be read: {error.what}", kind="nonsense"
                ) from None
            # Somebody's error page: its status and headers are told, its words are not.
            kept = [pair for pair in call.headers if pair[0] != b"content-type"]
            body = self._dialect.error(status, f"the upstream answered with status {status}")
            await request.answer(status, body, [*kept, JSON_TYPE])
            return
        began = time.perf_counter()
        subject = answer.subject
        if self._monitor is not None and self._rows is not None and status < 300:
            subject = self._monitor.answered(self._rows, subject, time.time_ns() // 1000)
        subject = gateway.remembering(subject)
        decision, policy = await gateway.judge(subject, len(raw))
        decision = answer.effective(decision)
        ticket = gateway.record(
            subject, decision, policy, self._id, "answer", raw, began, None if status < 300 else {"status": status}
        )
        await gateway.durable(ticket, policy)
        if decision.action >= Action.JUSTIFY:
            case, link = await self._case(subject, decision, raw)
            await self._refuse(subject, decision, policy, case, link)
            return
        body = answer.rewritten(decision) if decision.edits else raw
        await request.answer(status, body, self._headers(call, decision, policy))

    # ---- The answer, streamed

    async def _stream(self, call: Call) -> None:
        gateway, request = self._gateway, self._request
        self._loop = gateway.loop.steady()
        stream = self._dialect.reply_stream(self._asked, self._loop, self._context, self._notice)
        complete, trouble, began = True, "", time.perf_counter()
        if request.connection is not None:
            request.connection.cork_this_turn()
        await request.start(call.status, self._headers(call))
        try:
            try:
                limit = gateway.config.limits.body_bytes
                while chunk := await call.piece(limit):
                    if out := stream.feed(chunk):
                        await request.more(out)
                    if stream.over:
                        break
            except UpstreamTrouble as error:
                complete, trouble = False, error.what
            except asyncio.CancelledError:
                self._finish(stream, False, began, "client-gone")
                raise
            await self._last(stream, complete, began, trouble)
        except (StoreError, PolicyError):
            # The head has left: what is left to say is that this is not a whole answer.
            gateway.counters.add("ledger_failures")
            await request.end(stream.error_event("the answer cannot be judged or recorded now"))

    async def _last(self, stream: ReplyStream, complete: bool, began: float, trouble: str) -> None:
        gateway, request = self._gateway, self._request
        judged: Decision | None = None
        subject = stream.subject()
        if sum(len(part.content) for part in subject.walk() if isinstance(part.content, str)) > BIG:
            judged = await self._loop.ajudge(subject)
        ending, ticket, policy = self._finish(stream, complete, began, trouble, judged)
        if ending.before:
            await request.more(ending.before)
        if ending.failed:
            gateway.counters.add("upstream_calls", self._target.name, "truncated")
        await gateway.durable(ticket, policy)
        await request.end(ending.last)

    def _finish(
        self, stream: ReplyStream, complete: bool, began: float, why: str, judged: Decision | None = None
    ) -> tuple[Ending, Ticket, Policy]:
        gateway = self._gateway
        policy = self._loop.policy
        ending = stream.finish(complete, judged)
        facts: dict[str, Any] | None = None
        if ending.failed or why:
            facts = {"ended": "client-gone" if why == "client-gone" else "broken"}
        content = orjson.dumps(ending.subject.texts())
        ticket = gateway.record(ending.subject, ending.decision, policy, self._id, "answer", content, began, facts)
        return ending, ticket, policy

    def _notice(self, decision: Decision) -> Notice:
        """For a stream that ends refused. Opening a case waits for the disk, which so rare an event may."""
        gateway = self._gateway
        case = link = None
        if decision.action in (Action.JUSTIFY, Action.REVIEW):
            subject = Subject(self._asked.subject.kind, "", None, context=self._context)
            case, link = gateway.open_case(subject, decision, b"", self._id)
        return gateway.notice(self._id, decision, self._loop.policy, link, case)
