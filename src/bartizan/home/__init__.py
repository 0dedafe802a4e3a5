"""What lies under `--home`, opened together.

    state.sqlite   keys, grants, cases            log-<writer>.sqlite   records, one file a gateway process
    master.key     opens what is sealed           signing.key           signs checkpoints; signing.pub checks them
    demo.key       a first key, for a first try   policy.yaml           the policy; copied once, then only yours
    up.lock        who runs `bartizan up` here

A home is made by its first use: mode 0700, keys 0600. The steps of the first start are repeated until all are done, so
that a power cut in the middle leaves nothing half made; after that a missing policy or master key is an error and is
never made again behind anybody's back.
"""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan import rules
from bartizan.config import Config, load
from bartizan.core.errors import ConfigError, PolicyError, StoreBusy, StoreError
from bartizan.home import asking, keys
from bartizan.home.policies import PolicyFile, PolicyStatus
from bartizan.store.lock import FileLock
from bartizan.store.state import NAME as STATE
from bartizan.store.state import State
from bartizan.vault import Identity, Vault

if TYPE_CHECKING:
    from bartizan.cases import Desk, Granted, Wanted
    from bartizan.core.decision import Decision
    from bartizan.core.detector import Detector
    from bartizan.core.subject import Context
    from bartizan.home.pauses import Pauses
    from bartizan.ledger.checkpoint import Signer
    from bartizan.ledger.writer import Writer
    from bartizan.loop import Loop
    from bartizan.policy.clause import Clause
    from bartizan.policy.model import Policy
    from bartizan.vault.accounts import Accounts
    from bartizan.workers import Pool

__all__ = ["Home", "PolicyStatus", "detectors_of", "policy_of", "read_policy"]

DEMO_KEY = "demo.key"
ADMIN = "admin"  # The writer whose log holds what commands do.
ADMIN_WAIT_S = 5.0
BOOTSTRAP = Identity("bootstrap", (), "", "bootstrap")


