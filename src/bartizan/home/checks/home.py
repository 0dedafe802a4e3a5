"""The home: who can read it, its keys, its policy, and whether its files hold."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bartizan.config import Config
from bartizan.core.errors import BartizanError, ConfigError, PolicyError, StoreError
from bartizan.home import keys
from bartizan.home.checks.answer import Answer, fail, ok, warn
from bartizan.ledger.standing import standings
from bartizan.policy.clause import OnFull
from bartizan.store.connection import Connection
from bartizan.store.logfile import LogFile, logs
from bartizan.store.state import NAME as STATE
from bartizan.store.state import SCHEMA, State
from bartizan.vault.accounts import Role

QUICK_RECORDS = 50_000  # About two seconds of checking; more is what `bartizan ledger verify` is for.
BUILT_S = 1_735_689_600  # 2025-01-01: no clock of a machine that runs this shows an earlier time.


def home(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """The folder and who can read it."""
    if not config.home.is_dir():
        yield warn(f"{config.home} is not there yet", "`bartizan up` makes it.")
        return
    if not os.access(config.home, os.R_OK | os.W_OK | os.X_OK):
        yield fail(f"{config.home} cannot be written", "Check its owner, and that its disk is not read-only.")
    if open_to := _open_to(config.home):
        yield warn(f"{config.home} can be entered by {open_to}", f"chmod 700 {config.home}")
    loose = [path for path in sorted(config.home.iterdir()) if path.suffix in {".key", ".sqlite"} and _open_to(path)]
    for path in loose:
        yield fail(f"{path} can be read by {_open_to(path)}", f"chmod 600 {path}")
    if not loose and not open_to:
        yield ok(f"{config.home}, for its owner alone")


def master_key(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """The key that opens what is sealed."""
    if not _current(config):
        return
    from bartizan.vault import Vault

    try:
        master = keys.master_key(config, environ, create=False)
        state = State.open(config.home)
        try:
            Vault.open(state, master)
        finally:
            state.close()
    except BartizanError as error:
        says, _, do = str(error).partition("\n")
        yield fail(says, do.strip() or "Restore it from a copy.")
        return
    beside = not environ.get("BARTIZAN_MASTER_KEY") and config.master_key_path.parent.resolve() == config.home.resolve()
    do = "Move it to another disk and set master_key_file, or give it as BARTIZAN_MASTER_KEY. Keep a copy."
    if beside:
        yield warn(f"{config.master_key_path} lies beside the data: who copies the folder can open it", do)
    else:
        yield ok(f"from {master.source}")


def signing_key(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """The key that signs checkpoints, and the public one that others check them with."""
    if not _current(config):
        return
    from bartizan.home.verifying import public_keys

    try:
        signer = keys.signer(config, environ, create=False)
        publics = public_keys(config.home)
    except BartizanError as error:
        says, _, do = str(error).partition("\n")
        yield fail(says, do.strip() or "Restore it from a copy.")
        return
    if signer.public not in publics:
        do = "Restore the one that belongs to it; `bartizan ledger verify --key` takes both."
        yield fail("signing.pub is not the public key of the signing key in force", do)
    else:
        yield ok("signing.pub belongs to it")


def gateway_keys(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """Who may come in."""
    try:
        bootstrap = keys.bootstrap_key(environ)
    except ConfigError as error:
        says, _, do = str(error).partition("\n")
        yield fail(says, do.strip())
        return
    if bootstrap:
        yield warn(
            "a bootstrap key is in force", "Make keys with `bartizan keys add`, then unset BARTIZAN_BOOTSTRAP_KEY."
        )
    if not _current(config):
        return
    state = State.open(config.home)
    try:
        names = [row[0] for row in state.query("SELECT name FROM api_key WHERE revoked_us IS NULL")]
    finally:
        state.close()
    if not names and not bootstrap:
        yield warn("nobody has a key", "bartizan keys add NAME")
    elif "demo" in names and not config.gateway.loopback:
        yield warn("the demo key is in force on a gateway that others can reach", "bartizan keys revoke demo")
    else:
        yield ok(f"{len(names)} in force")


def console(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """Who may decide and administer."""
    if config.console is None:
        yield ok("off")
        return
    if not _current(config):
        return
    state = State.open(config.home)
    try:
        accounts = state.query("SELECT roles, password IS NOT NULL FROM account WHERE disabled_us IS NULL")
    finally:
        state.close()
    admins = [bool(password) for roles, password in accounts if Role.ADMIN in json.loads(roles)]
    if not accounts:
        yield ok("no account yet; `bartizan up` makes the first one")
    elif not any(admins):
        do = "Set a password on the page of your account; `bartizan accounts link NAME` makes a way in."
        yield warn("nobody with the role admin has a password: the next way in takes a command on this machine", do)
    else:
        yield ok(
            f"{len(accounts)} {'account' if len(accounts) == 1 else 'accounts'}, {len(admins)} with the role admin"
        )


def recording(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """What passes when nothing can be recorded."""
    if config.on_full is OnFull.PASS:
        do = "Set on_full: refuse, unless work must go on whatever happens."
        yield warn("while the disk is full, requests pass without a record", do)
    else:
        yield ok("what cannot be recorded does not pass")


def policy(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """Whether it holds, and does to its examples what it says."""
    if not (config.home / STATE).exists() and not config.policy_path.exists():
        return
    from bartizan.home import detectors_of, read_policy
    from bartizan.loop import Loop
    from bartizan.policy.test import run

    try:
        found = read_policy(config)
    except PolicyError as error:
        yield fail(str(error.problems[0]).replace("\n", " "), "bartizan policy check")
        return
    outcome = run(found, Loop(detectors_of(config), lambda: found).seen)
    name = f"{found.name}@{found.version}, {len(found.clauses)} clauses"
    if outcome.faults:
        wrong = f"{len(outcome.faults)} of {outcome.examples} examples do not do what they say"
        yield warn(f"{name}; {wrong}, the first: {outcome.faults[0]}", "bartizan policy test")
    else:
        yield ok(f"{name}; all {outcome.examples} examples do what they say")


def migration(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """Whether the shared state has the newest schema."""
    path = config.home / STATE
    if not path.exists():
        return
    try:
        connection = Connection(path, readonly=True)
        try:
            found = int(connection.query("PRAGMA user_version")[0][0])
            whole = str(connection.query("PRAGMA quick_check(1)")[0][0])
        finally:
            connection.close()
    except StoreError as error:
        yield fail(str(error), "Restore a copy; `bartizan ledger verify` says what of the ledger still holds.")
        return
    if whole != "ok":
        yield fail(f"{STATE} is damaged", "Restore a copy; keep the file as evidence.")
    elif found < SCHEMA:
        yield warn(f"{STATE} has schema {found} of {SCHEMA}", "`bartizan up` upgrades it; make a copy first.")
    else:
        yield ok(f"{STATE}, schema {found}")


def ledger(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """Whether it holds."""
    paths = logs(config.home) if config.home.is_dir() else []
    if not paths:
        return
    from bartizan.ledger.checkpoint import PUBLIC_FILE, read_public
    from bartizan.ledger.verify import kept_notes, verify

    try:
        size = 0
        for path in paths:
            with LogFile.reading(path) as file:
                size += file.size()
        if size > QUICK_RECORDS:
            yield ok(f"{size} records in {len(paths)} logs, not verified now: bartizan ledger verify")
            return
        publics = read_public((config.home / PUBLIC_FILE).read_text("ascii"))
        outside = config.checkpoint_file
        kept = kept_notes(outside) if outside and outside.exists() else []
        report = verify(paths, publics=publics, kept=kept)
    except (BartizanError, OSError) as error:
        yield fail(str(error), "bartizan ledger verify")
        return
    if report.faults:
        yield fail(
            f"{report.verdict}, the first: {report.faults[0]}", "bartizan ledger verify; keep the files as evidence."
        )
    else:
        yield ok(f"{report.records} records in {report.logs} logs: {report.verdict}")


def outside(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """Whether checkpoints are kept where an intruder cannot change them."""
    path = config.checkpoint_file
    if path is None:
        do = "Set checkpoint_file to a place on another disk or host."
        yield warn("no checkpoint is kept outside: the ledger can only prove that it agrees with itself", do)
    elif not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        yield fail(f"{path} cannot be written", f"mkdir -p {path.parent}, and let this user write there.")
    elif config.home.is_dir() and path.parent.stat().st_dev == config.home.stat().st_dev:
        yield warn(f"{path} is on the same disk as the home", "Another disk or host survives what happens to this one.")
    else:
        yield ok(str(path))


def clock(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """Whether the time can be right."""
    now_s = time.time()
    found = standings(config.home) if config.home.is_dir() else ()
    latest_us = max((log.last_us for log in found), default=0)  # What cannot be read is the ledger's answer.
    if now_s < BUILT_S:
        yield fail("the clock shows a time before this program was written", "Set it, or let NTP do so.")
    elif latest_us > now_s * 1e6 + 1e6:
        ahead_s = latest_us / 1e6 - now_s
        yield warn(
            f"the newest record is {ahead_s:.0f} s ahead of the clock", "It jumped back; order holds by number. NTP?"
        )
    else:
        yield ok(time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(now_s)))


def _current(config: Config) -> bool:
    """Whether there is a state that opening would not upgrade."""
    try:
        connection = Connection(config.home / STATE, readonly=True)
    except StoreError:
        return False
    try:
        return bool(connection.query("PRAGMA user_version")[0][0] == SCHEMA)
    except StoreError:
        return False  # What is wrong with it is the state's own answer.
    finally:
        connection.close()


def _open_to(path: Path) -> str:
    """Who else than the owner may read a path: "", "its group" or "every user"."""
    mode = stat.S_IMODE(path.stat().st_mode)
    return "every user" if mode & 0o007 else "its group" if mode & 0o070 else ""
