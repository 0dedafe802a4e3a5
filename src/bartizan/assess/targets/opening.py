"""Opens what is to be measured: a file, a function, an endpoint, whatever library made it."""

from __future__ import annotations

from pathlib import Path

from bartizan.assess.data import Data
from bartizan.assess.target import Array, Target
from bartizan.core.errors import UsageError


def open_target(
    spec: str, *, data: Data | None = None, trust: bool = False, weights: Path | None = None, train: str | None = None
) -> Target:
    """The target that `spec` names: a model file by its ending.

    Raises:
        UsageError: it cannot be used as given: one sentence says why and what to do.
    """
    path = Path(spec)
    if not path.is_file():
        raise UsageError(f"there is no model {spec}")
    if path.suffix == ".onnx":
        from bartizan.assess.targets.onnx import open_onnx

        return open_onnx(path, some_rows(data), class_count(data))
    if path.suffix == ".txt":
        from bartizan.assess.targets.lightgbm import open_lightgbm

        return open_lightgbm(path, some_rows(data))
    if path.suffix in (".json", ".ubj"):
        from bartizan.assess.targets.xgboost import open_xgboost

        return open_xgboost(path, some_rows(data))
    raise UsageError(f"{path.name}: no kind of model is known by the ending {path.suffix or '(none)'}")


def some_rows(data: Data | None) -> Array | None:
    """A few rows to understand a model with; test rows first."""
    if data is None:
        return None
    found = next((part for part in (data.x_test, data.x_train, data.x_pool) if part is not None and len(part)), None)
    return None if found is None else found[:64]


def class_count(data: Data | None) -> int:
    """How many classes the labels name; 2 where nothing is known."""
    if data is None:
        return 2
    labels = [int(part.max()) + 1 for part in (data.y_test, data.y_train) if part is not None and len(part)]
    return max(2, len(data.classes), *labels)
