"""ONNX Runtime: a session for a model, rows given as it takes them, outputs in batches as large as it takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np

from bartizan.assess.target import Array
from bartizan.assess.targets.answers import Answers, columns
from bartizan.core.errors import UsageError

PROBE = 32  # Rows on which an output is understood and the runner compared.
MAX_ANSWER_S = 30.0  # For one call: a loop inside a graph may have no end.
TYPES = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(int32)": np.int32, "tensor(int64)": np.int64,
    "tensor(uint16)": np.uint16, "tensor(int16)": np.int16, "tensor(bool)": np.bool_,
}  # fmt: skip


class Late(UsageError):
    """A call took too long."""


def session_of(onnxruntime: Any, model: Path | bytes, name: str) -> Any:
    """One thread: assessing asks small batches often, and threads that wait burn the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        source = str(model) if isinstance(model, Path) else model
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except failures() as error:
        raise UsageError(f"{name} cannot be run by ONNX Runtime: {first_line(error)}") from None


def failures() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; its classes have no public common root but RuntimeError and Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "NoSuchFile", "NoModel", "EngineError", "RuntimeException", "InvalidProtobuf",
             "ModelLoaded", "NotImplemented", "InvalidGraph", "EPFail")  # fmt: skip
    return (*(getattr(state, name) for name in names if hasattr(state, name)), RuntimeError, ValueError)


def first_line(error: Exception) -> str:
    """What went wrong, in short: the library's messages hold names of the model, no rows."""
    return str(error).strip().split("\n")[0].split(" : ")[-1][:160]


