"""Which formats there are: every module of this package with a FORMAT, or with FORMATS where it has several."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from bartizan.core.errors import UsageError
from bartizan.readers import logs
from bartizan.readers.logs.visit import Format


@cache
def formats() -> tuple[Format, ...]:
    """All of them, by id."""
    found: dict[str, Format] = {}
    for module in iter_modules(logs.__path__):
        if module.ispkg:
            continue
        holder = import_module(f"{logs.__name__}.{module.name}")
        for one in (*getattr(holder, "FORMATS", ()), getattr(holder, "FORMAT", None)):
            if isinstance(one, Format):
                assert found.setdefault(one.id, one) is one, f"two formats are called {one.id}"
    return tuple(found[id_] for id_ in sorted(found))


def named(id_: str) -> Format:
    """The format of that id. Raises UsageError."""
    from difflib import get_close_matches

    known = {one.id: one for one in formats()}
    if id_ in known:
        return known[id_]
    near = get_close_matches(id_, known, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"no log format is called {id_!r}.{hint} `bartizan usage logs --formats` shows all of them.")
