"""From what is written to a `Config`, or to every mistake at once."""

from __future__ import annotations

import difflib
import ipaddress
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from bartizan.config.model import Address, Config, Mail, MailTls, Protocol, Says, SyslogAt, Upstream, Webhook, settings
from bartizan.config.tree import At, Branch, Leaf, from_environment, from_flags, from_yaml, overlay
from bartizan.core.errors import ConfigError, Problem

T = TypeVar("T")

FILE_NAME = "bartizan.yaml"
SECRET_NAMES = frozenset({"key", "api_key", "apikey", "token", "secret", "password", "credential", "authorization"})
SIZES = {"b": 1, "kb": 1000, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
LEAST_DAYS = 31
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
MODEL = re.compile(r"[A-Za-z0-9][\w.:@+~-]{0,127}", re.ASCII)
MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")  # RFC 5321, 4.1.2, unquoted
HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # RFC 9110, 5.6.2: a token
HEADER_VALUE = re.compile(r"[!-~]([ -~]{0,1998}[!-~])?")
FRAMING = frozenset(  # Who sets these changes where a request ends, where it goes, or whose it is.
    [
        "authorization",
        "connection",
        "cookie",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-api-key",
    ]
)
# Whoever knows such an address may write to it.
SECRET_HOSTS = re.compile(r"(hooks\.slack\.com|(.*\.)?discord\.com|.*\.webhook\.office\.com|.*\.logic\.azure\.com)")


def load(
    file: Path | str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    *,
    cwd: Path | None = None,
) -> Config:
    """The settings in force.

    Args:
        file: `--config`. None: `$BARTIZAN_CONFIG`, else `./bartizan.yaml`, else `bartizan.yaml` in the home, else none.
        environ: The environment; None for none at all, so that a test is not changed by its surroundings.
        flags: By dotted name, `{"gateway": "127.0.0.1:0", "upstreams.mine.url": "https://…"}`; None was not given.
        cwd: Where relative paths of environment and flags count from; those in the file count from the file.

    Raises:
        ConfigError: With all mistakes, each with its place and what to do.
    """
    cwd = cwd or Path.cwd()
    environ = environ or {}
    reading = _Reading(cwd)
    tree = overlay(from_environment(environ, cwd), from_flags(flags or {}, cwd))
    path = _find(file or environ.get("BARTIZAN_CONFIG") or None, tree, cwd)
    if path:
        shown = path.relative_to(cwd) if path.is_relative_to(cwd) else path
        written = from_yaml(path, str(shown), _text(path), reading.problems)
        tree = overlay(written, _as_written(tree, written))
    config = reading.record(Config, tree, "")
    if path and path.parent == config.home and isinstance(home := tree.below.get("home"), Leaf) and not home.spoken:
        reading.problem(home.at, "home: a file inside the home cannot say where the home is")
    reading.check_together(config, tree)
    if reading.problems:
        raise ConfigError(problems=tuple(reading.problems))
    return replace(config, file=path, sources=reading.sources)


def upstream_flags(pairs: Iterable[str]) -> dict[str, object]:
    """`--upstream NAME=URL` as flags for `load`. `NAME=local` is the embedded chat model. Raises ConfigError."""
    flags: dict[str, object] = {}
    for pair in pairs:
        name, equals, url = pair.partition("=")
        if not equals or not NAME.fullmatch(name):
            hint = "NAME is small letters, digits, dash, dot and underscore: --upstream mine=https://llm.example/v1"
            raise ConfigError(problems=(Problem("--upstream", 0, 0, "is not NAME=URL", hint),))
        flags[f"upstreams/{name}/{'protocol' if url == 'local' else 'url'}"] = url
    return flags


def _find(file: Path | str | None, spoken: Branch, cwd: Path) -> Path | None:
    if file:
        return cwd / Path(file).expanduser()
    home = spoken.below.get("home")
    in_home = cwd / Path(str(home.value) if isinstance(home, Leaf) else ".bartizan").expanduser() / FILE_NAME
    return next((path for path in (cwd / FILE_NAME, in_home) if path.is_file()), None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or 'cannot be read'}") from error


def _as_written(spoken: Branch, written: Branch) -> Branch:
    """Upstream names of the environment (`MY_AI`) as the file spells them (`my-ai`): a variable can hold no dash."""
    mine, theirs = spoken.below.get("upstreams"), written.below.get("upstreams")
    if not isinstance(mine, Branch) or not isinstance(theirs, Branch):
        return spoken
    spelled = {re.sub(r"[.-]", "_", name.lower()): name for name in theirs.below}
    below = {name if name in theirs.below else spelled.get(name, name): node for name, node in mine.below.items()}
    return Branch({**spoken.below, "upstreams": Branch(below, mine.name_at, mine.at)}, spoken.name_at, spoken.at)


@dataclass(slots=True)
class _Reading:
    """One pass over the tree: fills records, notes where values came from, collects mistakes."""

    cwd: Path
    problems: list[Problem] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    def problem(self, at: At, what: str, hint: str = "") -> None:
        self.problems.append(at.problem(what, hint))

    def record(self, cls: type[T], branch: Branch, prefix: str) -> T:
        """`cls` with what is written; a field that is absent or wrong keeps its default."""
        known = settings(cls)
        given: dict[str, Any] = {}  # Any: the values are as different as the settings
        for name, node in branch.below.items():
            if name not in known:
                self._unknown(name, node, prefix, known)
        for name, (kind, says) in known.items():
            found = branch.below.get(name)
            try:
                if found is not None:
                    given[name] = self._value(kind, found, prefix + name, says)
                elif is_dataclass(kind) and kind is not Address:
                    self.record(cast("type[object]", kind), Branch({}, branch.at, branch.at), f"{prefix}{name}.")
                elif typing.get_origin(kind) is not Mapping:
                    self.sources[prefix + name] = "default"
                elif name == "upstreams":
                    self.sources["upstreams.local.protocol"] = "default"
            except ValueError as error:
                self.problem(found.at if found else branch.at, f"{prefix}{name}: {error}")
        if cls is Config:
            given["home"] = self.cwd / given.get("home", Path(".bartizan"))
        return cls(**given)

    def _unknown(self, name: str, node: Leaf | Branch, prefix: str, known: Mapping[str, object]) -> None:
        if name in SECRET_NAMES or name in {"master_key", "bootstrap_key"}:
            files = {
                "": "master_key_file: PATH",
                "notify.mail.": "password_file: PATH or password_env: VARIABLE",
            }.get(prefix, "key_file: PATH or key_env: VARIABLE")
            self.problem(
                node.name_at, f"{prefix}{name}: a secret does not stand in the configuration", f"Write {files}."
            )
            return
        near = difflib.get_close_matches(name.replace("-", "_"), known, 1, 0.6)
        hint = f'Did you mean "{prefix}{near[0]}"? ' if near else f"Known here: {', '.join(sorted(known))}. "
        self.problem(node.name_at, f'no setting is called "{prefix}{name}"', hint + "`bartizan config show` shows all.")

    def _value(self, hint: object, node: Leaf | Branch, name: str, says: Says) -> object:
        if name == "upstreams":
            return self._upstreams(node)
        if name == "notify.webhooks":
            return self._webhooks(node)
        if name == "forward.headers":
            return self._headers(node)
        if typing.get_origin(hint) is Mapping:
            return self._monitors(node, name)
        if name == "forward.ports" and isinstance(node, Leaf) and isinstance(node.value, list):
            node = replace(node, value=[str(port) for port in node.value])
        if name == "forward" and isinstance(node, Leaf):  # `forward: 127.0.0.1:8403`, as for gateway and console
            node = Branch({"listen": node}, node.name_at, node.at)
        if is_dataclass(hint) and hint is not Address:
            if isinstance(node, Branch):
                return self.record(cast("type[object]", hint), node, f"{name}.")
            raise ValueError("stands for several settings; write them below it")
        if isinstance(node, Branch):
            raise ValueError("is one value, not several below a name")  # noqa: TRY004  # A person's mistake, not ours.
        self.sources[name] = str(node.at)
        optional = isinstance(hint, UnionType)
        if optional:
            if node.value is None or node.value == "off":
                return None
            hint = typing.get_args(hint)[0]
        return _converted(hint, node, says)

    def _upstreams(self, node: Leaf | Branch) -> dict[str, Upstream]:
        if not isinstance(node, Branch) or not node.below:
            raise ValueError(
                "name at least one: `upstreams: {mine: {url: https://llm.example/v1, key_file: mine.key}}`"
            )
        return {name: self._upstream(name, below) for name, below in self._named(node, "upstreams", "llm.example/v1")}

    def _webhooks(self, node: Leaf | Branch) -> dict[str, Webhook]:
        if not isinstance(node, Branch):
            raise ValueError("name each: `webhooks: {chat: {url_file: chat.url}}`")  # noqa: TRY004  # As below.
        named = self._named(node, "notify.webhooks", "chat.example/hook")
        return {name: self._webhook(f"notify.webhooks.{name}", below) for name, below in named}

    def _monitors(self, node: Leaf | Branch, what: str) -> dict[str, Path]:
        """Files by the names of models."""
        if not isinstance(node, Branch):
            raise ValueError("name each model: `monitors: {churn: theft-monitor.json}`")  # noqa: TRY004  # As above.
        found: dict[str, Path] = {}
        for model, below in node.below.items():
            place = f"{what}.{model}"
            if not MODEL.fullmatch(model):
                self.problem(below.name_at, f"{what}: {model!r} is no name of a model")
            elif not isinstance(below, Leaf):
                self.problem(below.at, f"{place}: is one file")
            else:
                try:
                    found[model] = cast("Path", _converted(Path, below, Says("")))
                    self.sources[place] = str(below.at)
                except ValueError as error:
                    self.problem(below.at, f"{place}: {error}")
        return found

    def _headers(self, node: Leaf | Branch) -> dict[str, dict[str, str]]:
        """Headers by host. What could end a header's line and begin another one is no header."""
        if not isinstance(node, Branch):
            raise ValueError("name each host: `headers: {api.openai.com: {OpenAI-Allowed-Organization-Ids: org-…}}`")  # noqa: TRY004  # As below.
        found: dict[str, dict[str, str]] = {}
        for host, below in node.below.items():
            what = f"forward.headers.{host}"
            if not HOST.fullmatch(host):
                self.problem(below.name_at, f"{what}: is no host in small letters")
            elif not isinstance(below, Branch):
                self.problem(below.at, f"{what}: write its headers below it, each with a value")
            else:
                found[host] = {name: str(leaf.value) for name, leaf in self._header_lines(what, below)}
                self.sources |= {f"{what}.{name}": str(below.below[name].at) for name in found[host]}
        return found

    def _header_lines(self, what: str, branch: Branch) -> Iterator[tuple[str, Leaf]]:
        for name, leaf in branch.below.items():
            if not HEADER.fullmatch(name) or name.lower() in FRAMING:
                self.problem(leaf.name_at, f"{what}: {name!r} is no header that may be set here")
            elif not isinstance(leaf, Leaf) or not HEADER_VALUE.fullmatch(str(leaf.value)):
                self.problem(leaf.at, f"{what}.{name}: a value is 1 to 2000 visible ASCII characters on one line")
            else:
                yield name, leaf

    def _named(self, node: Branch, what: str, example: str) -> Iterator[tuple[str, Branch]]:
        """The records below names of a person's choice."""
        for name, below in node.below.items():
            if not NAME.fullmatch(name):
                self.problem(below.name_at, f"{what}: {name!r}: a name is small letters, digits, dash, dot, underscore")
            elif not isinstance(below, Branch):
                self.problem(below.at, f"{what}.{name}: write its settings below it", f"url: https://{example}")
            else:
                yield name, below

    def _webhook(self, what: str, branch: Branch) -> Webhook:
        before = len(self.problems)
        webhook = self.record(Webhook, branch, f"{what}.")
        if len(self.problems) > before:
            return webhook
        at, file = branch.name_at, "url_file: PATH or url_env: VARIABLE"
        if sum((bool(webhook.url), webhook.url_file is not None, bool(webhook.url_env))) != 1:
            self.problem(at, f"{what}: needs one of url, url_file and url_env")
        elif webhook.url and (fault := _url_fault(webhook.url)):
            self.problem(at, f"{what}.url: {fault}", f"Where the address is a secret, write {file}.")
        elif webhook.url and SECRET_HOSTS.fullmatch(urlsplit(webhook.url).hostname or ""):
            self.problem(at, f"{what}.url: whoever knows this address may write there", f"Write {file}.")
        return webhook

    def _upstream(self, name: str, branch: Branch) -> Upstream:
        before = len(self.problems)
        upstream = self.record(Upstream, branch, f"upstreams.{name}.")
        if "protocol" not in branch.below:
            host = urlsplit(upstream.url).hostname or ""
            if host == "api.anthropic.com" or (not upstream.url and name == "local"):
                guess = Protocol.ANTHROPIC if host else Protocol.LOCAL
                upstream = replace(upstream, protocol=guess)
                self.sources[f"upstreams.{name}.protocol"] = "from the URL" if host else "from the name"
        if len(self.problems) > before:
            return upstream
        at, what = branch.name_at, f"upstreams.{name}"
        if upstream.protocol is Protocol.LOCAL:
            if upstream.url or upstream.key_file or upstream.key_env or upstream.passthrough:
                self.problem(at, f"{what}: the local model has no URL and no key")
        elif fault := _url_fault(upstream.url):
            self.problem(at, f"{what}.url: {fault}", "url: https://api.openai.com/v1")
        if upstream.monitors and upstream.protocol is not Protocol.INFERENCE:
            self.problem(at, f"{what}.monitors: belong to protocol: inference")
        if sum((upstream.key_file is not None, bool(upstream.key_env), upstream.passthrough)) > 1:
            self.problem(at, f"{what}: only one of key_file, key_env and passthrough can hold")
        return upstream

    def check_together(self, config: Config, tree: Branch) -> None:
        """What two settings say about each other."""

        def at(name: str) -> At:
            node = tree.below.get(name)
            return node.at if node else At("configuration")

        if (config.tls_cert is None) != (config.tls_key is None):
            given = "tls_cert" if config.tls_cert else "tls_key"
            self.problem(at(given), "tls_cert and tls_key belong together")
        if not config.gateway.loopback and not config.tls_cert and not config.behind_tls:
            hint = "Give tls_cert and tls_key, or behind_tls: true where a proxy in front ends TLS."
            self.problem(
                at("gateway"), f"gateway: {config.gateway} can be reached from other machines without TLS", hint
            )
        for name in ("public_url", "console_url"):
            if (url := getattr(config, name)) and (fault := _url_fault(url)):
                self.problem(at(name), f"{name}: {fault}", f"{name}: https://ai.example.org")
        if config.console and not config.console.loopback and not config.tls_cert and not config.behind_tls:
            hint = "Give tls_cert and tls_key, or behind_tls: true where a proxy in front ends TLS."
            self.problem(
                at("console"), f"console: {config.console} can be reached from other machines without TLS", hint
            )
        for what in _forward_faults(config):
            self.problem(at("forward"), f"forward.{what}")
        for what in _mail_faults(config.notify.mail):
            self.problem(at("notify"), f"notify.mail: {what}")
        if config.notify.syslog.address:
            try:
                SyslogAt.parse(config.notify.syslog.address)
            except ValueError as error:
                self.problem(at("notify"), f"notify.syslog.address: {error}")
        if 0 < config.retention_days < LEAST_DAYS:
            hint = f"{LEAST_DAYS} or more, for texts go by whole months; 0 keeps all."
            self.problem(at("retention_days"), "retention_days: is too short", hint)
        if config.checkpoint_file and config.checkpoint_file.is_relative_to(config.home):
            hint = "A copy that whoever edits the ledger can edit, too, shows nothing; name another disk or host."
            self.problem(at("checkpoint_file"), "checkpoint_file: lies in the home", hint)


def _url_fault(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return "is not a URL that begins with https:// or http://" if url else "is missing"
    if parts.username is not None or parts.password is not None:
        return "a secret does not stand in a URL; write key_file or key_env"
    return "has a query or fragment; give the base only" if parts.query or parts.fragment else ""


def _forward_faults(config: Config) -> Iterator[str]:
    """What is no port, network or host, and what the settings of the proxy say about each other."""
    forward = config.forward
    if forward.listen and not forward.listen.loopback and not config.tls_cert and not config.behind_tls:
        yield f"listen: {forward.listen} can be reached from other machines without TLS; see tls_cert and behind_tls"
    for port in forward.ports:
        if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535):
            yield f"ports: {port!r} is no port"
    for network in forward.networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            yield f"networks: {network!r} is no network, as 10.1.0.0/16"
    for host in forward.intercept:
        if not HOST.fullmatch(host):
            yield f"intercept: {host!r} is no host in small letters, as api.openai.com; there are no wildcards"


def _mail_faults(mail: Mail) -> Iterator[str]:
    """What the settings of mail say about each other."""
    passwords = (mail.password_file is not None) + bool(mail.password_env)
    if mail.smtp is None:
        if mail != Mail():
            yield "smtp is missing, as in mail.example.org:587"
        return
    if not mail.sender or not mail.to:
        yield "sender and to are both needed"
    if not all(MAILBOX.fullmatch(address) for address in (mail.sender, *mail.to) if address):
        yield "sender and to are addresses alone, as in security@example.org"
    if passwords != bool(mail.user):
        yield "user needs one of password_file and password_env, and they need a user"
    if mail.user and mail.tls is MailTls.NONE and not mail.smtp.loopback:
        yield "a password does not travel in the clear; write tls: starttls or tls: tls"


def _converted(hint: object, leaf: Leaf, says: Says) -> object:
    """The leaf as the type a field asks for. Raises ValueError, which completes `NAME: …`."""
    value = leaf.value
    if hint is bool:
        if leaf.spoken and str(value).lower() in {"true", "false", "1", "0"}:
            return str(value).lower() in {"true", "1"}
        if isinstance(value, bool):
            return value
        raise ValueError("is neither true nor false")
    if hint in (int, float):
        return _number(hint is int, value, leaf.spoken, says)
    if typing.get_origin(hint) is tuple:
        items = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if isinstance(items, list | tuple) and all(isinstance(item, str) and item for item in items):
            return tuple(items)
        raise ValueError("is not a list of names")
    if isinstance(value, Path) and hint is Path:
        return leaf.base / value.expanduser()
    if not isinstance(value, str):
        raise ValueError("is not a text")  # noqa: TRY004  # As above.
    if hint is Address:
        return Address.parse(value)
    if hint is Path:
        if not value or "\0" in value:
            raise ValueError("is not a path")
        return leaf.base / Path(value).expanduser()
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        if value in list(hint):
            return hint(value)
        near = difflib.get_close_matches(value, list(hint), 1, 0.5)
        raise ValueError(f"is none of {', '.join(hint)}" + (f'; did you mean "{near[0]}"?' if near else ""))
    return value


def _number(whole: bool, value: object, spoken: bool, says: Says) -> int | float:
    number = value
    if isinstance(value, str) and (size := re.fullmatch(r"([0-9]+)\s*([KMG]i?B|B)", value, re.IGNORECASE)) and whole:
        number = int(size[1]) * SIZES[size[2].lower()]
    elif isinstance(value, str) and spoken:
        try:
            number = int(value) if whole else float(value)
        except ValueError:
            number = None
    if isinstance(number, bool) or not isinstance(number, int if whole else (int, float)) or number != number:
        raise ValueError("is not a whole number" if whole else "is not a number")
    low, high = says.low, says.high
    if (low is not None and number < low) or (high is not None and number > high):
        upto = f" to {high:g}" if high is not None else " or more"
        raise ValueError(f"is out of range: {low:g}{upto}" if isinstance(low, float | int) else f"is over {high:g}")
    return number if whole else float(number)
