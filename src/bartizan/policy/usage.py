"""An example of a clause about the use of AI: what a log would have told, and what the register knows.

    - usage: {evidence: prompt, status: undecided}
    - usage: {evidence: uploaded, status: approved, account: personal}

Fields that are left out are those of an ordinary day: somebody who uploads something to an approved service.
"""

from __future__ import annotations

from bartizan.policy.document import Node
from bartizan.policy.fields import Fields, meant, shown
from bartizan.readers.logs.usage import AccountKind, Reached, Sort, Usage, Usual
from bartizan.readers.logs.visit import Evidence

USAGE_FIELDS = (
    "service",
    "evidence",
    "status",
    "tier",
    "account",
    "allowed_account",
    "imitates",
    "count",
    "bytes_up",
    "new",
    "exception",
    "usual_bytes",
    "usual_days",
)
STATUSES = ("undecided", "approved", "tolerated", "restricted", "blocked")
TIERS = ("A", "B", "C", "M", "candidate")
DAY = 20_000  # Some day: which one matters to nobody.
MAX_NUMBER = 10**15


def usage_of(fields: Fields, node: Node, where: str) -> Usage | None:
    """The usage that an example tells of; None with a complaint where it does not."""
    got = fields.members(node, where, USAGE_FIELDS)
    if got is None:
        return None

    def word(name: str, known: tuple[str, ...], otherwise: str) -> str:
        said = fields.text(got.get(name), f"{where}, {name}")
        if said and said not in known:
            fields.no(
                got[name], f"{where}, {name}", f"{shown(said)} is not one of {', '.join(known)}", meant(said, known)
            )
        return said if said in known else otherwise

    def number(name: str, otherwise: int) -> int:
        said = fields.text(got.get(name), f"{where}, {name}", plain=True)
        if said and not (said.isascii() and said.isdigit() and int(said) <= MAX_NUMBER):
            fields.no(got[name], f"{where}, {name}", f"{shown(said)} is not a whole number")
            return otherwise
        return int(said) if said else otherwise

    def true(name: str) -> bool:
        said = fields.text(got.get(name), f"{where}, {name}", plain=True)
        if said not in ("", "true", "false"):
            fields.no(got[name], f"{where}, {name}", f"{shown(said)} is not true or false")
        return said == "true"

    kinds = tuple(kind.value for kind in AccountKind if kind)
    tier = word("tier", TIERS, "A")
    imitates = fields.text(got.get("imitates"), f"{where}, imitates")
    sort = Sort.LOOK_ALIKE if imitates else Sort.CANDIDATE if tier == "candidate" else Sort.SERVICE
    status = word("status", STATUSES, "approved")
    service = fields.text(got.get("service"), f"{where}, service") or "some-service"
    usual = None
    if "usual_bytes" in got:
        usual = Usual(number("usual_days", 30), float(number("usual_bytes", 0)), 0.5)
    return Usage(
        actor="somebody@example.org",
        reached=Reached(service, sort, service, tier, imitates, 0.8 if sort is Sort.CANDIDATE else 0.0),
        day=DAY,
        evidence=Evidence[word("evidence", tuple(one.word for one in Evidence), "uploaded").upper()],
        count=number("count", 1),
        bytes_up=number("bytes_up", 20_000),
        account=AccountKind(word("account", kinds, "")),
        status="" if status == "undecided" else status,
        excepted=true("exception"),
        only=AccountKind(word("allowed_account", kinds, "")),
        new=true("new"),
        usual=usual,
    )


def told(usage: Usage) -> str:
    """A usage in a line, for people who read a clause's examples."""
    said = [f"use of {usage.system}", f"evidence {usage.evidence.word}", f"status {usage.status or 'undecided'}"]
    if usage.reached.lookalike_of:
        said[2:] = [f"imitates {usage.reached.lookalike_of}"]
    if usage.account:
        said.append(f"{usage.account} account")
    if usage.usual:
        said.append(f"{usage.bytes_up:,} bytes, usually {usage.usual.median_bytes:,.0f}")
    return ", ".join([*said, *(["new"] if usage.new else []), *(["with an exception"] if usage.excepted else [])])
