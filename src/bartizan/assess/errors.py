"""What stops a measurement. A model, data or a request that cannot be used as given is a `UsageError`: one sentence."""

from __future__ import annotations

import sys

from bartizan.core.errors import BartizanError, UsageError


class Missing(UsageError):
    """A package is not installed: which, what it is for, and how to get it. Callers may go on without and say so."""

    def __init__(self, package: str, what_for: str) -> None:
        super().__init__(f"{what_for} needs {package}, which is not installed: pip install {package}")
        self.package = package


def no_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: torch, LightGBM and XGBoost say so in words only."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(words in said for words in ("allocate memory", "bad_alloc"))


class Spent(BartizanError):
    """No more queries are allowed (an endpoint's cap, a thief's budget): what was measured until now counts."""


class Gone(Spent):
    """An endpoint that answered before does not any more."""


# What libraries raise that has no root but Exception: where, and what it is called.
_THEIRS = (
    ("lightgbm.basic", "LightGBMError"), ("onnx.checker", "ValidationError"), ("google.protobuf.message", "Error"),
    ("pickle", "PickleError"), ("struct", "error"), ("zlib", "error"), ("pyarrow.lib", "ArrowException"),
    *(
        ("onnxruntime.capi.onnxruntime_pybind11_state", name)
        for name in ("Fail", "InvalidArgument", "NotImplemented", "InvalidGraph", "EPFail", "EngineError")
    ),
)  # fmt: skip


def library_errors() -> tuple[type[Exception], ...]:
    """Those of the libraries that are loaded."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in _THEIRS)
    return tuple(one for one in found if isinstance(one, type) and issubclass(one, Exception))
