"""The settings there are: names with their unit, types, ranges, defaults, and one sentence about each.

The reference page, the reader and `bartizan config show` all go by these fields.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

from bartizan.policy.clause import Durability, OnFull

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Says:
    """What stands beside a field: a sentence about it, and its range, both ends included."""

    doc: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 is a free one of the system's choice."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """`HOST:PORT`, an IPv6 host in brackets. Raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
            raise ValueError("is not HOST:PORT")
        if host.startswith("[") and host.endswith("]"):
            return cls(str(ipaddress.IPv6Address(host[1:-1])), int(port))
        if ":" in host or not all(c.isalnum() or c in "-._" for c in host):
            raise ValueError("is not HOST:PORT (an IPv6 host stands in brackets: [::1]:8400)")
        return cls(host, int(port))

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it. A name other than localhost is taken to be reachable by all."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Protocol(StrEnum):
    """What an upstream speaks.

    `inference` is the Open Inference Protocol of classical models; `local` is the embedded chat model, a process of
    its own on loopback.
    """

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    INFERENCE = "inference"
    LOCAL = "local"


class Told(StrEnum):
    """Which cases people are told of: all, or those that somebody else than the one who asks has to decide."""

    ALL = "all"
    REVIEW = "review"


class MailTls(StrEnum):
    """How the connection to a mail server is closed to others: after `STARTTLS`, from its start, or not at all."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class Facility(StrEnum):
    """What part of a system a syslog line comes from."""

    USER = "user"
    DAEMON = "daemon"
    AUTH = "auth"
    AUTHPRIV = "authpriv"
    LOCAL0 = "local0"
    LOCAL1 = "local1"
    LOCAL2 = "local2"
    LOCAL3 = "local3"
    LOCAL4 = "local4"
    LOCAL5 = "local5"
    LOCAL6 = "local6"
    LOCAL7 = "local7"


@dataclass(frozen=True, slots=True)
class SyslogAt:
    """Where a syslog listens: `udp` and `tcp` have an address, `unix` has a path."""

    scheme: str
    address: Address | None = None
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> SyslogAt:
        """`udp://HOST:PORT`, `tcp://HOST:PORT` or `unix:/PATH`. Raises ValueError."""
        scheme, _, rest = text.partition(":")
        if scheme == "unix" and rest.startswith("/") and "\0" not in rest:
            return cls(scheme, path=rest.removeprefix("//"))
        if scheme in {"udp", "tcp"} and rest.startswith("//"):
            return cls(scheme, Address.parse(rest.removeprefix("//")))
        raise ValueError("is none of udp://HOST:PORT, tcp://HOST:PORT and unix:/dev/log")


class LogFormat(StrEnum):
    """How log lines look on stderr."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long an upstream is waited for."""

    connect_s: Annotated[float, Says("Until the connection stands.", low=0.1, high=60)] = 3.0
    head_s: Annotated[float, Says("Until the head of a streamed answer.", low=0.1, high=3600)] = 60.0
    whole_head_s: Annotated[float, Says("Until the head of an answer that is not streamed.", low=0.1, high=7200)] = (
        600.0
    )
    idle_s: Annotated[float, Says("Between two pieces of an answer.", low=0.1, high=3600)] = 60.0


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider that requests may go to. Only those named here are ever called."""

    url: Annotated[str, Says("Base URL as the provider documents it, for example `https://api.openai.com/v1`.")] = ""
    protocol: Annotated[Protocol, Says("What it speaks. Guessed from the URL where absent.")] = Protocol.OPENAI
    key_file: Annotated[Path | None, Says("File with the provider's key; others must not be able to read it.")] = None
    key_env: Annotated[str, Says("Environment variable with the provider's key.")] = ""
    passthrough: Annotated[
        bool, Says("Send the client's own credential; Bartizan's key then travels in `x-bartizan-key`.")
    ] = False
    monitors: Annotated[
        Mapping[str, Path],
        Says(
            "With `protocol: inference`: the `theft-monitor.json` of each model, by the model's name. Who asks as "
            "somebody does who copies it is found."
        ),
    ] = field(default_factory=dict)
    timeouts: Annotated[Timeouts, Says("How long to wait.")] = Timeouts()


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what the gateway takes in. Beyond them a client is told so; nothing queues without end."""

    body_bytes: Annotated[int, Says("Largest request body and largest answer that is not streamed.", low=1024)] = (
        32 * MIB
    )
    in_flight_per_key: Annotated[int, Says("Requests of one key under way at once; beyond: 429.", low=1)] = 64
    in_flight: Annotated[int, Says("Requests under way at once in one gateway process; beyond: 429.", low=1)] = 1024
    head_s: Annotated[float, Says("Until a client has sent its whole head.", low=0.1, high=600)] = 10.0
    body_idle_s: Annotated[float, Says("Between two pieces of a request body.", low=0.1, high=3600)] = 30.0
    idle_s: Annotated[float, Says("A kept-alive connection without a request.", low=0, high=3600)] = 75.0
    drain_s: Annotated[float, Says("After SIGTERM, until requests under way are cut.", low=0, high=600)] = 30.0
    waiters_per_key: Annotated[int, Says("Requests of one key waiting with `?wait`.", low=1, high=1024)] = 32
    wait_s: Annotated[float, Says("Longest `?wait`.", low=1, high=600)] = 120.0


