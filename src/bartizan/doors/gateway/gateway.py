"""What all requests of one gateway process share: who is asked, what judges, where it is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bartizan.home.court import Court
from bartizan.home.metrics import Counters

if TYPE_CHECKING:
    from bartizan.config import Config
    from bartizan.doors.gateway.request import Request
    from bartizan.doors.gateway.upstream import Upstreams
    from bartizan.doors.gateway.watching import Watch
    from bartizan.home import Home
    from bartizan.home.durable import Ledger
    from bartizan.loop import Loop
    from bartizan.policy.model import Policy
    from bartizan.report.logline import Log


class Gateway(Court):
    """The shared parts. One a process; everything here belongs to its event loop."""

    def __init__(
        self,
        config: Config,
        home: Home,
        loop: Loop,
        ledger: Ledger,
        upstreams: Upstreams,
        log: Log,
        counters: Counters,
        watch: Watch,
    ) -> None:
        super().__init__("gateway", config, home, loop, ledger, log, counters)
        self.upstreams, self.watch = upstreams, watch
        self.in_flight = 0
        self.of_key: dict[str, int] = {}  # requests under way, by key
        self.waiting: dict[str, int] = {}  # those that wait for a person, by key
        self.draining = False

    def before_send(self, policy: Policy) -> bool:
        """Whether the record is flushed before the prompt leaves."""
        return (policy.durability or self.config.durability) == "before-send"

    @contextmanager
    def waiter(self, request: Request) -> Iterator[bool]:
        """Counts a request among those of its key that wait for a person; False where they are too many already.

        Inside, the task is cancelled when the client goes away.
        """
        assert request.identity is not None
        key = request.identity.key
        if self.waiting.get(key, 0) >= self.config.limits.waiters_per_key:
            yield False
            return
        self.waiting[key] = self.waiting.get(key, 0) + 1
        request.watch()
        try:
            yield True
        finally:
            request.unwatch()
            self.waiting[key] -= 1
            if not self.waiting[key]:
                del self.waiting[key]

    def why_not_ready(self) -> list[str]:
        """What keeps this process from judging, recording and serving; empty when nothing does."""
        why = []
        status = self.home.policy_status
        if not status.ref:
            why.append("there is no policy that holds")
        if self.ledger.trouble:
            why.append("the ledger cannot be written")
        if self.draining:
            why.append("it is shutting down")
        return why
