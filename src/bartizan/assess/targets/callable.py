"""Any Python callable: a function from rows to scores, or whatever a function of the user's makes.

`module:name` is imported from the folder the user stands in, as Python itself would. A name may be a torch module, an
estimator that was fitted, a function of rows, or a function of nothing that makes one of these.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.data import Data, Form
from bartizan.assess.errors import Missing
from bartizan.assess.target import FAILURES, Array, Target
from bartizan.assess.targets.answers import Answers, columns, understood
from bartizan.core.errors import UsageError

PROBE = 32


def imported(spec: str) -> Any:
    """What `module:name` names. Raises UsageError where there is no such thing, or importing it fails."""
    module, _, name = spec.rpartition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # And stays, as with `python -m`: their code may import more when it is called.
    try:
        found: Any = _from_file(Path(module)) if module.endswith(".py") else importlib.import_module(module)
    except ModuleNotFoundError as error:
        lacks = (error.name or "").partition(".")[0]
        if not lacks or lacks == module.partition(".")[0]:
            raise UsageError(f"there is no module {module} in this folder, and none is installed") from None
        raise Missing(lacks, module) from None
    except FAILURES as error:
        raise UsageError(f"{module} cannot be imported from this folder ({type(error).__name__})") from None
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{module} has nothing called {name}")
        found = getattr(found, part)
    return found


def _from_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(path.name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # Where pickles and dataclasses look for it.
    spec.loader.exec_module(module)
    return module


def open_named(spec: str, data: Data | None, weights: Path | None) -> Target:
    """The target of `module:name`.

    Raises UsageError for what cannot be imported, called or understood, and for weights that do not fit.
    """
    found = imported(spec)
    digest = _digest(found, weights)
    factory: Callable[[], Any] | None = None
    if _makes(found) or (weights is not None and not _is_module(found)):
        factory = found
        found = _made(spec, found)
    if weights is not None:
        if not _is_module(found):
            raise UsageError(f"{spec} makes a {type(found).__name__}; --weights belong to a torch module")
        from bartizan.assess.targets.torch import load_weights

        load_weights(found, weights)
    return of_object(found, spec, digest, data, factory)


def open_callable(model: Any, data: Data | None, name: str = "") -> Target:
    """The target of an object in memory. Raises UsageError as `open_named` does."""
    found = name or getattr(model, "__qualname__", type(model).__name__)
    return of_object(model, found, "", data, None)


def of_object(found: Any, name: str, digest: str, data: Data | None, factory: Callable[[], Any] | None) -> Target:
    """The target of a torch module, an estimator, a booster or a function."""
    from bartizan.assess.targets.opening import class_count, some_rows

    rows, least = some_rows(data), class_count(data)
    if _is_module(found):
        from bartizan.assess.targets.torch import of_module

        return of_module(found, name, digest, rows, least=least, factory=factory)
    home = type(found).__module__.split(".")[0]
    if home == "lightgbm" and hasattr(found, "model_to_string"):
        from bartizan.assess.targets.lightgbm import of_text

        return of_text(found.model_to_string(), name, digest, rows)
    if home == "xgboost" and hasattr(found, "save_raw"):
        from bartizan.assess.targets.xgboost import of_booster

        return of_booster(found, name, digest, rows)
    if hasattr(found, "predict") and hasattr(found, "classes_"):
        from bartizan.assess.targets.scikit import of_estimator

        return of_estimator(found, name, digest, rows)
    if not callable(found):
        raise UsageError(f"{name} is a {type(found).__name__}: a model is a function from rows to scores, or has one")
    return _of_function(found, name, digest, data, rows, least)


def _of_function(function: Any, name: str, digest: str, data: Data | None, rows: Array | None, least: int) -> Target:
    if rows is None or data is None:
        raise UsageError(f"{name} needs data: a function does not say which rows it takes")
    try:
        raw = _plain(function(rows[:PROBE].copy()))
    except FAILURES as error:
        said = " ".join(str(error).split())[:120]
        raise UsageError(f"{name} fails on rows of shape {rows.shape[1:]} ({type(error).__name__}: {said})") from None
    answers = understood(name, raw, min(PROBE, len(rows)), least)
    if answers is None:
        raise UsageError(f"{name} gives no score per class: its result should be of shape (rows, classes)")
    return Target(
        name=name, kind="callable", digest=digest, shape=tuple(rows.shape[1:]), classes=answers.classes,
        output=answers.output, answer=_answer(function, answers), takes_nan=False,
        dtype=object if data.form is Form.TEXT else rows.dtype,
    )  # fmt: skip


def _answer(function: Any, answers: Answers) -> Callable[[Array], Array]:
    return lambda x: columns(_plain(function(x)), answers)


def _plain(out: Any) -> Any:
    """An array of what a function gave: a tensor, a list, an array."""
    if hasattr(out, "detach"):
        out = out.detach().cpu()
    return out if isinstance(out, list) and out and isinstance(out[0], dict) else np.asarray(out)


def _is_module(found: Any) -> bool:
    torch = sys.modules.get("torch")  # Whoever has a module has imported torch.
    return torch is not None and isinstance(found, torch.nn.Module)


def _makes(found: Any) -> bool:
    """A class, or a function that needs nothing: it makes the model."""
    if inspect.isclass(found):
        return True
    if not inspect.isroutine(found):
        return False
    try:
        parameters = inspect.signature(found).parameters.values()
    except (ValueError, TypeError):
        return False
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return all(one.default is not inspect.Parameter.empty or one.kind in kinds for one in parameters)


def _made(spec: str, factory: Any) -> Any:
    try:
        return factory()
    except FAILURES as error:
        raise UsageError(f"{spec} fails when it is called without arguments ({type(error).__name__})") from None


def _digest(found: Any, weights: Path | None) -> str:
    """Of the source file and the weights."""
    hashed = hashlib.sha256()
    try:
        source = inspect.getsourcefile(found if inspect.isroutine(found) or inspect.isclass(found) else type(found))
    except TypeError:
        source = None
    for path in (Path(source) if source else None, weights):
        if path is not None and path.is_file():
            hashed.update(path.read_bytes())
    return hashed.hexdigest()


# ------------------------------------------------------------------------------------------------------------- refits


@dataclass(frozen=True, slots=True)
class OwnTraining:
    """A function of the user's that trains: (rows, labels, seed) to a model of any kind that can be assessed."""

    like: Target
    function: Any
    spec: str
    data: Data | None

    @property
    def recipe(self) -> str:
        """Whose it is."""
        return f"trained by {self.spec}"

    def __call__(self, x: Array, y: Array, seed: int) -> Target:
        from dataclasses import replace

        try:
            model = self.function(x, y, seed)
        except FAILURES as error:
            said = " ".join(str(error).split())[:120]
            raise UsageError(f"{self.spec} fails ({type(error).__name__}: {said})") from None
        data = Data(form=Form.TABLE, digest="") if self.data is None else self.data
        made = model if isinstance(model, Target) else open_callable(model, replace(data, x_test=x[:64]), self.spec)
        if made.classes != self.like.classes:
            raise UsageError(f"{self.spec} makes a model of {made.classes} classes instead of {self.like.classes}")
        made.refit = self
        return made


def own_training(spec: str, like: Target, data: Data | None) -> OwnTraining:
    """The refit of `--train module:function`. Raises UsageError where there is no such function."""
    function = imported(spec)
    if not callable(function):
        raise UsageError(f"{spec} is no function: it takes rows, labels and a seed, and gives a model")
    return OwnTraining(like, function, spec, data)
