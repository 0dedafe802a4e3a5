"""Requests of intercepted hosts that ask for something and say nothing: lists of models, the state of a batch.

They carry no text towards the AI, so there is nothing to judge; the tunnel they came through is on record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.doors.gateway.upstream import UpstreamTrouble

if TYPE_CHECKING:
    from bartizan.doors.gateway.gateway import Gateway
    from bartizan.doors.gateway.request import Request
    from bartizan.home.court import Intercepted

MAX_QUERY_BYTES = 2048  # What is longer says something.


async def looked_up(gateway: Gateway, request: Request, tunnel: Intercepted) -> None:
    """Pass it on, and its answer back as it is. Raises UpstreamTrouble."""
    if request.length or len(request.query) + len(request.path) > MAX_QUERY_BYTES:
        await request.error(404, "a request that says so much cannot be judged here, so it does not pass")
        return
    target = gateway.upstreams.intercepted(tunnel, request.dialect.name)
    headers = [*request.forward, (b"accept-encoding", b"identity")]
    headers += [pair for pair in request.credentials.items() if pair[0] != b"x-bartizan-key"]
    address = target.address(request.path, request.query)
    call = await gateway.upstreams.get(target, address, headers, target.timeouts.whole_head_s)
    try:
        if 300 <= call.status < 400:
            raise UpstreamTrouble(502, "the upstream redirects, which is not followed", kind="redirect")
        body = await call.whole(gateway.config.limits.body_bytes)
        await request.answer(call.status, body, call.headers)
        gateway.counters.add("upstream_calls", target.name, "ok" if call.status < 500 else "error")
    finally:
        call.close()
