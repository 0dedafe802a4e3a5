"""The ASGI app: which path does what, who may, and how many at once. Pure ASGI, since every layer costs each request.

POST /v1/chat/completions · /v1/messages    conversation.py
POST /v2/models/NAME/infer                  conversation.py
GET  /v2/models/NAME · /v2/models/NAME/ready    lookups.py
GET  /v1/models                             models.py
POST /v1/judge                              judging.py
GET|POST /v1/cases/ID · GET /c/TOKEN        casework.py
GET  /healthz · /readyz · /v2/health/…      here
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import orjson

from bartizan.core.errors import InputError, PolicyError, StoreError
from bartizan.doors.gateway import pausing
from bartizan.doors.gateway.casework import Links, case
from bartizan.doors.gateway.conversation import Conversation
from bartizan.doors.gateway.judging import judge
from bartizan.doors.gateway.lookups import looked_up, model_told
from bartizan.doors.gateway.models import models
from bartizan.doors.gateway.request import JSON_TYPE, ClientGone, Receive, Request, Scope, Send, TooLarge
from bartizan.doors.gateway.upstream import UpstreamTrouble
from bartizan.exchange.anthropic import ANTHROPIC
from bartizan.exchange.inference import HEALTH, INFERENCE, MODELS, served_at
from bartizan.exchange.openai import OPENAI

if TYPE_CHECKING:
    from bartizan.doors.gateway.gateway import Gateway
    from bartizan.exchange.dialect import Dialect
    from bartizan.home.court import Intercepted

CHAT, MESSAGES = OPENAI.path, ANTHROPIC.path
SERVED = (
    f"POST {CHAT}", f"POST {MESSAGES}", "GET /v1/models", "POST /v1/judge", "GET|POST /v1/cases/ID",
    "POST /v2/models/NAME/infer", "GET /v2/models/NAME", "GET /healthz", "GET /readyz",
)  # fmt: skip
NO_KEY = "send a key: authorization: Bearer KEY; on the gateway's machine, `bartizan keys add NAME` makes one"
OPEN = {"/healthz": "alive", "/readyz": "ready", f"{HEALTH}live": "live", f"{HEALTH}ready": "ready"}
METHODS = {CHAT: "POST", MESSAGES: "POST", "/v1/judge": "POST", "/v1/models": "GET"}


def dialect_of(path: str, headers: object) -> Dialect:
    """Whose shape an answer has: by the path, else by who seems to ask."""
    if path.startswith(MESSAGES):
        return ANTHROPIC
    if path.startswith((MODELS, HEALTH)):
        return INFERENCE
    if path.startswith("/v1/models") and isinstance(headers, list):
        return ANTHROPIC if any(name == b"anthropic-version" for name, _ in headers) else OPENAI
    return OPENAI


class App:
    """One gateway process's application."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._links = Links()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        gateway = self._gateway
        headers = scope["headers"]
        path = scope["path"]
        request = Request(scope, receive, send, gateway.ids.next(), dialect_of(path, headers), time.perf_counter())
        gateway.in_flight += 1
        try:
            await self._served(request, headers, scope)
        except ClientGone:
            request.status = 499
        except asyncio.CancelledError:
            if not request.gone:
                raise
            request.status = 499  # The client is gone; there is nobody to answer.
        except BaseException:
            if not request.started:
                await request.error(500, "this request met a fault of the gateway")
            raise
        finally:
            gateway.in_flight -= 1
            gateway.counters.add("requests", request.route, str(request.status))
            gateway.counters.took("exchange_seconds", time.perf_counter() - request.began, request.route)

    async def _served(self, request: Request, headers: list[tuple[bytes, bytes]], scope: Scope) -> None:
        """Serve it, and tell what keeps it from being served."""
        gateway = self._gateway
        try:
            request.read_head(headers)
            request.read_query(gateway.config.limits.wait_s)
            await self._routed(request, scope)
        except TooLarge as error:
            await self._refused(request, 413, str(error), "large")
        except InputError as error:
            await self._refused(request, 400, str(error), "input")
        except UpstreamTrouble as trouble:
            if trouble.status == 401:
                await self._refused(request, 401, trouble.what, "key")
            else:
                await request.error(trouble.status, trouble.what, retry_after_s=trouble.retry_after_s)
        except PolicyError:
            await request.error(503, "there is no policy that holds, so nothing passes", retry_after_s=5)
        except StoreError as error:
            gateway.counters.add("ledger_failures")
            gateway.log.alarm("ledger-failed", why=type(error).__name__)
            await request.error(503, "the record cannot be kept now, so nothing passes", retry_after_s=5)

    async def _refused(self, request: Request, status: int, message: str, why: str) -> None:
        self._gateway.counters.add("refused_clients", why)
        await request.error(status, message)

    async def _routed(self, request: Request, scope: Scope) -> None:
        gateway, path = self._gateway, request.path
        if request.intercepted is not None:
            await self._inside(request, request.intercepted)
            return
        is_case = path.startswith("/v1/cases/")
        method = METHODS.get(path)
        if method is None and (served := served_at(path)) is not None:
            request.served, method = served, "POST" if served.verb == "/infer" else "GET"
        if method is None and not is_case:
            await self._open(request, scope)
            return
        if request.served is not None:
            path = f"/v2/models{request.served.verb}"  # In metrics; a client's words are no route.
        request.route = "/v1/cases" if is_case else path
        if request.method != method and not (is_case and request.method in ("GET", "POST")):
            allowed = method or "GET, POST"
            body = request.dialect.error(405, f"{request.route} is for {allowed}")
            await request.answer(405, body, [JSON_TYPE, (b"allow", allowed.encode())])
            return
        request.identity = next((who for s in request.secrets() if (who := gateway.home.who(s)) is not None), None)
        if request.identity is None:
            why = "the key is unknown or revoked" if request.secrets() else NO_KEY
            await self._refused(request, 401, why, "key")
            return
        await self._within_limits(request, is_case)

    async def _inside(self, request: Request, tunnel: Intercepted) -> None:
        """A request to an intercepted host: judged like any other, or only looked up, or it does not pass."""
        request.route = request.path if request.path in (CHAT, MESSAGES) else "intercepted"
        request.identity = self._gateway.home.who(tunnel.secret)
        request.as_configured(tunnel.headers)
        if request.identity is None:
            await self._refused(request, 401, "the proxy's key is revoked", "key")
        elif request.method in ("GET", "HEAD") or (request.path in (CHAT, MESSAGES) and request.method == "POST"):
            await self._within_limits(request, is_case=False)
        else:
            message = f"{request.method} {request.path[:200]} of this host cannot be judged here, so it does not pass"
            await request.error(404, message)

    async def _within_limits(self, request: Request, is_case: bool) -> None:
        gateway, limits = self._gateway, self._gateway.config.limits
        assert request.identity is not None
        key = request.identity.key
        busy = gateway.of_key.get(key, 0)
        if gateway.in_flight > limits.in_flight or busy >= limits.in_flight_per_key + gateway.waiting.get(key, 0):
            gateway.counters.add("refused_clients", "busy")
            await request.error(429, "too many requests are under way", retry_after_s=1)
            return
        gateway.of_key[key] = busy + 1
        try:
            judged = request.method == "POST" and not is_case
            if judged and (pause := pausing.paused(gateway, request)) is not None:
                side = "subject" if request.path == "/v1/judge" else "request"
                await pausing.refuse(gateway, request, pause, side)
            elif request.intercepted is not None and not judged:
                await looked_up(gateway, request, request.intercepted)
            elif request.path in (CHAT, MESSAGES):
                await Conversation(gateway, request).run()
            elif request.served is not None:
                await (Conversation(gateway, request).run() if judged else model_told(gateway, request))
            elif is_case:
                await case(gateway, request)
            elif request.path == "/v1/judge":
                await judge(gateway, request)
            else:
                await models(gateway, request)
        finally:
            if gateway.of_key[key] == 1:
                del gateway.of_key[key]
            else:
                gateway.of_key[key] -= 1

    async def _open(self, request: Request, scope: Scope) -> None:
        """What needs no key."""
        gateway, path = self._gateway, request.path
        if request.method in ("GET", "HEAD") and path in OPEN:
            request.route, asked = path, OPEN[path]
            why = gateway.why_not_ready() if asked == "ready" else []
            body = orjson.dumps({"ready": not why, "why": why} if asked == "ready" else {asked: True})
            await request.answer(503 if why else 200, body)
        elif request.method == "GET" and path.startswith("/c/"):
            request.route = "/c"
            client = scope.get("client")
            await self._links.show(gateway, request, client[0] if client else "")
        else:
            message = f"{request.method} {path[:200]} is not served here; served are {', '.join(SERVED)}"
            await request.error(404, message)
