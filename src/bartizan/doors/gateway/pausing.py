"""The refusal of a request whose source is paused: recorded like any other, and never read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bartizan.core.decision import Action, Decision
from bartizan.core.subject import Context, Kind, Subject
from bartizan.exchange.dialect import Notice

if TYPE_CHECKING:
    from bartizan.doors.gateway.gateway import Gateway
    from bartizan.doors.gateway.request import Request
    from bartizan.home.pauses import Pause

PAUSED = Decision(Action.BLOCK)


def paused(gateway: Gateway, request: Request) -> Pause | None:
    """What keeps this request out, or None. Costs a look at a clock while nobody is paused."""
    assert request.identity is not None
    return gateway.home.pauses.of(request.identity, now_us)


async def refuse(gateway: Gateway, request: Request, pause: Pause, side: str) -> None:
    """400 in the provider's shape, once its record is on the disk. Raises PolicyError, StoreError.

    The record says that no clause decided this, and has the digest of nothing: the body was not looked at.
    """
    identity = request.identity
    assert identity is not None
    context = Context(
        person=identity.person, groups=identity.groups, app=identity.app, key=identity.key, when_us=now_us()
    )
    subject = Subject(Kind.CHAT, "", "", context=context)
    policy = gateway.loop.steady().policy
    facts = {"paused": {"kind": pause.kind, "since_us": pause.at_us, "until_us": pause.until_us}}
    ticket = gateway.record(subject, PAUSED, policy, request.id, side, b"", request.began, facts)
    await gateway.durable(ticket, policy)
    reply = request.dialect.refusal(Notice(request.id, (), (pause.told(policy.owner),)))
    await request.answer(reply.status, reply.body, [(name.encode(), value.encode()) for name, value in reply.headers])


def now_us() -> int:
    """The time, µs since 1970, UTC."""
    return time.time_ns() // 1000
