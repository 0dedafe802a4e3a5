"""Everything Bartizan raises on purpose.

BartizanError
├── UsageError           the person who called made a mistake: exit 2
│   ├── ConfigError      bartizan.yaml, an environment variable or a flag
│   ├── CaseUnknown      no such case, or somebody else's
│   ├── CaseClosed       somebody decided already, or it expired
│   ├── CaseDenied       this one may not do that to the case
│   ├── SignInDenied     whoever knocks at the console is not let in
│   ├── PolicyChanged    somebody else changed the policy meanwhile
│   └── PolicyError      a policy that does not hold; carries every problem at once
├── InputError           the bytes to examine cannot be read as what they claim to be
│   └── LimitError       … or are larger, deeper or more than the bound
├── StoreError           the record cannot be kept: doors fail closed on it
│   ├── StoreBusy        another process holds the file
│   ├── StoreFull        no room left on the disk
│   └── StoreBroken      the file is not what was written
└── Refused              `admit()` says no; carries the decision

A class exists when some caller does something different with it. Messages say what, where and what to do, and never
hold content: a text, a name, a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bartizan.core.decision import Decision


class BartizanError(Exception):
    """The root of all errors raised on purpose."""


class UsageError(BartizanError):
    """The caller asked for something that cannot be done; exit code 2."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a file a person wrote. `line` and `column` count from 1; 0 where the file as a whole is meant."""

    file: str
    line: int
    column: int
    what: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.what}" + (f"\n  {self.hint}" if self.hint else "")


class ConfigError(UsageError):
    """A setting is wrong. `problems` has all of them, where they have a place in a file."""

    def __init__(self, what: str = "", problems: tuple[Problem, ...] = ()) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join([*filter(None, [what]), *map(str, self.problems)]))


class PolicyError(UsageError):
    """A policy does not hold. `problems` has all of them, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class CaseUnknown(UsageError):
    """There is no such case, or it belongs to somebody else: both look the same from outside."""


class CaseClosed(UsageError):
    """The case was decided or expired before. Says what became of it."""


class CaseDenied(UsageError):
    """Whoever asks may not do this to the case. Says who may."""


class SignInDenied(UsageError):
    """Nobody is let in by what was shown. Says the same whatever was wrong with it.

    `wait_s`: after how many seconds it may be tried again, 0 where waiting changes nothing.
    """

    def __init__(self, what: str, wait_s: int = 0) -> None:
        self.wait_s = wait_s
        super().__init__(what)


class PolicyChanged(UsageError):
    """The policy is not the one that was edited: somebody was faster, and nothing is overwritten."""


class InputError(BartizanError):
    """Bytes cannot be read as what they claim to be. `where` is a path or an offset, never content."""

    def __init__(self, what: str, where: str = "") -> None:
        self.what, self.where = what, where
        super().__init__(f"{where}: {what}" if where else what)


class LimitError(InputError):
    """A bound was hit: `what` names it and its size."""


class StoreError(BartizanError):
    """The record cannot be kept."""


class StoreBusy(StoreError):
    """Another process holds the file."""


class StoreFull(StoreError):
    """There is no room left on the disk."""


class StoreBroken(StoreError):
    """The file is not what was written."""


class Refused(BartizanError):
    """The policy does not let this pass."""

    def __init__(self, decision: Decision, tell: tuple[str, ...] = ()) -> None:
        self.decision = decision
        super().__init__(" ".join(tell) or f"refused: {decision.action.name.lower()}")
