"""What the columns of an unknown table mean: guessed by their values first, by their names where values cannot tell.

A host, an address, a time and a person are told by what they look like. Which of two hosts is the one that was reached,
and which number is what a client sent, only names can say; without one, nothing is said to have been sent. A referer, a
user agent and the machine of the user hold hosts, too, and are never taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from bartizan.readers.logs.fields import DENIED, NOBODY, authority
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Tally

ROLES = ("time", "user", "client", "host", "up", "down", "action")
MAX_COLUMNS = 512
FEW = 0.5  # Of the values that are there: a column is what most of it is.

_HOST = re.compile(r"(?:\*\.)?(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})\.)+(?:[A-Za-z][A-Za-z0-9-]{1,62})\.?(?::\d{1,5})?")
_IP = re.compile(
    r"\[?(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{2,39}(?:\.\d{1,3}){0,3})\]?(?:[:#]\d{1,5})?"
)
_PRIVATE = re.compile(
    r"\[?(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd]|fe80)", re.I
)
_PERSON = re.compile(r"[^\s@]{1,64}@[^\s@]{1,253}|[A-Za-z0-9.-]{1,64}\\[^\s\\]{1,64}")
_NUMBER = re.compile(r"\d{1,16}")
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}")
_CLOCK = re.compile(r"\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?(?: ?[AaPp][Mm])?")
_VERDICT = re.compile(r"allow|permit|pass|accept|deny|denied|block|drop|reject|monitor|alert|observed|bypass", re.I)

# Words of a column's name, split where case or a sign changes: those that say what it is, and those that forbid it.
_NAMES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    role: (frozenset(yes.split()), frozenset(no.split()))
    for role, (yes, no) in {
        "time": (
            "time timestamp ts date datetime when at start logged created rt eventtime",
            "duration elapsed taken ms end expires expiry",
        ),
        "user": (
            "user username login email mail account principal identity employee person who actor upn suser usrname uid",
            "agent ua group device type domain dst dest server service",
        ),
        "client": (
            "src source client cip orig remote from ip address internal c",
            "dst dest destination server resp answer to s port gateway external bytes",
        ),
        "host": (
            "host hostname domain url uri sni servername query qname rrname fqdn site dest destination dst dhost "
            "target request address website page server name",
            "ref referer referrer refer origin agent ua src source client user device from cip mail email login "
            "account machine computer proxy gateway sensor resolver observer collector answer answers cname mime file",
        ),
        "up": (
            "sent send up upload uploaded out outbound outgoing request req client tx cs orig egress",
            "status method id count url time received recv down in response resp",
        ),
        "down": (
            "received recv rcvd down download downloaded in inbound incoming response resp server rx sc ingress",
            "status method id count code time sent up out request",
        ),
        "action": (
            "action act verdict disposition decision policy result status outcome blocked allowed",
            "code http",
        ),
    }.items()
}
_SIZES = "byte bytes size length len octets sent received recv rcvd upload download uploaded downloaded"
_SIZE = frozenset(_SIZES.split())
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what, by name; () where none does. A time may be two: a date and a clock's."""

    time: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    client: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    action: tuple[str, ...] = ()

    @property
    def enough(self) -> bool:
        """Whether that is a log of who went where: a host, and a person, an address or at least a time."""
        return bool(self.host and (self.user or self.client or self.time))


