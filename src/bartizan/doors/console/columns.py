"""Which columns a table of events shows, and how a whole view of them is written into its address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode

from bartizan.events import Filter

MAX_ROWS = 40
MAX_CELLS = 40 * 7  # A page has fewer rows where it has more columns, so that it stays below 100 KB.


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `told` is its name in a downloaded table; `usual`: shown where nobody chose."""

    title: str
    told: str
    usual: bool = False


COLUMNS: Mapping[str, Column] = {
    "time": Column("Time", "time", usual=True),
    "action": Column("Decision", "action", usual=True),
    "who": Column("Who", "person", usual=True),
    "risk": Column("What was seen", "risks", usual=True),
    "clause": Column("Clause", "clauses", usual=True),
    "model": Column("Model", "model", usual=True),
    "severity": Column("Severity", "severity", usual=True),
    "confidence": Column("Confidence", "confidence"),
    "would": Column("Would have been", "would"),
    "failed": Column("Not examined", "failures"),
    "app": Column("App", "app"),
    "group": Column("Groups", "groups"),
    "key": Column("Key", "key"),
    "provider": Column("Provider", "provider"),
    "door": Column("Door", "door"),
    "kind": Column("Kind", "kind"),
    "discipline": Column("Discipline", "disciplines"),
    "policy": Column("Policy", "policy"),
    "id": Column("Id", "exchange"),
    "said": Column("Called", "called"),
    "assigned": Column("Looks after it", "assignee"),
}
"""Named like the filter's fields, where there is one. `risk` is always there: it leads to the event."""

ALWAYS = "risk"
USUAL = tuple(name for name, column in COLUMNS.items() if column.usual)


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """The columns of these names, in our order; the usual ones where there are none. What is no column is left out."""
    wanted = {one.strip() for name in names for one in name.split(",")} & COLUMNS.keys()
    return tuple(name for name in COLUMNS if name in wanted or name == ALWAYS) if wanted else USUAL


@dataclass(frozen=True, slots=True)
class View:
    """A filter, the columns of its table, and whether similar events stand together: what an address says."""

    filter: Filter
    columns: tuple[str, ...] = USUAL
    grouped: bool = False

    @classmethod
    def read(cls, fields: Mapping[str, tuple[str, ...]], now_us: int) -> View:
        """From the fields of a form. Raises InputError, LimitError where the filter cannot be read."""
        filter_ = Filter.parse((fields.get("q") or ("",))[0], now_us)
        return cls(filter_, chosen(fields.get("columns", ())), fields.get("group", ("",))[:1] == ("1",))

    @property
    def usual(self) -> bool:
        """Whether nobody chose columns."""
        return self.columns == USUAL

    @property
    def fields(self) -> dict[str, str]:
        """What forms carry on, and addresses say; nothing that goes without saying."""
        columns = "" if self.usual else ",".join(self.columns)
        told = {"q": self.filter.text, "columns": columns, "group": "1" if self.grouped else ""}
        return {name: value for name, value in told.items() if value}

    @property
    def query(self) -> str:
        """The same as the query of an address."""
        return urlencode(self.fields, safe=",")

    @property
    def rows(self) -> int:
        """How many events one page has room for."""
        return min(MAX_ROWS, MAX_CELLS // len(self.columns))

    def link(self, **more: str) -> str:
        """The address of this view; `before` pages on in it."""
        fields = {name: value for name, value in {**self.fields, **more}.items() if value}
        return "/events" + (f"?{urlencode(fields, safe=',')}" if fields else "")

    def of(self, filter_: Filter) -> View:
        """The same columns of other events."""
        return replace(self, filter=filter_)

    def usual_columns(self) -> View:
        return replace(self, columns=USUAL)

    def one_by_one(self) -> View:
        return replace(self, grouped=False)

    def together(self) -> View:
        return replace(self, grouped=True)


def asked_fields(url: str) -> dict[str, tuple[str, ...]]:
    """The fields of an address, each as often as it is there: boxes that were ticked come one by one."""
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in parse_qsl(url.partition("?")[2], keep_blank_values=True):
        fields[name] = (*fields.get(name, ()), value)
    return fields
