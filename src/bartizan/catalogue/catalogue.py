"""All the catalogue: AI services, the hosts they are at, and what else betrays their use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Self

from bartizan.catalogue import overlay as overlays
from bartizan.catalogue import tables
from bartizan.catalogue.candidates import Candidates
from bartizan.catalogue.hostnames import hostname
from bartizan.catalogue.listing import Listed, Pattern, Service, Tier
from bartizan.catalogue.lookalikes import Lookalikes
from bartizan.catalogue.merging import Merging, registered
from bartizan.catalogue.wanted import Wanted
from bartizan.core.errors import InputError

OVERLAY = "catalogue.toml"  # Where a pattern of the organisation's own comes from.

MAX_DULL = 100_000  # Domains, about 10 MB.


class Catalogue:
    """Looks hosts and other signals up. Reads its data once; afterwards no answer changes."""

    def __init__(self, made: tables.Tables, own: overlays.Overlay) -> None:
        merged = Merging(made)
        self.version, self.made = made.version, made.made
        names = own.names
        services = {pattern.service.id: pattern.service for pattern in merged.patterns.values()}
        for values in merged.signals.values():
            services |= {service.id: service for service in values.values()}
        services |= {service.id: service for service in own.services}
        self._services = {
            id_: replace(service, name=names[id_]) if id_ in names else service for id_, service in services.items()
        }
        self._signals = {
            kind: {value: self._services[service.id] for value, service in values.items()}
            for kind, values in merged.signals.items()
        }
        self._patterns = [
            replace(one, service=self._services[one.service.id]) if one.service.id in names else one
            for one in merged.patterns.values()
        ]
        self._exact = {one.text: one for one in self._patterns if one.match == "exact"}
        self._suffix = {one.text: one for one in self._patterns if one.match == "suffix"}
        self._regex = [(tables.expression(one.text), one) for one in self._patterns if one.match == "regex"]
        self._tails = tuple(_tail(one.text) for _, one in self._regex)
        self._own_exact: dict[str, Pattern | str] = {}
        self._own_suffix: dict[str, Pattern | str] = {}
        for verdict in own.verdicts:
            self._judge(verdict)
        self._dull: set[str] = set()  # Domains nobody wants to hear of: a memory, it changes no answer.
        self._own_domains = frozenset(map(registered, (*self._own_exact, *self._own_suffix)))
        self._domains = frozenset(
            registered(_tail(one.text) if one.match == "regex" else one.text) for one in self._patterns
        )
        self._candidates = Candidates.load()
        self._lookalikes = Lookalikes.load()
        self._firsts = self._lookalikes.firsts  # Without one of these no whole domain stands before another.
        # Ten times as fast as looking closely, which most names do not deserve.
        self._terms = re.compile(either(self._candidates.terms | self._lookalikes.terms)).search

    @classmethod
    def load(cls, overlay: bytes | None = None, update: bytes | None = None) -> Self:
        """The catalogue that ships, or a newer update instead, with the organisation's own words on top.

        Args:
            overlay: catalogue.toml of the organisation.
            update: The text of an update whose signature was verified when it was taken.

        Raises:
            InputError: One of them is not written as it should be.
        """
        made = tables.shipped()
        if update is not None and (newer := tables.parse(update)).version > made.version:
            made = newer
        return cls(made, overlays.parse(overlay) if overlay is not None else overlays.Overlay())

    def _judge(self, verdict: overlays.Verdict) -> None:
        where = self._own_exact if verdict.exact else self._own_suffix
        if not verdict.service:
            where[verdict.host] = verdict.why
            return
        service = self._services.get(verdict.service)
        if service is None:
            raise InputError(
                f"{OVERLAY}: there is no service {verdict.service!r}; `bartizan usage lookup HOST` shows ids"
            )
        pattern = Pattern(verdict.host, "exact" if verdict.exact else "suffix", "A", service, "", OVERLAY)
        where[verdict.host] = pattern
        self._patterns.append(pattern)

    def lookup(self, host: str) -> Listed:
        """What the catalogue says about a host, as logged or as typed. Never raises."""
        name = hostname(host)
        return self.known(name) or Listed(name)

    def known(self, name: str) -> Listed | None:
        """What the catalogue says about a host as `hostname` writes it; None where that is nothing."""
        labels = name.split(".")
        if len(labels) < 2:
            return self._own(name) if self._own_domains and name else None
        domain = f"{labels[-2]}.{labels[-1]}"
        if domain in self._own_domains and (own := self._own(name)) is not None:
            return own
        if domain in self._domains and (found := self._row(name)) is not None:
            return Listed(name, found.service, found.tier, "", 0.0, found.text, found.endpoint, found.sources)
        if domain in self._dull and self._firsts.isdisjoint(labels):
            return None
        return self._unknown(name, labels, domain)

    def _row(self, name: str) -> Pattern | None:
        found = self._exact.get(name)
        rest = name
        while found is None and rest:
            found = self._suffix.get(rest)
            rest = rest.partition(".")[2]
        if found is None and name.endswith(self._tails):
            found = next((one for pattern, one in self._regex if pattern.fullmatch(name)), None)
        return found

    def _own(self, name: str) -> Listed | None:
        found = self._said(name)
        if found is None:
            return None
        if isinstance(found, str):
            return Listed(name, sources=OVERLAY, because=f"no AI: {found}" if found else "no AI")
        return Listed(name, found.service, found.tier, "", 0.0, found.text, found.endpoint, OVERLAY)

    def _unknown(self, name: str, labels: list[str], domain: str) -> Listed | None:
        candidates, lookalikes = self._candidates, self._lookalikes
        count = candidates.registrable(labels)
        if not self._terms(name) and not lookalikes.near(labels[-count]):
            if count == 2:
                if len(self._dull) >= MAX_DULL:
                    self._dull.clear()
                self._dull.add(domain)
            return None
        imitation = lookalikes.imitated(name, labels, count)
        if imitation is not None:
            tier: Tier | None = "candidate" if imitation.holds else None
            return Listed(name, None, tier, imitation.of, because=imitation.because)
        signs = candidates.signs(labels, count)
        if signs and (score := candidates.score(signs)) >= candidates.threshold:
            return Listed(name, None, "candidate", "", round(score, 3), because=candidates.because(signs))
        return None

    def services(self) -> tuple[Service, ...]:
        """All services, in the order of their ids."""
        return tuple(self._services[id_] for id_ in sorted(self._services))

    def service(self, id_: str) -> Service | None:
        """The service of that id."""
        return self._services.get(id_)

    def patterns(self) -> tuple[Pattern, ...]:
        """Every row."""
        return tuple(self._patterns)

    def hosts(self, service_id: str, tiers: tuple[str, ...] = ("A",)) -> tuple[Pattern, ...]:
        """Where a service is, in those tiers; what the organisation says is no AI is left out."""
        return tuple(
            one
            for one in self._patterns
            if one.service.id == service_id
            and one.tier in tiers
            and (one.match == "regex" or not isinstance(self._said(one.text), str))
        )

    def _said(self, host: str) -> Pattern | str | None:
        found = self._own_exact.get(host)
        while found is None and host:
            found = self._own_suffix.get(host)
            host = host.partition(".")[2]
        return found

    def signals(self, kind: str) -> Mapping[str, Service]:
        """What else betrays a service: package:pypi, env, file, process, extension:chrome …; value → service."""
        return MappingProxyType(self._signals.get(kind, {}))

    def kinds(self) -> tuple[str, ...]:
        """The kinds of signals there are."""
        return tuple(sorted(self._signals))

    def wanted(self) -> Wanted:
        """A new map for a log reader."""
        return Wanted(self)


def _tail(pattern: str) -> str:
    """What every host that the expression matches ends with."""
    literal = re.search(r"(?:\\\.|[a-z0-9-])*\Z", pattern)
    assert literal is not None
    return literal[0].replace("\\.", ".")


def either(words: Iterable[str]) -> str:
    """An expression for any of the words, as a tree: faster than one after the other."""
    tree: dict[str, Any] = {}  # Any: trees of themselves
    for word in words:
        node = tree
        for char in word:
            node = node.setdefault(char, {})
        node[""] = {}

    def written(node: dict[str, Any]) -> str:
        if "" in node:  # A shorter word ends here: the longer ones say nothing more.
            return ""
        branches = [re.escape(char) + written(below) for char, below in sorted(node.items())]
        return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"

    return written(tree)
