"""Looking hosts up: how fast, how many AI hosts of lists it was not built from, and how many ordinary hosts by mistake.

Found: for each public list, the catalogue is built without it (a host that no other list names is unknown then), and
the list's hosts are looked up: with the other lists alone, with the maintainers' own table, with candidates by their
names. The maintainers' table was written by people who had seen the lists of tier A; the weights of candidates were
fitted on hosts of tier B. Mistakes: ordinary_hosts.txt.gz, hosts of popular sites and of what they embed, as the
packages third-party-web (MIT, its first 5,000), top-sites (MIT) and autoconsent (MPL-2.0) list them, but for those that
a list of AI names; the words of candidates were chosen with them in sight.
"""

from __future__ import annotations

import gzip
import random
import time
from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from pathlib import Path

from bartizan.catalogue import tables
from bartizan.catalogue.catalogue import Catalogue
from bartizan.catalogue.merging import parents
from bartizan.catalogue.overlay import Overlay

ORDINARY = Path(__file__).parent / "ordinary_hosts.txt.gz"
ROUNDS = 5
COLD = 200_000
FEW = 25  # Hosts of a list that is too small to tell anything.


def wilson(hits: int, of: int) -> str:
    """The 95 % interval of a share."""
    share, z = hits / of, 1.96
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return f"{middle - half:.1%} – {middle + half:.1%}"


def a_second(run: Callable[[], object], count: int) -> float:
    """Look-ups a CPU second, of the best round."""
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        run()
        took.append(time.process_time() - began)
    return count / min(took)


def speed(ordinary: list[str]) -> None:
    catalogue = Catalogue.load()
    draw = random.Random(4)
    hosts = [f"w{draw.randrange(10**6)}.{draw.choice(ordinary)}".encode() for _ in range(COLD)]
    distinct = list(dict.fromkeys(hosts))

    def cold() -> None:
        wanted = catalogue.wanted()
        for host in distinct:
            wanted[host]

    wanted = catalogue.wanted()
    for host in distinct:
        wanted[host]

    def known() -> None:
        for host in distinct:
            wanted[host]

    print("| look-ups | a CPU second |")
    print("| --- | --- |")
    print(f"| {len(distinct):,} distinct hosts, each for the first time | {a_second(cold, len(distinct)):,.0f} |")
    print(f"| the same hosts again | {a_second(known, len(distinct)):,.0f} |\n")


def found() -> None:
    shipped = tables.shipped()
    lists: dict[str, set[str]] = {}
    for row in shipped.hosts:
        for source in row["sources"].split("; "):
            if row["match"] != "regex" and row["tier"] in {"A", "B"} and not source.startswith("derived"):
                lists.setdefault(source, set()).add(row["pattern"])
    print("| list left out | hosts | other lists | and our table | and candidates | 95 % |")
    print("| --- | --- | --- | --- | --- | --- |")
    for source, hosts in sorted(lists.items(), key=lambda one: -len(one[1])):
        if len(hosts) < FEW:
            continue
        others = tuple(row for row in shipped.hosts if set(row["sources"].split("; ")) - {source})
        without = replace(shipped, hosts=others)
        ours = Catalogue(without, Overlay())
        theirs = Catalogue(replace(without, services=()), Overlay())
        by_lists = sum(theirs.lookup(host).service is not None for host in hosts)
        by_us = sum(ours.lookup(host).service is not None for host in hosts)
        all_ = sum(ours.lookup(host).tier is not None for host in hosts)
        print(f"| {source} | {len(hosts)} | {by_lists} | {by_us} | {all_} | {wilson(all_, len(hosts))} |")
    print()


def mistakes(ordinary: list[str]) -> None:
    catalogue = Catalogue.load()
    listed = {row["pattern"] for row in tables.shipped().hosts}
    hosts = [host for host in ordinary if listed.isdisjoint(parents(host))]
    looked = {host: catalogue.lookup(host) for host in hosts}
    print(f"| {len(hosts):,} ordinary hosts | hosts | 95 % |")
    print("| --- | --- | --- |")
    for what, hits in (
        ("a tier, by the maintainers' table", [host for host, one in looked.items() if one.service]),
        ("candidate", [host for host, one in looked.items() if one.tier == "candidate"]),
        ("look-alike", [host for host, one in looked.items() if one.lookalike_of]),
    ):
        print(f"| {what} | {len(hits)} | {wilson(len(hits), len(hosts))} |")


def main() -> None:
    ordinary = gzip.decompress(ORDINARY.read_bytes()).decode().split()
    speed(ordinary)
    found()
    mistakes(ordinary)


if __name__ == "__main__":
    main()
