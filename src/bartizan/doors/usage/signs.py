"""What machines and code tell, kept in the register of a home.

A sign is no use: what lies on a disk or stands in code counts as the weakest evidence, an account that is signed in as
signed in, a history as connections.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import click

from bartizan.catalogue.listing import Service
from bartizan.home import Home
from bartizan.home.register import of_service, take
from bartizan.inventory.feeding import SourceKind, SourceRead
from bartizan.readers.logs.usage import AccountKind, Usage
from bartizan.readers.logs.visit import DAY_US, Evidence


class Sign(NamedTuple):
    """One service that was seen.

    Args:
        actor: Whose machine it is; "" where it is nobody's, as in code.
    """

    service: Service
    actor: str = ""
    evidence: Evidence = Evidence.RESOLVED
    times: int = 1
    account: AccountKind = AccountKind.UNKNOWN


def keep(home: Path | None, kind: SourceKind, name: str, signs: Iterable[Sign]) -> None:
    """Feeds the register with what a machine or a repository of this name told today, and says what became of it."""
    now_us = time.time_ns() // 1000
    day = now_us // DAY_US
    found = [
        Usage(one.actor, of_service(one.service), day, one.evidence, one.times, hosts=0, account=one.account)
        for one in signs
    ]
    with Home.open(home) as opened:
        fed = take(opened, found, SourceRead(kind, "", name.encode()), now_us).fed
    words = [f"{len({one.reached.system for one in found})} services kept"]
    if fed.new:
        words.append(f"{len(fed.new)} new")
    if fed.waiting:
        words.append(f"{len(fed.waiting)} wait for a decision (bartizan usage register list)")
    click.echo(", ".join(words), err=True)