@dataclass(frozen=True, slots=True)
class Examine:
    """Work that does not run in the gateway's own process."""

    workers: Annotated[int, Says("Processes for slow detectors and large bodies.", low=0, high=256)] = 1
    deadline_s: Annotated[
        float, Says("One examination in a worker; beyond: a failure, answered by the policy.", low=0.05)
    ] = 5.0
    memory_bytes: Annotated[int, Says("Memory of one worker.", low=64 * MIB)] = 1024 * MIB
    inline_bytes: Annotated[int, Says("A larger body is judged in a worker.", low=1024)] = 256 * 1024


@dataclass(frozen=True, slots=True)
class Forward:
    """A proxy for clients that honour `HTTPS_PROXY`: who reaches which AI service, decided by the policy."""

    listen: Annotated[Address | None, Says("Where clients connect; `off` for no proxy.")] = None
    ports: Annotated[tuple[str, ...], Says("Ports of other hosts that may be reached.")] = ("443", "80")
    networks: Annotated[
        tuple[str, ...],
        Says("Private, loopback and link-local networks that may be reached all the same, as `10.1.0.0/16`."),
    ] = ()
    intercept: Annotated[
        tuple[str, ...],
        Says("AI API hosts whose requests are opened and judged, with the certificates of `bartizan usage ca`."),
    ] = ()
    headers: Annotated[
        Mapping[str, Mapping[str, str]],
        Says("Headers by host that every request gets which is opened or plain, as for a tenant's restriction."),
    ] = field(default_factory=dict)
    tunnels_per_key: Annotated[int, Says("Tunnels of one key at once, in one process; beyond: 429.", low=1)] = 256
    tunnels: Annotated[int, Says("Tunnels at once in one process; beyond: 503.", low=1)] = 4096
    lookups: Annotated[int, Says("Names looked up at once in one process; beyond: 503.", low=1, high=1024)] = 64
    connect_s: Annotated[float, Says("Until the connection to a host stands.", low=0.1, high=60)] = 10.0
    idle_s: Annotated[float, Says("A tunnel in which nothing moves.", low=1, high=86_400)] = 900.0


@dataclass(frozen=True, slots=True)
class Cases:
    """What waits for a person."""

    expire_days: Annotated[int, Says("An open case closes by itself.", low=1, high=365)] = 7
    goal_minutes: Annotated[int, Says("How long a case should wait for a reviewer at most.", low=1, high=10_080)] = 15


@dataclass(frozen=True, slots=True)
class Webhook:
    """A place that takes `{"text": "…"}`, as Slack and what is compatible with it do."""

    url: Annotated[str, Says("Its address, where knowing it lets nobody do anything.")] = ""
    url_file: Annotated[Path | None, Says("File with its address, where that is a secret, as Slack's is.")] = None
    url_env: Annotated[str, Says("Environment variable with its address.")] = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """Notices by e-mail, gathered into one now and then."""

    smtp: Annotated[Address | None, Says("The mail server, as HOST:PORT. Unset: no mail.")] = None
    tls: Annotated[MailTls, Says("`tls` is from the start of the connection, most often on port 465.")] = (
        MailTls.STARTTLS
    )
    user: Annotated[str, Says("Who signs in. Unset: nobody does.")] = ""
    password_file: Annotated[Path | None, Says("File with the password; others must not be able to read it.")] = None
    password_env: Annotated[str, Says("Environment variable with the password.")] = ""
    sender: Annotated[str, Says("Address that the mail comes from.")] = ""
    to: Annotated[tuple[str, ...], Says("Addresses that it goes to.")] = ()
    every_minutes: Annotated[
        int, Says("Shortest time between two mails. After a longer quiet, the first comes at once.", low=1, high=10080)
    ] = 60


@dataclass(frozen=True, slots=True)
class Syslog:
    """Notices as lines of RFC 5424."""

    address: Annotated[str, Says("`udp://HOST:PORT`, `tcp://HOST:PORT` or `unix:/dev/log`. Unset: no syslog.")] = ""
    facility: Annotated[Facility, Says("What the lines come from.")] = Facility.DAEMON


