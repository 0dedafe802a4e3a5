"""scikit-learn: estimators and pipelines from skops files, or from pickles that somebody trusts.

A pickle is a program: it runs when it is loaded, and what it calls is looked at before (`pickled`). A skops file names
the types it holds, and those that nobody vouches for are not loaded either, unless the caller trusts the file.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.errors import Missing
from bartizan.assess.target import Array, Output, Target, log_probabilities
from bartizan.assess.targets.tables import labels_of, margins, row_shape
from bartizan.assess.targets.vouched import VOUCHED, check_trees
from bartizan.core.errors import UsageError

MAX_BYTES = 2 * 1024**3
MAX_LABEL = 1000
ABSENT = -30.0  # The margin of a class that a refit never saw.
# What a damaged or foreign file makes the libraries raise.
UNREADABLE = (
    pickle.UnpicklingError, zipfile.BadZipFile, ValueError, TypeError, LookupError, AttributeError, ImportError,
    EOFError, OSError, AssertionError, RuntimeError, NotImplementedError,
)  # fmt: skip
PICKLES = {".pkl", ".pickle", ".joblib"}


def open_scikit(path: Path, rows: Array | None, trust: bool) -> Target:
    """The target of a file: `.skops`, or a pickle (`.pkl`, `.pickle`, `.joblib`) where it is trusted.

    Raises:
        UsageError: not trusted, not readable, no classifier, or rows of another width. Missing: a package.
    """
    try:
        import sklearn.exceptions
    except ImportError:
        raise Missing("scikit-learn", "a scikit-learn model") from None
    if path.suffix in PICKLES and not trust:
        raise UsageError(
            f"{path.name} is a pickle, which can run any program while it is loaded: save the model with skops, or say "
            "that you trust where it comes from (--trust)"
        )
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"{path.name} has more than {MAX_BYTES:,} bytes")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = _unpickled(path) if path.suffix in PICKLES else _skops(path, trust)
    target = of_estimator(model, path.name, hashlib.sha256(path.read_bytes()).hexdigest(), rows)
    if any(issubclass(one.category, sklearn.exceptions.InconsistentVersionWarning) for one in caught):
        target.notes.append("the model was saved by another version of scikit-learn")
    return target


def _unpickled(path: Path) -> Any:
    from bartizan.assess.targets.pickled import unpickled

    try:
        return unpickled(path)
    except UNREADABLE as error:
        raise UsageError(f"{path.name} cannot be loaded ({type(error).__name__})") from None


def _skops(path: Path, trust: bool) -> Any:
    try:
        from skops import io
        from skops.io.exceptions import UntrustedTypesFoundException
    except ImportError:
        raise Missing("skops", "a skops file") from None
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(one.file_size for one in archive.infolist()) > MAX_BYTES:
                raise UsageError(f"{path.name} unpacks to more than {MAX_BYTES:,} bytes")
        found = list(map(str, io.get_untrusted_types(file=path)))
        unknown = [one for one in found if one not in VOUCHED]
        if unknown and not trust:
            raise UsageError(
                f"{path.name} holds types that are not known to be harmless ({', '.join(unknown[:3])[:160]}): "
                "say that you trust where it comes from (--trust)"
            )
        model = io.load(path, trusted=found)
    except (*UNREADABLE, UntrustedTypesFoundException) as error:
        raise UsageError(f"{path.name} is not a skops file that can be loaded ({type(error).__name__})") from None
    check_trees(model, path.name)
    return model


def of_estimator(model: Any, name: str, digest: str, rows: Array | None) -> Target:
    """The target of an estimator in memory: scikit-learn's own, or LightGBM's and XGBoost's of the same manners.

    Raises UsageError for what was not fitted, is no classifier, or takes rows of another width.
    """
    booster = _booster(model, name, digest, rows)
    if booster is not None:
        return booster
    if not hasattr(model, "predict") or not hasattr(model, "classes_"):
        raise UsageError(f"{name} is a {type(model).__name__}, not a classifier that was fitted")
    classes = np.asarray(model.classes_)
    if classes.ndim != 1 or (classes.dtype == object and not all(isinstance(one, str | int) for one in classes)):
        raise UsageError(f"{name} gives several labels a row")
    places = _places(classes)
    text = _vectorizer(model) is not None
    width = getattr(model, "n_features_in_", None)
    shape = (
        ()
        if text
        else row_shape(name, int(width), rows)
        if width
        else tuple(rows.shape[1:] if rows is not None else ())
    )
    target = Target(
        name=name, kind="scikit-learn", digest=digest, shape=shape, classes=int(places[-1]) + 1,
        output=Output.PROBABILITIES, answer=_unset, dtype=object if text else np.float64,
    )  # fmt: skip
    flat = _flat(text)
    _answered(target, model, places, flat, rows)
    from bartizan.assess.targets.exact import give_tables

    if len(places) == target.classes:  # Classes 0, 1, …: tables have no columns for labels nobody has.
        give_tables(target, model, None if rows is None or text else flat(np.asarray(rows)))
    target.refit = ScikitRefit(target, model)
    return target


def _unset(x: Array) -> Array:
    raise AssertionError("a target without answers")


def _booster(model: Any, name: str, digest: str, rows: Array | None) -> Target | None:
    """LightGBM's and XGBoost's estimators by the model inside."""
    if hasattr(model, "booster_") and type(model).__module__.startswith("lightgbm"):
        from bartizan.assess.targets.lightgbm import of_text

        return of_text(model.booster_.model_to_string(), name, digest, rows)
    if hasattr(model, "model_to_string") and type(model).__module__.startswith("lightgbm"):
        from bartizan.assess.targets.lightgbm import of_text

        return of_text(model.model_to_string(), name, digest, rows)
    if hasattr(model, "get_booster") and type(model).__module__.startswith("xgboost"):
        from bartizan.assess.targets.xgboost import of_booster

        return of_booster(model.get_booster(), name, digest, rows)
    return None


def _places(classes: Array) -> Array:
    """The column of each class: its number where it is one, else its place in the order."""
    if classes.dtype.kind in "iu" and classes.min() >= 0 and classes.max() < MAX_LABEL:
        return classes.astype(np.int64)
    return np.arange(len(classes))


def _vectorizer(model: Any) -> Any | None:
    """The first step of a pipeline that takes texts."""
    steps = getattr(model, "steps", None)
    first = steps[0][1] if steps else None
    return first if hasattr(first, "build_analyzer") else None


def _flat(text: bool) -> Callable[[Array], Any]:
    return (lambda x: [str(one) for one in x]) if text else (lambda x: x.reshape(len(x), -1))


def _answered(target: Target, model: Any, places: Array, flat: Callable[[Array], Any], rows: Array | None) -> None:
    """Margins where they say the same as the probabilities: they are not rounded to 0 and 1 far from the boundary."""

    def shares(x: Array) -> Array:
        return _spread(np.asarray(model.predict_proba(flat(x)), np.float64), places, target.classes, 0.0)

    def logits(x: Array) -> Array:
        return _spread(margins(model.decision_function(flat(x))), places, target.classes, ABSENT)

    def labels(x: Array) -> Array:
        found = np.searchsorted(np.asarray(model.classes_), model.predict(flat(x)))
        return np.eye(target.classes)[places[found]]

    probe = None if rows is None or not len(rows) else np.asarray(rows[:32])
    has_shares, has_margins = hasattr(model, "predict_proba"), hasattr(model, "decision_function")
    if has_shares and has_margins and probe is not None:
        try:
            same = np.allclose(np.exp(log_probabilities(logits(probe), Output.LOGITS)), shares(probe), atol=1e-6)
        except ValueError:  # Rows it cannot take, NaN among them: the check of the data says so.
            same = False
        has_margins = has_margins and same
    elif has_shares:
        has_margins = False
    if has_margins:
        target.answer, target.output = logits, Output.LOGITS
    elif has_shares:
        target.answer, target.output = shares, Output.PROBABILITIES
    else:
        target.answer, target.output = labels, Output.LABELS
    if hasattr(model, "feature_names_in_"):
        target.answer = _unnamed(target.answer)
    target.takes_nan = _takes_nan(model)


def _unnamed(answer: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Without the warning, each time, that rows have no names of columns."""

    def quiet(x: Array) -> Array:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*feature names", category=UserWarning)
            return answer(x)

    return quiet


