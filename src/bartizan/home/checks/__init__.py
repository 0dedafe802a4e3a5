"""What `bartizan doctor` looks at: one function a question, each answers with what to do, and mends nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bartizan.config import Config
from bartizan.home.checks import home, machine, proxy
from bartizan.home.checks.answer import Answer, Level, fail

__all__ = ["CHECKS", "Answer", "Level", "fail"]

CHECKS: Mapping[str, Callable[[Config, Mapping[str, str]], Iterator[Answer]]] = {
    "python": machine.python,
    "packages": machine.packages,
    "local model": machine.local_model,
    "upstreams": machine.upstreams,
    "home": home.home,
    "master key": home.master_key,
    "signing key": home.signing_key,
    "keys": home.gateway_keys,
    "console": home.console,
    "policy": home.policy,
    "state": home.migration,
    "ledger": home.ledger,
    "checkpoint": home.outside,
    "recording": home.recording,
    "proxy": proxy.interception,
    "disk": machine.disk,
    "clock": home.clock,
    "ports": machine.ports,
    "open files": machine.files,
}