@dataclass(slots=True)
class Rows:
    """How rows of the data become what the input takes: its type and shape, a fixed batch, 0–255 for 0–1."""

    dtype: Any
    wanted: Any
    shape: tuple[int, ...]  # the input's, of one row
    batch: int | None
    scale: float
    notes: list[str]

    @classmethod
    def of(cls, given: Any, rows: Array | None, name: str) -> Rows:
        wanted = TYPES.get(given.type)
        if wanted is None:
            raise UsageError(f"{name} takes {given.type}; rows of numbers can be assessed")
        sizes = list(given.shape or [])
        if not sizes:
            raise UsageError(f"{name} does not say what shape its rows have, or takes single numbers")
        batch = sizes[0] if isinstance(sizes[0], int) and sizes[0] > 0 else None
        if batch is not None and batch > 1 and any(not isinstance(size, int) for size in sizes[1:]):
            told = tuple(size if isinstance(size, int) else "any" for size in sizes)
            raise UsageError(f"{name} takes {told}, rows along another axis than the first: export it with rows first")
        shape = tuple(rows.shape[1:]) if rows is not None else tuple(s if isinstance(s, int) else 1 for s in sizes[1:])
        own = (
            tuple(
                size if isinstance(size, int) and size > 0 else have
                for size, have in zip(sizes[1:], shape, strict=False)
            )
            if len(sizes) - 1 == len(shape)
            else tuple(size if isinstance(size, int) else -1 for size in sizes[1:])
        )
        notes = []
        if own != shape:
            count = int(np.prod(shape, dtype=np.int64))
            if own.count(-1) == 1:
                rest = int(-np.prod(own, dtype=np.int64))
                own = tuple(count // rest if size == -1 and rest else size for size in own)
            squeezed = [size for size in own if size != 1] == [size for size in shape if size != 1]
            if int(np.prod(own, dtype=np.int64)) != count or not (squeezed or len(own) == 1):
                raise UsageError(
                    f"{name} takes rows of shape {own}, but the data has rows of shape {shape}{_turned(own, shape)}"
                )
            notes.append(f"rows of shape {shape} are given to the model as {own}")
        whole = not np.issubdtype(wanted, np.floating)
        scale = 1.0
        if whole and rows is not None and np.issubdtype(rows.dtype, np.floating) and len(shape) > 1:
            scale = 255.0 if float(np.nanmax(rows, initial=0.0)) <= 1.0 else 1.0
        if whole:
            times = " times 255," if scale != 1 else ""
            notes.append(f"the model takes {np.dtype(wanted).name}: rows are given{times} rounded to whole numbers")
        elif wanted is np.float16:
            notes.append("the model takes float16: rows are rounded to it")
        return cls(np.float32 if wanted is not np.float64 else np.float64, wanted, own, batch, scale, notes)

    def probe(self, rows: Array | None) -> Array:
        if rows is not None:
            return np.ascontiguousarray(rows[:PROBE], dtype=self.dtype)
        return np.random.default_rng(0).random((PROBE, *self.shape)).astype(self.dtype)

    def given(self, x: Array) -> Array:
        x = x.reshape(len(x), *self.shape)
        if np.issubdtype(self.wanted, np.floating):
            return np.ascontiguousarray(x, dtype=self.wanted)
        if self.wanted is np.bool_:
            return np.asarray(x > 0.5)
        info = np.iinfo(self.wanted)
        return np.clip(np.rint(x * self.scale), info.min, info.max).astype(self.wanted)


def _turned(own: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """What to do where only the channels of pictures stand elsewhere."""
    if len(own) == len(shape) == 3 and own == (*shape[1:], shape[0]):
        return ": it wants channels last, x.transpose(0, 2, 3, 1)"
    if len(own) == len(shape) == 3 and own == (shape[2], *shape[:2]):
        return ": it wants channels first, x.transpose(0, 3, 1, 2)"
    return ""


class Runner:
    """Rows in, scores out, in batches as large as the model takes them.

    The first answer, and each one of a graph that may be `endless`, is given up after `longest_s`.
    """

    def __init__(
        self, session: Any, given: str, rows: Rows, name: str, *, endless: bool, longest_s: float = MAX_ANSWER_S
    ) -> None:
        self.longest_s = longest_s
        self.session, self.given, self.rows, self.name = session, given, rows, name
        self.endless, self.answered = endless, False
        self.batch = rows.batch
        self.answers: Answers | None = None
        self.failures = failures()

    def raw(self, x: Array, names: list[str]) -> list[Any]:
        """The named outputs for rows of the data."""
        ready = self.rows.given(x)
        if self.batch is None:
            return self.run(ready, names)
        parts = []
        for at in range(0, len(ready), self.batch):
            part = ready[at : at + self.batch]
            full = np.concatenate([part, np.repeat(part[-1:], self.batch - len(part), axis=0)])
            parts.append([_cut(out, len(part), self.batch) for out in self.run(full, names)])
        return [_joined(list(outs)) for outs in zip(*parts, strict=True)]

    def run(self, ready: Array, names: list[str]) -> list[Any]:
        """One call; a model that finds no memory says so as Python does."""
        with ExitStack() as stack:
            options = None if self.answered and not self.endless else stack.enter_context(_ended_late(self.longest_s))
            try:
                found = list(self.session.run(names, {self.given: ready}, options))
            except self.failures as error:
                if "alloc" in str(error).lower():
                    raise MemoryError from None
                if options is not None and options.terminate:
                    raise Late(
                        f"{self.name} gives no answer for {len(ready)} rows within {self.longest_s:g} seconds"
                    ) from None
                raise UsageError(f"{self.name} cannot answer its rows: {first_line(error)}") from None
        self.answered = True
        return found

    def __call__(self, x: Array) -> Array:
        assert self.answers is not None
        return columns(self.raw(x, [self.answers.name])[0], self.answers)


@contextmanager
def _ended_late(seconds: float) -> Iterator[Any]:
    """Options of a call that is told to end once it took too long."""
    from onnxruntime import RunOptions

    options = RunOptions()
    timer = Timer(seconds, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()


def _cut(out: Any, count: int, batch: int) -> Any:
    """Without the rows that filled the batch up; what has no row for each row given stays as it is."""
    return out if (isinstance(out, np.ndarray) and not out.ndim) or len(out) != batch else out[:count]


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], list):
        return [one for part in parts for one in part]
    return np.concatenate([np.atleast_1d(part) for part in parts])