def _takes_nan(model: Any) -> bool:
    """What the estimator says of itself."""
    from sklearn.utils import get_tags

    try:
        return bool(get_tags(model).input_tags.allow_nan)
    except (AttributeError, TypeError, NotImplementedError):
        return False


def _spread(values: Array, places: Array, classes: int, absent: float) -> Array:
    """Columns at the places of their classes."""
    if len(places) == classes and values.shape[1] == classes:
        return values
    if values.shape[1] != len(places):
        raise UsageError(f"a model of {len(places)} classes gives {values.shape[1]} scores a row")
    out = np.full((len(values), classes), absent)
    out[:, places] = values
    return out


# ------------------------------------------------------------------------------------------------------------- refits


@dataclass(frozen=True, slots=True)
class ScikitRefit:
    """Clones the estimator with its parameters and fits it; soft labels count by their largest."""

    like: Target
    model: Any
    recipe: str = field(init=False)

    def __post_init__(self) -> None:
        last = self.model.steps[-1][1] if hasattr(self.model, "steps") else self.model
        object.__setattr__(
            self, "recipe",
            f"{type(last).__name__} of scikit-learn with the parameters of the model; soft labels by their largest",
        )  # fmt: skip

    def __call__(self, x: Array, y: Array, seed: int) -> Target:
        import sklearn.base

        labels = labels_of(y)
        if (labels == labels[0]).all():
            raise UsageError(f"all rows to train on have the label {labels[0]}")
        made = sklearn.base.clone(self.model)
        known = made.get_params(deep=True)
        told: dict[str, Any] = {name: seed % 2**32 for name in known if name.split("__")[-1] == "random_state"}
        told |= {name: 1 for name in known if name.split("__")[-1] == "n_jobs"}
        told |= {name: False for name in known if name.split("__")[-1] == "warm_start"}
        made.set_params(**told)
        flat = _flat(self.like.dtype is object)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # That it has not converged is what the model's own parameters say.
            try:
                made.fit(flat(np.asarray(x)), labels)
            except ValueError as error:
                raise UsageError(f"{self.like.name} cannot be fitted again ({str(error)[:120]})") from None
        again = of_estimator(made, f"{self.like.name} (refitted)", "", np.asarray(x[:32]))
        again.saved = lambda: (".skops", _dumped(made))
        return self._as_wide(again, made, flat)

    def _as_wide(self, again: Target, made: Any, flat: Callable[[Array], Any]) -> Target:
        """As many classes as the first model has, whichever the rows had."""
        again.refit = replace(self)
        if again.classes == self.like.classes and again.shape == self.like.shape:
            return again
        places = np.asarray(made.classes_, np.int64)
        answer, absent = again.answer, 0.0 if again.output is not Output.LOGITS else ABSENT
        wide = self.like.classes

        def spread(x: Array) -> Array:
            values = answer(x)
            return _spread(values, np.arange(values.shape[1]), wide, absent) if places.max() < wide else values

        again.answer, again.classes = spread, wide
        again.forest = again.linear = again.words = again.module = None
        return again


def _dumped(model: Any) -> bytes:
    try:
        from skops.io import dumps
    except ImportError:
        raise Missing("skops", "writing a model of scikit-learn") from None
    return bytes(dumps(model))
