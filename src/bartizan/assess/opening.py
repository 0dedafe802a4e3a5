"""What a caller gives as model and data, as target and rows: paths, functions, arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bartizan.core.errors import UsageError

if TYPE_CHECKING:
    from bartizan.assess.data import Data
    from bartizan.assess.target import Target


def data_of(given: object, *, label: str | None = None, seed: int = 0) -> Data:
    """Rows and labels; `label` names their column in a table, `seed` splits one.

    Raises UsageError for what is neither a path, several, a mapping of arrays, nor a `Data`.
    """
    from bartizan.assess.data import Data
    from bartizan.assess.reading import of_arrays, read_data

    if isinstance(given, Data):
        return given
    if isinstance(given, Mapping):
        return of_arrays(given, seed)
    if isinstance(given, str | Path):
        return read_data([Path(given)], label=label, seed=seed)
    if isinstance(given, Iterable):
        paths = list(given)
        if paths and all(isinstance(path, str | Path) for path in paths):
            return read_data([Path(path) for path in paths], label=label, seed=seed)
    raise UsageError(f"data is a path, several, or a mapping of arrays, not {type(given).__name__}")


def target_of(model: object, data: Data, **how: Any) -> Target:  # Any: what `open_target` takes
    """The model. Raises UsageError for what is neither a path, an address, a function, a model nor a `Target`."""
    from bartizan.assess.target import Target
    from bartizan.assess.targets.opening import open_target

    if isinstance(model, Target):
        return model
    if isinstance(model, str | Path):
        return open_target(str(model), data=data, **how)
    from bartizan.assess.targets.callable import open_callable

    return open_callable(model, data)
