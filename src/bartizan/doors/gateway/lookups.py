"""Requests that ask for something and say nothing: of intercepted hosts lists of models, the state of a batch; of
classical models what they take.

They carry no text towards the AI, so there is nothing to judge; the tunnel they came through is on record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.doors.gateway.upstream import UpstreamTrouble
from bartizan.exchange.dialect import routed

if TYPE_CHECKING:
    from bartizan.doors.gateway.client import Address, Headers
    from bartizan.doors.gateway.gateway import Gateway
    from bartizan.doors.gateway.request import Request
    from bartizan.doors.gateway.upstream import Target
    from bartizan.home.court import Intercepted

MAX_QUERY_BYTES = 2048  # What is longer says something.


async def model_told(gateway: Gateway, request: Request) -> None:
    """What a classical model takes and gives, or whether it is ready, as its server says it. Raises UpstreamTrouble."""
    assert request.served is not None
    named, model = routed(request.served.model, gateway.upstreams.targets)
    target = next((t for t in gateway.upstreams.serving("inference") if named in (None, t.name)), None)
    if target is None or request.length or request.query or "/" in model:
        await request.error(404, "no upstream is configured for this model, or the question is longer than its path")
        return
    own = b"x-bartizan-key" in request.credentials
    theirs = [pair for pair in request.credentials.items() if own and pair[0] != b"x-bartizan-key"]
    headers = theirs if target.passthrough else target.credentials("inference")
    address = target.address(request.served.path(model), b"")
    await _passed(gateway, request, target, address, headers)


async def looked_up(gateway: Gateway, request: Request, tunnel: Intercepted) -> None:
    """Pass it on, and its answer back as it is. Raises UpstreamTrouble."""
    if request.length or len(request.query) + len(request.path) > MAX_QUERY_BYTES:
        await request.error(404, "a request that says so much cannot be judged here, so it does not pass")
        return
    target = gateway.upstreams.intercepted(tunnel, request.dialect.name)
    headers = [*request.forward, (b"accept-encoding", b"identity")]
    headers += [pair for pair in request.credentials.items() if pair[0] != b"x-bartizan-key"]
    address = target.address(request.path, request.query)
    await _passed(gateway, request, target, address, headers)


async def _passed(gateway: Gateway, request: Request, target: Target, address: Address, headers: Headers) -> None:
    """Ask there, and answer with what comes back."""
    call = await gateway.upstreams.get(target, address, headers, target.timeouts.whole_head_s)
    try:
        if 300 <= call.status < 400:
            raise UpstreamTrouble(502, "the upstream redirects, which is not followed", kind="redirect")
        body = await call.whole(gateway.config.limits.body_bytes)
        await request.answer(call.status, body, call.headers)
        gateway.counters.add("upstream_calls", target.name, "ok" if call.status < 500 else "error")
    finally:
        call.close()