def guessed(rows: Sequence[Mapping[str, str]]) -> Columns:
    """What the columns of a sample mean. A column that is taken is not taken again."""
    names = list(dict.fromkeys(name for row in rows for name in row))[:MAX_COLUMNS]
    values = {name: [row[name] for row in rows if row.get(name, "").strip().lower() not in NOBODY] for name in names}
    free = {name: held for name, held in values.items() if held}
    taken: dict[str, tuple[str, ...]] = {}

    def take(role: str, score: Callable[[str, list[str]], float]) -> None:
        scored = [(score(name, held), -at, name) for at, (name, held) in enumerate(free.items())]
        best = max(scored, default=(0.0, 0, ""))
        if best[0] > 0:
            taken[role] = (best[2],)
            del free[best[2]]

    take("time", _time)
    if "time" not in taken and (day := _most(free, _DATE)) and (clock := _most(free, _CLOCK)):
        taken["time"] = (day, clock)
        del free[day], free[clock]
    take("host", _host)
    take("client", _client)
    take("user", _user)
    take("up", lambda name, held: _bytes("up", name, held))
    take("down", lambda name, held: _bytes("down", name, held))
    take("action", _action)
    return Columns(**taken)


def denied(value: str) -> bool:
    """Whether an action let nothing through."""
    return DENIED.search(value) is not None


def looks_like_values(cells: Sequence[str]) -> bool:
    """Whether a row holds values, and not the names of columns."""
    return any(_IP.fullmatch(one) or _HOST.fullmatch(one) or _NUMBER.fullmatch(one) or "://" in one for one in cells)


@cache
def _words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(name[:128]))


def _named(role: str, name: str) -> int:
    """1 where the name says so, -1 where it says otherwise, 0 where it says nothing."""
    yes, no = _NAMES[role]
    words = {*_words(name), "".join(_words(name))}
    return -1 if words & no else int(bool(words & yes))


def _share(held: Sequence[str], pattern: re.Pattern[str]) -> float:
    return sum(1 for value in held if pattern.fullmatch(value.strip()[:512])) / len(held)


def _most(free: Mapping[str, list[str]], pattern: re.Pattern[str]) -> str:
    return next((name for name, held in free.items() if _share(held, pattern) > 0.8), "")


def _time(name: str, held: list[str]) -> float:
    tally = Tally(reference_us=4_000_000_000_000_000)
    stamps = [micros(value, tally) for value in held]
    # 2001 to 2096: other numbers are sizes or ports.
    share = sum(1 for us in stamps if 10**15 < us < 4 * 10**15) / len(held)
    return 0.0 if share < 0.8 or _named("time", name) < 0 else share + _named("time", name)


def _host(name: str, held: list[str]) -> float:
    hosts = [_host_of(value) for value in held]
    share = sum(1 for host in hosts if host) / len(held)
    named = _named("host", name)
    if share < FEW or named < 0:
        return 0.0
    return share + 2 * named + min(len(set(hosts)) / len(held), 0.5)


def _host_of(value: str) -> str:
    if "@" in value.partition("/")[0]:
        return ""
    host = authority(value.strip()[:2048].encode("utf-8", "replace")).decode("utf-8", "replace")
    return host if _HOST.fullmatch(host) else ""


def _client(name: str, held: list[str]) -> float:
    share, named = _share(held, _IP), _named("client", name)
    if share < FEW or named < 0:
        return 0.0
    private = sum(1 for value in held if _PRIVATE.match(value)) / len(held)
    return share + 2 * named * any(word != "ip" and word != "address" for word in _words(name)) + private


def _user(name: str, held: list[str]) -> float:
    share, named = _share(held, _PERSON), _named("user", name)
    if named < 0 or (named == 0 and share < 0.8):
        return 0.0
    if named and (_share(held, _IP) > FEW or _share(held, _HOST) > 0.9):
        return 0.0
    return share + named


def _bytes(role: str, name: str, held: list[str]) -> float:
    if _named(role, name) <= 0 or not _SIZE & {*_words(name)}:
        return 0.0
    return _share(held, _NUMBER) if _share(held, _NUMBER) > 0.8 else 0.0


def _action(name: str, held: list[str]) -> float:
    share = sum(1 for value in held if _VERDICT.search(value[:64])) / len(held)
    named = _named("action", name)
    few = len(set(held)) <= max(8, len(held) // 4)
    return share + named if few and named >= 0 and (share > FEW or (named and share > 0)) else 0.0
