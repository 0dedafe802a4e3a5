"""What a report says beside what the checks found: model, data, options, versions; and a usual strength."""

from __future__ import annotations

import platform
import resource
import traceback
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan.assess.evidence import Json
from bartizan.version import __version__

if TYPE_CHECKING:
    from bartizan.assess.budget import Budget
    from bartizan.assess.data import Data
    from bartizan.assess.options import Options
    from bartizan.assess.target import Array, Target
    from bartizan.core.finding import Finding

LIBRARIES = (
    "numpy", "scipy", "torch", "scikit-learn", "onnx", "onnxruntime", "lightgbm", "xgboost-cpu", "xgboost", "skops",
    "opacus",
)  # fmt: skip
AT_MOST = 2000  # Test rows that the accuracy is taken over.
TOGETHER = 128
MANY = 0.5  # Of the labels: fewer among the first rows look as if the file was sorted.
SPREAD_ROWS = 20_000
ACCURACY = 0.05  # Of the time.


def eps_for(data: Data, options: Options) -> float:
    """The strength that was asked for, else a usual one for the form of the rows."""
    import numpy as np

    from bartizan.assess.data import Form

    if options.eps is not None:
        return options.eps
    if data.form is Form.TEXT:
        return 0.2  # Of the words.
    rows = data.x_test if data.x_test is not None else data.x_train
    if data.form is Form.IMAGES or rows is None:
        several = rows is not None and rows.ndim == 4 and rows.shape[1] > 1
        each = 8 / 255 if several else 0.1
        scale = 1.0
    else:
        each, scale = 0.1, _spread(rows)
    size = int(np.prod(rows.shape[1:])) if rows is not None else 1
    if options.norm == "l0":
        return float(max(1, round(size * 0.02)))
    usual = each * scale * (size**0.5 / 2 if options.norm == "l2" else 1.0)
    return float(f"{usual:.{2 if scale != 1.0 else 5}g}")  # As it is told: who gives it as --eps gets the same.


def first_rows(data: Data, rows: int) -> str:
    """What to say where the test rows that are attacked, the first ones, have fewer labels than all; "" elsewhere."""
    import numpy as np

    if data.y_test is None or len(data.y_test) <= rows:
        return ""
    seen, there = len(np.unique(data.y_test[:rows])), len(np.unique(data.y_test))
    if seen == there or seen > there * MANY:
        return ""
    return f"the first {rows:,} test rows, which are attacked, have {seen} of {there} labels: shuffle the test rows"


def _spread(rows: Array) -> float:
    """The median of the columns' standard deviations; 1 where there is none."""
    import numpy as np

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Columns without any value.
        found = np.nanstd(rows[:SPREAD_ROWS].astype(np.float64), axis=0)
    known = found[np.isfinite(found)]
    return float(np.median(known)) or 1.0 if len(known) else 1.0


def accuracy_of(target: Target, data: Data, options: Options, budget: Budget) -> Json | None:
    """Of the first test rows, as many as a small part of time and queries allows."""
    from bartizan.assess.measured import wilson

    if data.x_test is None or data.y_test is None:
        return None
    most = AT_MOST if target.cap is None else min(options.rows, (target.cap - target.queries) // 4)
    until = budget.part(ACCURACY)
    right = rows = 0
    while rows < min(most, len(data.x_test)) and not (rows and until.spent):
        part = slice(rows, min(rows + TOGETHER, most))
        labels = target.labels(data.x_test[part])
        right, rows = right + int((labels == data.y_test[part]).sum()), rows + len(labels)
    return wilson(right, rows).as_json() if rows else None


def model_of(target: Target) -> Json:
    return {
        "name": Path(target.name).name,
        "path": target.name,
        "sha256": target.digest,
        "kind": target.kind,
        "shape": list(target.shape),
        "classes": target.classes,
        "output": str(target.output),
        "recipe": target.refit.recipe if target.refit is not None else "",
        "notes": list(target.notes),
    }


def told_of(data: Data) -> Json:
    parts = {"train": data.x_train, "test": data.x_test, "pool": data.x_pool}
    return {
        "sha256": data.digest,
        "form": str(data.form),
        "rows": {name: len(part) for name, part in parts.items() if part is not None},
        "columns": len(data.columns),
        "notes": list(data.notes),
    }


def how_of(options: Options, strength: float) -> Json:
    return {
        "checks": list(options.order),
        "asked": options.asked,
        "eps": strength,
        "eps_given": options.eps is not None,
        "norm": options.norm,
        "rows": options.rows,
        "seed": options.seed,
        "budget_seconds": options.budget_s,
        "price": options.price,
        "dp_epsilon": options.dp_epsilon,
        "schema": options.schema.name if options.schema is not None else None,
    }


def finding_of(item: Finding) -> Json:
    return {
        "risk": item.risk,
        "severity": item.severity.name.lower(),
        "confidence": item.confidence,
        "detector": item.detector,
        "because": item.because,
        "measures": dict(item.measures),
    }


def key_of(target: Target, data: Data, options: Options, strength: float) -> Json | None:
    """What must be the same for a finished check to be read back. A callable has no digest: nothing is."""
    if not target.digest or not data.digest:
        return None
    how = {name: value for name, value in how_of(options, strength).items() if name not in ("checks", "asked")}
    schema = options.schema.read_text("utf-8", "replace") if options.schema is not None else ""
    return {"model": model_of(target), "data": told_of(data), "how": how, "schema": schema, "versions": versions()}


def versions() -> dict[str, str]:
    """What the numbers were made with: ours, Python's, and those of the libraries that are installed."""
    found = {"bartizan": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cpu_seconds() -> float:
    """User and system time of this process and of the children it waited for."""
    own, below = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime


def ended(error: BaseException) -> str:
    """An error of a library in words: its kind and where it came from, without what it says, which may be content."""
    from bartizan.assess.errors import no_memory

    if no_memory(error):
        return "there was not enough memory for it: give fewer or smaller rows, or a machine with more"
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        return f"it needs {package}, which is not installed: pip install {package}"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"ended by {type(error).__name__}{where}"