class Home:
    """An open home. Every method may be called from any thread."""

    def __init__(self, config: Config, state: State, vault: Vault, environ: Mapping[str, str]) -> None:
        self.config, self.path = config, config.home
        self.state, self.vault = state, vault
        self._environ = environ
        self.policy_file = PolicyFile(config.policy_path, partial(policy_of, config))
        self._bootstrap = keys.bootstrap_key(environ).encode()

    @classmethod
    def open(
        cls,
        path: Path | str | None = None,
        config: Config | None = None,
        *,
        create: bool = True,
        environ: Mapping[str, str] | None = None,
    ) -> Home:
        """Open a home, making what a first start makes.

        Args:
            path: `--home`; None: what `config` says.
            config: The settings; None reads them as any door does.
            create: Whether a home that is not there is made. What only looks at a home says False.
            environ: Where keys may stand; None: the process's own.

        Raises:
            ConfigError: There is no home, or a key is missing, wrong or open to others.
            StoreError: The folder or a file in it cannot be read or written.
        """
        environ = os.environ if environ is None else environ
        config = config or load(environ=environ, flags={"home": path})
        home = config.home
        if not create and not (home / STATE).exists():
            raise ConfigError(f"{home}: there is no Bartizan home here\n  `bartizan up` makes one; --home says where.")
        _folder(home)
        state = _begun(home, config, environ)
        vault = Vault.open(state, keys.master_key(config, environ, create=False))
        return cls(config, state, vault, environ)

    def close(self) -> None:
        """End threads and close files."""
        self.policy_file.close()
        self.state.close()

    def __enter__(self) -> Home:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- The policy and what judges by it ----------------------------------------------------------------------------

    def policy(self) -> Policy:
        """The policy in force. Raises PolicyError while there is none: doors let nothing pass then."""
        return self.policy_file.policy()

    @property
    def policy_status(self) -> PolicyStatus:
        """What is in force and what is wrong with the file, if it says something else."""
        return self.policy_file.status

    def watch(self, told: Callable[[PolicyStatus], None] | None = None) -> None:
        """Follow the policy's file from a thread; `told` hears of every change, good or bad."""
        self.policy_file.watch(told)

    @cached_property
    def detectors(self) -> tuple[Detector, ...]:
        """All there are: our own, and the third-party ones that the configuration names."""
        return detectors_of(self.config)

    def loop(self, workers: Pool | None = None) -> Loop:
        """A loop with this home's policy, grants and digests."""
        from bartizan.loop import Loop

        return Loop(
            self.detectors,
            self.policy,
            workers=workers,
            history=self.granted.history,
            digest=self.vault.digest,
        )

    @cached_property
    def granted(self) -> Granted:
        """The grants of this home, as the loop asks for them."""
        from bartizan.cases import Granted

        return Granted(self.state, self.vault)

    @cached_property
    def pauses(self) -> Pauses:
        """Whose requests are refused for a while, as doors ask for each request."""
        from bartizan.home.pauses import Pauses

        return Pauses(self.state, self.vault)

    # ---- Keys --------------------------------------------------------------------------------------------------------

    def who(self, secret: str) -> Identity | None:
        """Whose key this is, the bootstrap key included; None for an unknown or revoked one."""
        if self._bootstrap and hmac.compare_digest(self._bootstrap, secret.encode("utf-8", "replace")):
            return BOOTSTRAP
        return self.vault.who(secret)

    # ---- The ledger --------------------------------------------------------------------------------------------------

    @cached_property
    def signer(self) -> Signer:
        """What signs this home's checkpoints. Raises ConfigError: a lost key is never replaced silently."""
        return keys.signer(self.config, self._environ, create=False)

    def writer(
        self,
        name: str,
        on_durable: Callable[[int, BaseException | None], None] | None = None,
        on_alarm: Callable[[str], None] | None = None,
    ) -> Writer:
        """A log of this process's own. Raises StoreBusy while another process has it.

        `on_durable` and `on_alarm` are called from the writer's thread: see `Writer.open`.
        """
        from bartizan.ledger.writer import Writer

        return Writer.open(
            self.path,
            name,
            vault=self.vault,
            signer=self.signer,
            on_durable=on_durable,
            on_alarm=on_alarm,
            outside=self.config.checkpoint_file,
            reserve_bytes=self.config.reserve_bytes,
        )

    @contextmanager
    def admin(self) -> Iterator[Writer]:
        """The log of administration, closed afterwards. All commands of a home share it, one at a time.

        Who finds it taken waits up to five seconds. Raises StoreBusy after that.
        """
        deadline_s = time.monotonic() + ADMIN_WAIT_S
        while True:
            try:
                writer = self.writer(ADMIN)
                break
            except StoreBusy:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.02)
        try:
            yield writer
        finally:
            writer.close()

    def record(self, event: Mapping[str, object], bodies: Sequence[tuple[str, bytes]] = ()) -> None:
        """Append one event to the log of administration, with texts to seal, as (side, text).

        Returns once it is durable. Raises StoreError.
        """
        with self.admin() as writer:
            writer.wait(writer.append(event, bodies))

    def retain(self, now_us: int) -> str | None:
        """Have every writer drop sealed texts older than `retention_days`; the first month kept, None where all are.

        What is older than `usage_days` of who used which AI goes, too. Asking again costs a read, until the next month
        or day. Raises StoreError.
        """
        from bartizan.inventory import feeding
        from bartizan.ledger import erase
        from bartizan.vault.vault import period

        if self.config.usage_days:
            feeding.drop_before(self.state, now_us // 86_400_000_000 - self.config.usage_days)
        days = self.config.retention_days
        if not days:
            return None
        wanted = period(now_us - days * 86_400_000_000)
        if erase.kept_from(self.state) >= wanted:
            return wanted
        return erase.retain(self.state, days, now_us)

    def desk(self, record: Callable[[Mapping[str, object]], None] | None = None) -> Desk:
        """The cases of this home. `record` appends an event durably; None: to the log of administration.

        Its methods wait for disks: an event loop calls them in a thread.
        """
        from bartizan.cases import Desk
        from bartizan.cases.grants import FRESH_S

        return Desk(
            self.state,
            self.vault,
            record or self.record,
            person_only=self._person_only,
            grant_days=self._grant_days,
            approvals=self._approvals,
            expire_days=self.config.cases.expire_days,
            spread=lambda: time.sleep(FRESH_S + 0.05),
        )

    @cached_property
    def accounts(self) -> Accounts:
        """Who may sign in to the console."""
        from bartizan.vault.accounts import Accounts

        return Accounts(self.state, self.vault, self.record)

    def wanted(self, decision: Decision, context: Context, *, exchange: str = "", writer: str = "") -> Wanted | None:
        """What a case about this decision asks for, or None where no grant could ever let it pass."""
        return asking.wanted(
            self.policy(), decision, context, self.granted.history(context), exchange=exchange, writer=writer
        )

    def _person_only(self, clause: str) -> bool:
        """Whether a clause wants its reason from a person. One that is no longer in the policy: yes, to be safe."""
        found = self._clause(clause)
        return found is None or found.reason_by == "person"

    def _grant_days(self, clause: str) -> int:
        """How long a grant holds. That of a clause which is no longer in the policy covers nothing anyway."""
        found = self._clause(clause)
        return found.grant_days if found else 1

    def _approvals(self, clause: str) -> int:
        """How many people a review takes. While nobody can say, because the clause or the policy is gone: the most."""
        from bartizan.policy.clause import MAX_APPROVALS

        try:
            found = self._clause(clause)
        except PolicyError:
            return MAX_APPROVALS
        return found.reviewers if found else MAX_APPROVALS

    def _clause(self, id_: str) -> Clause | None:
        return next((clause for clause in self.policy().clauses if clause.id == id_), None)


def read_policy(config: Config) -> Policy:
    """The policy that the configuration names, as it is now. Raises PolicyError."""
    return PolicyFile(config.policy_path, partial(policy_of, config)).policy()


def policy_of(config: Config, text: str, name: str) -> Policy:
    """A text as a policy, held against the risks and detectors there are. Raises PolicyError."""
    from bartizan.policy.read import read

    detectors = frozenset(detector.id for detector in detectors_of(config))
    return read(text, name, risks=rules.load("bartizan.rules", "risks.toml"), detectors=detectors)


def detectors_of(config: Config) -> tuple[Detector, ...]:
    """Our own detectors and those of others that the configuration names. Raises ConfigError."""
    from bartizan.detectors import found

    return found(config.detectors)


def _folder(home: Path) -> None:
    """The folder, closed to others if it is made here."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{home}: the home cannot be made: {error.strerror}") from error
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        raise StoreError(f"{home}: the home cannot be written; check its owner, and that its disk is not read-only")


def _begun(home: Path, config: Config, environ: Mapping[str, str]) -> State:
    """The state of a home whose first start is complete."""
    if (home / STATE).exists():
        state = State.open(home)
        if state.query("SELECT 1 FROM meta WHERE key = 'first-start'"):
            return state
        state.close()
    with FileLock(home / "first-start.lock", wait=True):
        state = State.open(home)
        if not state.query("SELECT 1 FROM meta WHERE key = 'first-start'"):
            _first_start(state, config, environ)
        return state


def _first_start(state: State, config: Config, environ: Mapping[str, str]) -> None:
    vault = Vault.open(state, keys.master_key(config, environ, create=True))
    keys.signer(config, environ, create=True)
    if not config.policy_path.exists():
        _written(config.policy_path, rules.text("bartizan.rules", "policies/default.yaml"))
    if config.gateway.loopback:
        _demo_key(config.home / DEMO_KEY, vault)
    state.change("INSERT INTO meta VALUES ('first-start', ?)", (str(time.time_ns() // 1000).encode(),))


def _demo_key(path: Path, vault: Vault) -> None:
    """A first key in a file. One left by a start that was cut short, or by another state, opens nothing: a new one."""
    if path.exists() and vault.who(keys.read_secret(path, "the demo key")):
        return
    path.unlink(missing_ok=True)
    if any(key.name == "demo" and key.revoked_us is None for key in vault.keys()):  # noqa: SIM118  Not a dict.
        vault.revoke("demo")
    keys.write_secret(path, vault.add_key("demo")[1])


def _written(path: Path, text: str) -> None:
    """A whole file or none, for its owner alone."""
    part = path.with_name(f".{path.name}.part")
    try:
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        part.rename(path)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
