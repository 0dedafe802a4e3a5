"""Opens what is to be measured: a file, a function, an endpoint, whatever library made it."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan.assess.data import Data
from bartizan.assess.target import Array, Target
from bartizan.core.errors import UsageError

if TYPE_CHECKING:
    from bartizan.assess.targets.http import Endpoint

NAMED = re.compile(r"([A-Za-z_][\w.]*|[^:]+\.py):[A-Za-z_][\w.]*")
KNOWN = (
    ".onnx, LightGBM's .txt, XGBoost's .json or .ubj, .skops, a pickle or TorchScript file that you trust, "
    "module:name, and an endpoint by its address or the .toml that describes it"
)
ELSEWHERE = {".h5", ".keras", ".pb", ".tflite", ".pmml", ".mlmodel", ".caffemodel", ".pdmodel"}


def open_target(
    spec: str,
    *,
    data: Data | None = None,
    trust: bool = False,
    weights: Path | None = None,
    train: str | None = None,
    queries: int | None = None,
    own: bool = False,
    patience: float | None = None,
    endpoint: Endpoint | None = None,
) -> Target:
    """The target that `spec` names: a model file by its ending, `module:name`, an endpoint by its address or a `.toml`.

    Args:
        data: Rows it will be measured with: their shape, and what its answers mean, is found out from them.
        trust: Pickles and TorchScript, which are programs, may be loaded.
        weights: Of a torch module that `module:name` makes.
        train: `module:function` that trains instead of the stated recipe.
        queries: An endpoint is asked so many rows, no more.
        own: An endpoint that is not on this machine may be attacked.
        patience: Seconds in all that an endpoint may take for one answer, waits that it asks for among them.
        endpoint: How an endpoint is asked, where it wants more than that said.

    Raises:
        UsageError: it cannot be used as given: one sentence says why and what to do.
    """
    if spec.startswith(("http://", "https://")):
        target = _endpoint(spec, data, queries, own, patience, endpoint)
    elif spec.endswith(".toml") and Path(spec).is_file():
        from bartizan.assess.targets.endpoints import described

        url, found = described(Path(spec))
        target = _endpoint(url, data, queries, own, patience, found)
    else:
        with _unswept():
            target = _opened(spec, data, trust, weights)
    if train is not None:
        from bartizan.assess.targets.callable import own_training

        target.refit = own_training(train, target, data)
    return target


@contextmanager
def _unswept() -> Iterator[None]:
    """What torch makes when it is loaded is kept out of every round of the garbage collector: .8 of 2.5 CPU seconds.

    Once in a process: what is garbage at that moment stays.
    """
    first, runs = "torch" not in sys.modules, gc.isenabled()
    if not (first and runs):
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if "torch" in sys.modules:
            gc.freeze()
        gc.enable()


def _endpoint(
    url: str, data: Data | None, queries: int | None, own: bool, patience: float | None, endpoint: Endpoint | None
) -> Target:
    from bartizan.assess.targets.http import Endpoint, open_http

    asked = endpoint or Endpoint()
    told = replace(
        asked, cap=queries or asked.cap, own=own or asked.own, patience_s=patience or asked.patience_s
    )  # fmt: skip
    return open_http(url, data, told)


def _opened(spec: str, data: Data | None, trust: bool, weights: Path | None) -> Target:
    path, rows = Path(spec), some_rows(data)
    if not path.exists() and NAMED.fullmatch(spec):
        from bartizan.assess.targets.callable import open_named

        return open_named(spec, data, weights)
    if not path.is_file():
        raise UsageError(f"there is no model {spec}")
    if weights is not None:
        raise UsageError(f"--weights belong to module:factory; {path.name} has its own")
    return _file(path, rows, trust, class_count(data))


def _file(path: Path, rows: Array | None, trust: bool, least: int) -> Target:
    ending = path.suffix.lower()
    if ending == ".onnx":
        from bartizan.assess.targets.onnx import open_onnx

        return open_onnx(path, rows, least)
    if ending == ".txt":
        from bartizan.assess.targets.lightgbm import open_lightgbm

        return open_lightgbm(path, rows)
    if ending in (".json", ".ubj"):
        from bartizan.assess.targets.xgboost import open_xgboost

        return open_xgboost(path, rows)
    if ending in (".skops", ".pkl", ".pickle", ".joblib"):
        from bartizan.assess.targets.scikit import open_scikit

        return open_scikit(path, rows, trust)
    if ending in (".pt", ".pth", ".ts", ".torchscript"):
        from bartizan.assess.targets.torch import open_script

        return open_script(path, rows, trust, least)
    if ending == ".safetensors":
        raise UsageError(
            f"{path.name} holds weights alone: name the code they belong to, module:factory --weights FILE"
        )
    if ending in ELSEWHERE:
        raise UsageError(f"{path.name} is of a library that is not read here: export the model as ONNX")
    raise UsageError(f"{path.name}: no kind of model ends in {ending or 'nothing'}; there are {KNOWN}")


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
