"""Settings: is it configured safely? What is unsafe, where requests go, who is told, how much room there is."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bartizan.config import Protocol
from bartizan.config.show import rows
from bartizan.core.errors import BartizanError, ConfigError, InputError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.pages.pauses import shown
from bartizan.doors.console.routes import act, page
from bartizan.home import keys, outbox
from bartizan.home.checks import CHECKS, Answer, Level, fail
from bartizan.home.checks.answer import ok, warn
from bartizan.ledger import erase
from bartizan.ledger.standing import standings
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from pathlib import Path

    from bartizan.config import Config, Upstream
    from bartizan.doors.console.asked import Asked

CSS = ("settings.css",)
SLOW = ("policy", "ledger")  # Each takes longer than a page may; the console knows these two from elsewhere.
MAX_FILES = 2000
MAX_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Checked:
    """One answer of one check."""

    name: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Going:
    """An upstream as it may be shown: `key` says where its key comes from, never what it is."""

    name: str
    protocol: str
    host: str
    plain: bool
    passthrough: bool
    key: str
    there: bool


def settings(asked: Asked) -> Page:
    """The checklist, and how everything stands."""
    return _page(asked, _quick(asked), whole=False)


def check(asked: Asked) -> Page:
    """The same, with the checks that take a second: every example of the policy, and the ledger if it is short."""
    config = asked.console.config
    found = [Checked(name, answer) for name, one in CHECKS.items() for answer in _asked(one, config)]
    return _page(asked, found, whole=True)


def _quick(asked: Asked) -> list[Checked]:
    config = asked.console.config
    found = [
        Checked(name, answer) for name, one in CHECKS.items() if name not in SLOW for answer in _asked(one, config)
    ]
    return [*found, Checked("policy", _policy(asked)), Checked("ledger", _ledger(asked))]


def _asked(one: object, config: Config) -> Iterator[Answer]:
    """A check's answers; one that stumbles over a file says which."""
    assert callable(one)
    try:
        yield from one(config, os.environ)
    except BartizanError as error:
        says, _, do = str(error).partition("\n")
        yield fail(says, do.strip() or "bartizan doctor")
    except OSError as error:
        yield fail(f"{error.filename or 'a file'}: {error.strerror}", "bartizan doctor")


def _policy(asked: Asked) -> Answer:
    """What is known of the policy without running its examples."""
    status = asked.console.home.policy_status
    if status.problems:
        what = str(status.problems[0]).replace("\n", " ")
        kept = "; the one before it stays in force" if status.ref else "; nothing passes"
        return fail(what + kept, "bartizan policy check")
    return ok(f"{status.ref.partition(' ')[0] or 'it holds'}, its file holds")


def _ledger(asked: Asked) -> Answer:
    now = asked.console.verifier.now
    if now.problem:
        return fail(now.problem.partition("\n")[0], "bartizan ledger verify")
    if now.report is None:
        return ok("not checked since this console started")
    if now.report.faults:
        return fail(
            f"{now.report.verdict}, the first: {now.report.faults[0]}",
            "The ledger's page has all of them; keep the files as evidence.",
        )
    told = f"{now.report.records:,} records: {now.report.verdict}"
    return ok(told) if now.report.outside else warn(told, "Set checkpoint_file to a place on another disk or host.")


