"""What all pages of one console share."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bartizan.cases.feedback import Feedback
from bartizan.core.errors import StoreError
from bartizan.doors.console.health import Pulse
from bartizan.doors.console.live import Live
from bartizan.doors.console.opened import Opened
from bartizan.doors.console.suggesting import EACH, FIELDS, Frequent
from bartizan.doors.console.uses import Uses
from bartizan.doors.console.workbench import Workbench
from bartizan.events import Filter
from bartizan.events.saved import SavedViews
from bartizan.home.verifying import Verifier
from bartizan.home.versions import noticed
from bartizan.vault.accounts import Accounts

if TYPE_CHECKING:
    from bartizan.cases import Desk
    from bartizan.config import Config
    from bartizan.events import Index
    from bartizan.home import Home
    from bartizan.ledger.verify import Report
    from bartizan.ledger.writer import Writer
    from bartizan.report.logline import Log

FOLLOW_EVERY_S = 0.4  # So that Live sends at most four batches a second; each reading costs, whatever it finds.
AT_ONCE = 20_000  # Records read before somebody may ask to stop: less than a second.
BEHIND = 500  # Records in one reading: more are waiting, so there is no pause.
MAX_SAID = 1000
# The ledger is checked once by itself: when whatever starts has started, and where that takes under half a minute of a
# core that has nothing else to do.
CHECK_AFTER_S = 10.0
CHECK_RECORDS = 1_000_000
COUNT_EVERY_S = 30.0  # What is frequent, for suggestions: it costs as much as the field panel of a page.


class Console:
    """One home, opened for people. Every method may be called from any thread."""

    def __init__(self, home: Home, index: Index, writer: Writer, log: Log, *, url: str, gateway: str) -> None:
        """`url` and `gateway`: where this console and the gateway answer, as a browser on this machine says it.

        `writer` is this process's own log: what people do here is recorded there.
        """
        self.home, self.index, self.writer, self.log = home, index, writer, log
        self.url, self.gateway = url, gateway
        self.accounts = Accounts(home.state, home.vault, self.record)
        self.feedback = Feedback(home.state, home.vault, self.record)
        self.saved = SavedViews(home.state)
        self.desk: Desk = home.desk(self.record)
        self.opened = Opened()
        self.workbench = Workbench(home)
        self.pulse = Pulse(gateway, home.config)
        self.uses = Uses(home.state)
        self.part: Callable[[str, dict[str, Any]], str]  # a template rendered: the app says how
        self.frequent: Frequent = {}  # values, for the search box
        self.began_us = now_us()
        self.verifier = Verifier(home.config, self._checked)
        self.verified: Report | None = None  # of the last check of the whole ledger
        self.verified_us = 0
        self._said: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @cached_property
    def live(self) -> Live:
        """What is new, for all who watch."""
        return Live(self)

    @property
    def config(self) -> Config:
        """The settings in force."""
        return self.home.config

    def record(self, event: Mapping[str, object], bodies: Sequence[tuple[str, bytes]] = ()) -> None:
        """Append one event to the ledger, with texts to seal; returns once it is durable. Raises StoreError."""
        self.writer.wait(self.writer.append(event, bodies))

    # ---- What is said to somebody on their next page -----------------------------------------------------------------

    def say(self, session: str, text: str) -> None:
        """Keep a sentence for whoever has this session."""
        with self._lock:
            self._said[session] = text
            while len(self._said) > MAX_SAID:
                self._said.popitem(last=False)

    def said(self, session: str) -> str:
        """What was kept, once."""
        with self._lock:
            return self._said.pop(session, "")

    # ---- Following the ledger ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Follow the ledger in a thread of its own, and the policy's file from another one."""
        self.home.watch(lambda _: self._policy_changed())
        self._thread = threading.Thread(target=self._follow, name="events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End that thread."""
        self._stop.set()
        self.verifier.close()
        self.pulse.close()
        self.uses.close()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _checked(self, report: Report, when_us: int) -> None:
        self.verified, self.verified_us = report, when_us

    def _policy_changed(self) -> None:
        """Somebody put another policy in force: the history has it, whoever it was."""
        try:
            noticed(self.home)
        except StoreError as error:
            self.log.alarm("console-store", why=type(error).__name__)

    def _follow(self) -> None:
        self._policy_changed()
        check_at: float | None = time.monotonic() + CHECK_AFTER_S
        count_at, more = 0.0, True
        while True:
            try:
                read = self.index.follow(AT_ONCE)
                more = more or read > 0
                if more and read < BEHIND and time.monotonic() > count_at:
                    self.frequent = self.index.panel(Filter(now_us=now_us()), FIELDS, EACH)
                    more = False
                    if any(self.frequent.values()):  # Else the first event is worth a look.
                        count_at = time.monotonic() + COUNT_EVERY_S
                if check_at is not None and read < BEHIND and time.monotonic() > check_at:
                    check_at = None
                    if self.index.status().records <= CHECK_RECORDS:
                        self.verifier.start()
            except StoreError as error:
                read = 0
                self.log.alarm("console-behind", why=type(error).__name__)
            if self._stop.wait(0 if read >= BEHIND else FOLLOW_EVERY_S):
                return


def now_us() -> int:
    """The time, µs since 1970, UTC."""
    return time.time_ns() // 1000