@dataclass(frozen=True, slots=True)
class Notify:
    """Who is told of new cases and alarms."""

    cases: Annotated[
        Told, Says("`review`: only cases that wait for an approval, none that wait for the reason of who asks.")
    ] = Told.ALL
    webhooks: Annotated[Mapping[str, Webhook], Says("Webhooks by name.")] = field(default_factory=dict)
    mail: Annotated[Mail, Says("Notices by e-mail, gathered into one now and then.")] = Mail()
    syslog: Annotated[Syslog, Says("Notices as lines of RFC 5424.")] = Syslog()

    @property
    def wanted(self) -> bool:
        """Whether anybody is to be told anything."""
        return bool(self.webhooks or self.mail.smtp or self.syslog.address)


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. `sources` says where each one came from: `limits.body_bytes` -> `bartizan.yaml:7:15`."""

    home: Annotated[Path, Says("Folder of ledger, state, keys and policy; made at first start, mode 0700.")] = Path(
        ".bartizan"
    )
    gateway: Annotated[Address, Says("Where clients connect.")] = Address("127.0.0.1", 8400)
    console: Annotated[Address | None, Says("Where people read and decide; `off` for no console.")] = Address(
        "127.0.0.1", 8401
    )
    metrics: Annotated[Address | None, Says("Prometheus metrics; `off` for none.")] = Address("127.0.0.1", 8402)
    workers: Annotated[int, Says("Gateway processes; 0 is one a core, from two to four.", low=0, high=256)] = 0
    public_url: Annotated[
        str, Says("The gateway's address as people reach it; refusals link to it where `console_url` is unset.")
    ] = ""
    console_url: Annotated[
        str, Says("The console's address as people reach it; notices and refusals link to it. Unset: `console`.")
    ] = ""
    behind_tls: Annotated[bool, Says("A proxy in front ends TLS, so a plain listener beyond loopback is meant.")] = (
        False
    )
    tls_cert: Annotated[Path | None, Says("Certificate chain (PEM) for the gateway.")] = None
    tls_key: Annotated[Path | None, Says("Its private key (PEM).")] = None
    upstreams: Annotated[
        Mapping[str, Upstream], Says("Providers by name. With none given: `local`, the embedded chat model.")
    ] = field(default_factory=lambda: {"local": Upstream(protocol=Protocol.LOCAL)})
    policy: Annotated[Path | None, Says("The policy file. Unset: `policy.yaml` in the home.")] = None
    detectors: Annotated[tuple[str, ...], Says("Installed third-party detectors to load, as `package:name`.")] = ()
    durability: Annotated[
        Durability, Says("What is flushed to disk before what leaves; the policy may say otherwise.")
    ] = Durability.STRICT
    on_full: Annotated[
        OnFull, Says("Requests while the disk is full: 503, or pass without a record; the policy may say otherwise.")
    ] = OnFull.REFUSE
    master_key_file: Annotated[
        Path | None, Says("The master key. Unset: `master.key` in the home, beside the data.")
    ] = None
    signing_key_file: Annotated[
        Path | None, Says("The key that signs checkpoints. Unset: `signing.key` in the home, beside the data.")
    ] = None
    checkpoint_file: Annotated[Path | None, Says("Where to keep checkpoints outside, on another disk or host.")] = None
    retention_days: Annotated[
        int,
        Says("Sealed texts older than this are dropped by whole months, 31 or more; 0 keeps all. Records stay.", low=0),
    ] = 0
    usage_days: Annotated[
        int,
        Says("Who used which AI service is kept for so many days; 0 keeps all. The register itself stays.", low=0),
    ] = 400
    reserve_bytes: Annotated[int, Says("Disk space held back for finishing what is under way.", low=0)] = 64 * MIB
    log_format: Annotated[LogFormat, Says("Log lines on stderr.")] = LogFormat.TEXT
    limits: Annotated[Limits, Says("Bounds on what the gateway takes in.")] = Limits()
    forward: Annotated[
        Forward, Says("A proxy for clients that honour `HTTPS_PROXY`: who reaches which AI service.")
    ] = Forward()
    examine: Annotated[Examine, Says("Work outside the gateway's own process.")] = Examine()
    cases: Annotated[Cases, Says("What waits for a person.")] = Cases()
    notify: Annotated[Notify, Says("Who is told of new cases and alarms.")] = Notify()
    file: Path | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def policy_path(self) -> Path:
        """The policy file in force."""
        return self.policy or self.home / "policy.yaml"

    @property
    def master_key_path(self) -> Path:
        """Where the master key is looked for when the environment has none."""
        return self.master_key_file or self.home / "master.key"

    @property
    def console_base(self) -> str:
        """The console's address for links, without a slash at its end; "" where there is no console."""
        if self.console_url or self.console is None:
            return self.console_url.rstrip("/")
        everywhere = self.console.host in ("0.0.0.0", "::")  # noqa: S104  A link leads to one place.
        console = Address("127.0.0.1", self.console.port) if everywhere else self.console
        return f"{'https' if self.tls_cert else 'http'}://{console}"


def settings(cls: type[object]) -> dict[str, tuple[object, Says]]:
    """The settings of a record by name: their type, and what is said about them. What says nothing is no setting."""
    found: dict[str, tuple[object, Says]] = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        if get_origin(hint) is Annotated:
            kind, says = get_args(hint)
            found[name] = (kind, says)
    return found
