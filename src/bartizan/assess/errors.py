"""What stops a measurement. A model, data or a request that cannot be used as given is a `UsageError`: one sentence."""

from __future__ import annotations

from bartizan.core.errors import BartizanError, UsageError


class Missing(UsageError):
    """A package is not installed: which, what it is for, and how to get it. Callers may go on without and say so."""

    def __init__(self, package: str, what_for: str) -> None:
        super().__init__(f"{what_for} needs {package}, which is not installed: pip install {package}")
        self.package = package


class Spent(BartizanError):
    """No more queries are allowed (an endpoint's cap, a thief's budget): what was measured until now counts."""
