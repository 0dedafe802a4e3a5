"""What a console does with policies beside the one in force: it reads them, tries their examples, and asks the past.

All of it costs time, so it is done once: policies by their digest, examples in a thread of their own, and one question
to the past at a time.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING

from bartizan.core.errors import UsageError
from bartizan.home import policy_of
from bartizan.home.past import WITHIN_S, WhatIf, what_if
from bartizan.home.versions import digest_of
from bartizan.loop import Loop
from bartizan.policy.document import List, Map, Text, parse
from bartizan.policy.edit import clause_text
from bartizan.policy.model import Policy
from bartizan.policy.test import Fault, Outcome, run

if TYPE_CHECKING:
    from bartizan.home import Home
    from bartizan.policy.clause import Clause

MAX_READ = 8  # Policies kept; a large one holds some 20 MB.
MAX_CLAUSES = 64
MAX_TRIED = 8


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a policy's examples. `outcome` is None while they run, or where that could not be done."""

    outcome: Outcome | None = None
    running: bool = True

    @property
    def says(self) -> str:
        """In a few words."""
        if self.outcome is None:
            return "the examples are being tried" if self.running else "the examples could not be tried"
        count, bad = self.outcome.examples, len(self.outcome.faults)
        if not count:
            return "there are no examples"
        if not bad:
            return "its example does what it should" if count == 1 else f"all {count:,} examples do what they should"
        return f"{count - bad:,} of {count:,} examples do what they should"

    def faults(self, clause: str) -> tuple[Fault, ...]:
        """The examples of one clause that do not do what they should."""
        return tuple(one for one in self.outcome.faults if one.clause == clause) if self.outcome else ()


class Workbench:
    """The workbench of one home. Every method may be called from any thread."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._read: OrderedDict[str, Policy] = OrderedDict()
        self._sources: OrderedDict[str, Mapping[str, str]] = OrderedDict()
        self._clauses: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._trials: OrderedDict[str, Trial] = OrderedDict()
        self._lock = threading.Lock()
        self._asking = threading.Lock()

    def policy(self, text: str) -> Policy:
        """A text as a policy. Raises PolicyError."""
        digest = digest_of(text)
        with self._lock:
            known = self._read.get(digest)
        if known is not None:
            return known
        policy = policy_of(self._home.config, text, self._home.config.policy_path.name)
        with self._lock:
            self._read[digest] = policy
            while len(self._read) > MAX_READ:
                self._read.popitem(last=False)
        return policy

    def sources(self, text: str) -> Mapping[str, str]:
        """What stands in a policy's file for each clause, by id. Raises PolicyError."""
        digest = digest_of(text)
        with self._lock:
            known = self._sources.get(digest)
        if known is None:
            known = _sources(text)
            with self._lock:
                self._sources[digest] = known
                while len(self._sources) > MAX_READ:
                    self._sources.popitem(last=False)
        return known

    def clause_text(self, text: str, clause: str) -> str:
        """One clause as it stands in a text, to be edited. Raises PolicyError."""
        key = (digest_of(text), clause)
        with self._lock:
            known = self._clauses.get(key)
        if known is None:
            known = clause_text(text, clause)
            with self._lock:
                self._clauses[key] = known
                while len(self._clauses) > MAX_CLAUSES:
                    self._clauses.popitem(last=False)
        return known

    def trial(self, policy: Policy) -> Trial:
        """How the examples of a policy do; begun now where nobody asked before."""
        with self._lock:
            known = self._trials.get(policy.digest)
            if known is None:
                known = self._trials[policy.digest] = Trial()
                while len(self._trials) > MAX_TRIED:
                    self._trials.popitem(last=False)
                threading.Thread(target=self._try, args=(policy,), name="examples", daemon=True).start()
        return known

    def examples(self, clause: Clause) -> Outcome:
        """How the examples of one clause do, now."""
        alone = Policy(name="tried", version="0", clauses=[clause])
        return run(alone, self._loop(alone).seen)

    def _try(self, policy: Policy) -> None:
        trial = Trial(None, running=False)
        try:
            trial = Trial(run(policy, self._loop(policy).seen), running=False)
        finally:
            with self._lock:
                self._trials[policy.digest] = trial

    def _loop(self, policy: Policy) -> Loop:
        return Loop(self._home.detectors, lambda: policy)

    def what_if(self, new: Policy, now_us: int, days: int = 7) -> WhatIf:
        """What a policy would have done with what was decided. Raises UsageError while somebody else asks that."""
        if not self._asking.acquire(timeout=2 * WITHIN_S):
            raise UsageError("somebody else asks the past right now; try again in a few seconds")
        try:
            return what_if(self._home, self._home.policy(), new, now_us, days=days)
        finally:
            self._asking.release()

    def settled(self, policy: Policy, within_s: float) -> Trial:
        """The trial once it is done, or after some seconds as it is then."""
        until_s = time.monotonic() + within_s
        while (trial := self.trial(policy)).running and time.monotonic() < until_s:
            time.sleep(0.01)
        return trial


def _sources(text: str) -> dict[str, str]:
    """The lines of each clause, up to the next one, without what stands around it."""
    root = parse(text.removeprefix("\ufeff"), "")
    clauses = root.get("clauses") if isinstance(root, Map) else None
    if not isinstance(root, Map) or not isinstance(clauses, List):
        return {}
    # Where the next thing begins: a clause, or what stands behind all clauses.
    lines = text.splitlines(keepends=True)
    after = [key.line for key, _ in root.members if key.line > clauses.line]
    starts = [one.line for one in clauses.items] + [min(after, default=len(lines) + 1)]
    found = {}
    for one, end in zip(clauses.items, starts[1:], strict=True):
        if isinstance(one, Map) and isinstance(id_ := one.get("id"), Text):
            some = lines[one.line - 1 : max(end - 1, one.line)]
            while len(some) > 1 and (not some[-1].strip() or some[-1].lstrip().startswith("#")):
                some.pop()
            found[id_.value] = dedent("".join(some)).rstrip()
    return found