def _page(asked: Asked, found: list[Checked], *, whole: bool) -> Page:
    console = asked.console
    config = console.config
    groups = {level: [one for one in found if one.answer.level is level] for level in Level}
    groups[Level.WARN] = _once(groups[Level.WARN])
    logs = standings(console.home.path)
    upstreams = [_going(name, one) for name, one in config.upstreams.items()]
    values = {
        "unsafe": groups[Level.FAIL],
        "risks": groups[Level.WARN],
        "good": groups[Level.OK],
        "whole": whole,
        "paused": shown(asked),
        "analyst": asked.who.may(Role.ANALYST),
        "upstreams": upstreams,
        "channels": outbox.standings(console.home.state, config),
        "storage": _storage(console.home.path, config),
        "logs": sorted(logs, key=lambda log: -log.bytes)[:MAX_SHOWN],
        "logs_more": max(0, len(logs) - MAX_SHOWN),
        "kept_from": erase.kept_from(console.home.state),
        "retention_days": config.retention_days,
        "config_file": str(config.file or ""),
        "gateway": console.gateway,
        "url": console.url,
    }
    value = {
        "schema": "bartizan.settings/1",
        "checks": [
            {"check": one.name, "level": one.answer.level.value, "says": one.answer.says, "do": one.answer.do}
            for one in found
        ],
        "upstreams": [
            {"name": one.name, "protocol": one.protocol, "host": one.host, "key": one.there} for one in upstreams
        ],
    }
    return Page("settings.html", values, value=value, css=CSS)


def _once(found: list[Checked]) -> list[Checked]:
    """That nothing is kept outside is one risk, told by the check that is about it."""
    told = any(one.name == "checkpoint" for one in found)
    return [one for one in found if not (told and one.name == "ledger")]


def _going(name: str, upstream: Upstream) -> Going:
    parts = urlsplit(upstream.url)
    if upstream.protocol is Protocol.LOCAL:
        return Going(name, "local", "this machine", False, False, "needs none", True)
    source = f"file {upstream.key_file}" if upstream.key_file else f"variable {upstream.key_env}"
    wants = bool(upstream.key_file or upstream.key_env)
    try:
        there = bool(keys.upstream_key(upstream, os.environ))
        key = source if wants else ("the client's own" if upstream.passthrough else "none")
    except ConfigError:
        there, key = False, f"{source}: cannot be read"
    host = parts.hostname or "?"
    plain = parts.scheme == "http" and host not in ("127.0.0.1", "localhost", "::1")
    return Going(name, upstream.protocol.value, host, plain, upstream.passthrough, key, there)


@dataclass(frozen=True, slots=True)
class Storage:
    """How much there is of what, in bytes."""

    home: int
    logs: int
    state: int
    index: int
    reserve: int
    free: int
    of: int


def _storage(home: Path, config: Config) -> Storage:
    sizes: dict[str, int] = {}
    for count, path in enumerate(home.iterdir()):
        if count >= MAX_FILES:
            break
        try:
            sizes[path.name] = path.stat().st_size
        except OSError:
            continue  # A file that went while we looked takes no room.

    def of(prefix: str) -> int:
        return sum(size for name, size in sizes.items() if name.startswith(prefix))

    disk = shutil.disk_usage(home)
    return Storage(
        sum(sizes.values()),
        of("log-"),
        of("state.sqlite"),
        of("events.sqlite"),
        sizes.get("reserve", 0),
        disk.free,
        disk.total,
    )


def values(asked: Asked) -> Page:
    """Every setting in force and where its value came from."""
    config = asked.console.config
    found = [{"name": name, "value": value, "from": source} for name, value, source in rows(config)]
    shown = {"rows": found, "config_file": str(config.file or "")}
    value = {"schema": "bartizan.config/1", "file": str(config.file or "") or None, "settings": found}
    return Page("settings_values.html", shown, value=value, css=CSS)


def notice(asked: Asked) -> Done:
    """A test notice, put into the outbox."""
    console = asked.console
    channel = asked.text("channel", at_most=200)
    if channel not in {one.name for one in outbox.channels(console.config)}:
        raise InputError("is no channel that is configured", "channel")
    outbox.test(console.home.state, channel, console.config.console_base, secrets.token_hex(8), asked.now_us)
    return Done(f"A test notice is on its way to {channel}.", "/settings", {"channel": channel})


ROUTES = (
    page("/settings", settings, Role.ADMIN),
    act("/settings/check", check, Role.ADMIN),
    page("/settings/values", values, Role.ADMIN),
    act("/settings/notices/test", notice, Role.ADMIN),
)
