"""Measure a model or a data set: is it brittle, does it leak, can it be copied, was its data poisoned.

    >>> import bartizan
    >>> found = bartizan.assess("model.onnx", "rows.npz", checks=["evasion"], eps=0.1)  # doctest: +SKIP
    >>> found.measures["robust_accuracy"]  # doctest: +SKIP
    0.31

`target` is what is measured, `data` what it is measured with, `measured` what comes out; `evasion`, `privacy`, `theft`
and `poison` measure, `certify` proves, `evidence` writes what a stranger can judge again, `assessment` runs them all.
Nothing heavy is imported before it is used: torch, scikit-learn and the rest are the extra `assess`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Assess(ModuleType):
    """This package, which the public surface also calls: `bartizan.assess(…)` is both, whichever is loaded first."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # Any: as `assessment.assess` has it
        """See `bartizan.assess.assessment.assess`."""
        from bartizan.assess.assessment import assess

        return assess(*arguments, **named)


sys.modules[__name__].__class__ = _Assess
