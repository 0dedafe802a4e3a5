"""Bartizan watches what goes into and comes out of an AI, decides by a written policy, and can prove every decision.

    >>> import bartizan
    >>> bartizan.judge("hello").action.name
    'ALLOW'

`judge` looks and answers; `admit` looks and raises `Refused`. Neither writes anything unless a `home` is given.
`assess` measures a model of yours: is it brittle, does it leak, can it be copied, was its data poisoned.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from bartizan.version import __version__ as __version__

if TYPE_CHECKING:
    from bartizan.assess.assessment import Assessment, assess
    from bartizan.core.decision import Action, Decision, Edit
    from bartizan.core.errors import BartizanError, Refused
    from bartizan.core.finding import Failure, Finding, Place, Severity
    from bartizan.core.subject import Context
    from bartizan.doors.python import admit, ajudge, judge

# Everything else may change tomorrow. Loaded on first use, so that `bartizan --help` stays quick.
_HOMES = {
    "judge": "bartizan.doors.python",
    "ajudge": "bartizan.doors.python",
    "admit": "bartizan.doors.python",
    "assess": "bartizan.assess",
    "Assessment": "bartizan.assess.assessment",
    "Action": "bartizan.core.decision",
    "Decision": "bartizan.core.decision",
    "Edit": "bartizan.core.decision",
    "Finding": "bartizan.core.finding",
    "Failure": "bartizan.core.finding",
    "Place": "bartizan.core.finding",
    "Severity": "bartizan.core.finding",
    "Context": "bartizan.core.subject",
    "BartizanError": "bartizan.core.errors",
    "Refused": "bartizan.core.errors",
}

__all__ = [  # noqa: RUF022 - in the order of need
    "judge",
    "ajudge",
    "admit",
    "assess",
    "Assessment",
    "Action",
    "Decision",
    "Edit",
    "Finding",
    "Failure",
    "Place",
    "Severity",
    "Context",
    "BartizanError",
    "Refused",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "assess":  # A package and a function in one: whatever of it is loaded already, it is the same thing.
        return import_module("bartizan.assess")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
