"""What an update changes, for people to see before it is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bartizan.catalogue.merging import Merging
from bartizan.catalogue.tables import Tables


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a diff. `how` is added, removed or changed; `what` is service, host or signal."""

    how: str
    what: str
    name: str
    before: str = ""
    after: str = ""


def changes(old: Tables, new: Tables) -> tuple[Change, ...]:
    """What differs between two catalogues, in the order of kinds and names."""
    before, after = Merging(old), Merging(new)
    return (
        *_compared("service", _services(before), _services(after)),
        *_compared("host", _hosts(before), _hosts(after)),
        *_compared("signal", _signals(before), _signals(after)),
    )


def _compared(what: str, old: dict[str, str], new: dict[str, str]) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            how = "added" if name not in old else "removed" if name not in new else "changed"
            yield Change(how, what, name, old.get(name, ""), new.get(name, ""))


def _services(merged: Merging) -> dict[str, str]:
    return {
        one.service.id: f"{one.service.name} ({one.service.vendor or '-'}), {one.service.category}"
        for one in merged.patterns.values()
    }


def _hosts(merged: Merging) -> dict[str, str]:
    names: dict[str, Callable[[str], str]] = {"suffix": "{} and below".format, "exact": str, "regex": "/{}/".format}
    return {
        names.get(match, str)(text): f"{one.service.id}, tier {one.tier}"
        for (text, match), one in merged.patterns.items()
    }


def _signals(merged: Merging) -> dict[str, str]:
    return {
        f"{kind} {value}": service.id for kind, values in merged.signals.items() for value, service in values.items()
    }
