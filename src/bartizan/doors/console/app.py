"""From an HTTP request to a page and back: who asks, what they may, what they get. Read this first.

    host ─▶ session or token ─▶ role ─▶ CSRF ─▶ the page's own function, in a thread ─▶ HTML or JSON ─▶ headers

Nothing of a page is inline, so one Content-Security-Policy holds for all. Every write is a POST that carries the
session's token, and is served to programs at `/api/1` by the same function.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from bartizan.core.errors import (
    BartizanError,
    CaseClosed,
    CaseDenied,
    CaseUnknown,
    InputError,
    PolicyChanged,
    SignInDenied,
    StoreBusy,
    StoreError,
)
from bartizan.doors.console.answers import Done, File, Page
from bartizan.doors.console.asked import MAX_BODY_BYTES, Asked, form_fields, json_fields
from bartizan.doors.console.assets import Assets
from bartizan.doors.console.console import now_us
from bartizan.doors.console.frame import frame
from bartizan.doors.console.pages import coach
from bartizan.doors.console.render import Renderer
from bartizan.doors.console.routes import Needs, Way
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from bartizan.doors.console.console import Console

API = "/api/1"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_IN_URLS = "/?#&=+%:;,@!$'()*[]"
# A link from elsewhere comes without the session (SameSite=Strict). Loading the page once more from here brings it.
BOUNCE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Bartizan</title>'
    '<meta http-equiv="refresh" content="0">'
)


class App:
    """The console as an ASGI application."""

    def __init__(self, console: Console, ways: Iterable[Way], *, hosts: frozenset[str], secure: bool) -> None:
        """`hosts`: the names this console answers to, with their port. `secure`: whether browsers reach it by TLS."""
        self._console, self._hosts = console, hosts
        self._assets = Assets()
        self._renderer = Renderer(self._assets)
        console.part = self._renderer.part
        self._cookie = "__Host-bartizan" if secure else "bartizan"
        self._secure = secure
        routes = [Route("/static/{name:path}", self._static, methods=["GET"])]
        for way in ways:
            routes.append(Route(way.path, self._endpoint(way, api=False), methods=[way.method]))
            if way.stream is None and way.needs is not Needs.NOBODY:  # A program has a token, and signs in nowhere.
                routes.append(Route(API + way.path, self._endpoint(way, api=True), methods=[way.method]))
        app = Starlette(routes=routes, exception_handlers={HTTPException: self._nowhere, 500: self._broken})
        app.router.redirect_slashes = (
            False  # Its redirects are absolute, and behind a proxy that ends TLS they are wrong.
        )
        self._app: ASGIApp = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Another host than ours is somebody's page that made its name point here (DNS rebinding)."""
        if scope["type"] != "http":
            return
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()
        if host not in self._hosts:
            elsewhere = await run_in_threadpool(self._elsewhere, scope["method"], host)
            await elsewhere(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                more = HEADERS if b"cache-control" in given else {**HEADERS, "cache-control": "no-store"}
                message["headers"] += [(name.encode(), value.encode()) for name, value in more.items()]
            await send(message)

        await self._app(scope, receive, with_headers)

    def _elsewhere(self, method: str, host: str) -> Response:
        """To who wanted to open a stopped AI service, and was led here by a resolver's list: where it is said why."""
        base = self._console.config.console_url.rstrip("/")
        path = coach.path_of(self._console.home, host, now_us()) if base and method == "GET" else ""
        if path:
            return Response(b"", 302, {"location": base + path, "cache-control": "no-store"})
        return Response("This console does not answer to that name; `console_url` sets it.\n", 421)

    # ---- One request -------------------------------------------------------------------------------------------------

    def _endpoint(self, way: Way, *, api: bool) -> Any:  # Any: what Starlette takes for an endpoint
        async def endpoint(request: Request) -> Response:
            body = await _body(request) if way.method == "POST" else b""
            if body is None:
                return Response(f"larger than {MAX_BODY_BYTES} bytes\n", 413)
            if way.stream is None:
                return await run_in_threadpool(self._answered, way, request, body, api)
            asked = await run_in_threadpool(self._asked, way, request, b"", False)
            if isinstance(asked, Response):
                return asked
            if (refused := self._refused(way, asked, request)) is not None:
                return refused
            return await way.stream(asked)

        return endpoint

    def _answered(self, way: Way, request: Request, body: bytes, api: bool) -> Response:
        asked = self._asked(way, request, body, api)
        if isinstance(asked, Response):
            return asked
        try:
            if (refused := self._refused(way, asked, request)) is not None:
                return refused
            assert way.run is not None
            answer = way.run(asked)
        except BartizanError as error:
            return self._failed(error, asked)
        return self._told(answer, asked)

    def _asked(self, way: Way, request: Request, body: bytes, api: bool) -> Asked | Response:
        """The request as a page sees it, or the answer to one that cannot be read."""
        console, headers = self._console, request.headers
        url = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        asked = Asked(
            console,
            now_us(),
            request.path_params,
            dict(request.query_params),
            url=url,
            address=request.client.host if request.client else "",
            by_api=api,
            as_json=_reads_json(headers.get("accept", "")),
            last_event=headers.get("last-event-id", ""),
        )
        try:
            if api:
                scheme, _, secret = headers.get("authorization", "").partition(" ")
                account = console.accounts.by_token(secret.strip()) if scheme.lower() == "bearer" else None
                return replace(asked, account=account, fields=json_fields(body))
            of = console.accounts.session_unseen if way.by_itself else console.accounts.session
            session = of(request.cookies.get(self._cookie, ""))
            account = session.account if session is not None else None
            return replace(asked, account=account, session=session, fields=form_fields(body))
        except BartizanError as error:
            return self._failed(error, asked)

    def _refused(self, way: Way, asked: Asked, request: Request) -> Response | None:
        """Why this request may not go on, as an answer; None where it may."""
        account = asked.account
        if way.needs is not Needs.NOBODY and account is None:
            if asked.by_api:
                return _json({"error": "send a token: authorization: Bearer bz-a-…"}, 401)
            if way.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site":
                return Response(BOUNCE, 200, media_type="text/html")
            return _moved(f"/sign-in?next={quote(asked.url if way.method == 'GET' else '/', safe='')}")
        if isinstance(way.needs, Role) and account is not None and not account.may(way.needs):
            return self._error(403, f"This needs the role {way.needs.value}.", "Ask an admin for it.", asked)
        if way.method == "POST" and not asked.by_api and not self._own_form(asked, request):
            why = "This form was not sent from this console, or it is older than your session."
            return self._error(403, why, "Go back, load the page again, and send it once more.", asked)
        return None

    def _own_form(self, asked: Asked, request: Request) -> bool:
        """Whether a form came from one of our own pages: by its token, and by what the browser says of its origin."""
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return False
        origin = request.headers.get("origin")
        if origin not in (None, "null") and urlsplit(str(origin)).netloc.lower() not in self._hosts:
            return False
        if asked.session is None:
            return True  # Signing in: there is no session yet that a foreign page could misuse.
        sent = (asked.fields.get("csrf") or ("",))[0]
        return hmac.compare_digest(sent.encode(), asked.session.csrf.encode())

    # ---- The answer --------------------------------------------------------------------------------------------------

    def _told(self, answer: Page | Done | File, asked: Asked) -> Response:
        if isinstance(answer, File):
            headers = {"content-disposition": f'attachment; filename="{answer.name}"'}
            return Response(answer.content, 200, headers, answer.type)
        if isinstance(answer, Done):
            if asked.by_api:
                return _json({"said": answer.said, **answer.value}, 200)
            if asked.session is not None and answer.said:
                self._console.say(asked.session.id, answer.said)
            response = _moved(answer.to)
            if answer.cookie is not None:
                self._set_cookie(response, answer.cookie)
            return response
        if asked.by_api:
            if answer.value is None:
                return _json({"error": "this page has no form for programs"}, 404)
            return _json(answer.value, answer.status)
        if asked.as_json and asked.account is None and answer.value is not None:
            return _json(answer.value, answer.status)
        return self._html(answer, asked)

    def _html(self, page: Page, asked: Asked) -> Response:
        return Response(self._renderer.page(page, asked, frame(asked)), page.status, media_type="text/html")

    def _set_cookie(self, response: Response, secret: str) -> None:
        age = None if secret else 0
        response.set_cookie(
            self._cookie, secret, max_age=age, path="/", httponly=True, samesite="strict", secure=self._secure
        )

    def _failed(self, error: BartizanError, asked: Asked) -> Response:
        """An error raised on purpose, as a page that says what failed and what is still protected."""
        status, then = _status(error)
        if isinstance(error, StoreError):
            self._console.log.alarm("console-store", why=type(error).__name__)
        return self._error(status, str(error), then, asked)

    def _error(self, status: int, what: str, then: str, asked: Asked) -> Response:
        if asked.by_api:
            return _json({"error": what, "then": then}, status)
        title = TITLES.get(status, "This could not be done")
        values = {"title": title, "what": what, "then": then, "status": status}
        return self._html(Page("error.html", values, status), asked)

    async def _nowhere(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = error.status_code
        if request.url.path.startswith("/api/"):
            return _json({"error": "there is nothing here" if status == 404 else error.detail}, status)
        way = Way("GET", "/", Needs.NOBODY)
        asked = await run_in_threadpool(self._asked, way, request, b"", False)
        if isinstance(asked, Response):
            return asked
        what = "There is no such page." if status == 404 else "This address takes another kind of request."
        return await run_in_threadpool(self._error, status, what, "The pages there are stand in the menu.", asked)

    async def _broken(self, request: Request, error: Exception) -> Response:
        """A mistake of ours. Where it was stands in the log; what it was about stands nowhere."""
        text = b"Something broke in the console, and its log says where. The gateway goes on by itself.\n"
        return Response(text, 500, media_type="text/plain")

    async def _static(self, request: Request) -> Response:
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            return Response("there is no such file\n", 404)
        # Only the URL with this very version may be kept for ever.
        kept = request.query_params.get("v") == asset.version
        headers = {"cache-control": "public, max-age=31536000, immutable" if kept else "no-cache"}
        if asset.packed and "gzip" in request.headers.get("accept-encoding", ""):
            headers |= {"content-encoding": "gzip", "vary": "accept-encoding"}
            return Response(asset.packed, 200, headers, asset.type)
        return Response(asset.content, 200, headers, asset.type)


TITLES = {
    400: "This could not be read",
    403: "Not with this account",
    404: "Not found",
    409: "Somebody was faster",
    503: "The record cannot be reached",
}


def _status(error: BartizanError) -> tuple[int, str]:
    """The status of an error, and what to do."""
    if isinstance(error, CaseUnknown):
        return 404, "It may be decided and gone, or belong to somebody else."
    if isinstance(error, (CaseClosed, PolicyChanged)):
        return 409, "Load the page again to see what became of it."
    if isinstance(error, (CaseDenied, SignInDenied)):
        return 403, ""
    if isinstance(error, StoreBusy):
        return 503, "Another process holds the file; try again in a moment. The gateway goes on by itself."
    if isinstance(error, StoreError):
        return 503, "The gateway goes on, or refuses where it cannot record: it never passes unrecorded in silence."
    if isinstance(error, InputError):
        return 400, "Go back and change it."
    return 400, ""


async def _body(request: Request) -> bytes | None:
    """A request's body; None where it is too large."""
    pieces, length = [], 0
    async for piece in request.stream():
        length += len(piece)
        if length > MAX_BODY_BYTES:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _reads_json(accept: str) -> bool:
    """Whether a program asks: it takes JSON, and no page."""
    return "application/json" in accept and "text/html" not in accept


def _moved(to: str) -> Response:
    """A redirect. What an address may not hold as it is (a path can have come from anybody) goes escaped."""
    return Response(b"", 303, {"location": quote(to, safe=_IN_URLS)})


def _json(value: Mapping[str, Any] | object, status: int) -> Response:
    return Response(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS), status, media_type="application/json")
