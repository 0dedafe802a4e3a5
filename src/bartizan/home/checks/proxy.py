"""The proxy: what it opens, and whether it can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bartizan.config import Config
from bartizan.core.errors import ConfigError
from bartizan.home.authority import Authority
from bartizan.home.checks.answer import Answer, fail, ok, warn


def interception(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """Whether tunnels are opened, and the CA for that."""
    settings = config.forward
    if settings.listen is None:
        return
    if not settings.intercept:
        yield ok("the proxy opens no tunnel: it sees hosts and bytes, never what is said")
        return
    try:
        authority = Authority.load(config.home)
    except ConfigError as error:
        says, _, do = str(error).partition("\n")
        yield fail(says, do.strip() or "bartizan usage ca remove, then create it again.")
        return
    missing = [host for host in settings.intercept if not authority.covers(host)]
    if missing:
        yield fail(f"the CA is not for {', '.join(missing)}", "bartizan usage ca remove, then create it again.")
    yield warn(
        f"the proxy opens tunnels to {', '.join(settings.intercept)} and reads what is said there",
        "Tell those whose requests are read; whoever has forward-ca.key could read them, too.",
    )
