"""ONNX files: scores by ONNX Runtime, gradients and refits by our own runner of the graph.

A file is data, but it is not harmless: it may name other files (only those beside it are read), operators of libraries
nobody gave us (refused) and shapes that would fill the memory (bounded).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.errors import Missing
from bartizan.assess.target import Array, Output, Target
from bartizan.assess.targets.answers import Answers, columns, understood
from bartizan.core.errors import UsageError

MAX_BYTES = 2 * 1024**3  # What the format itself allows in one file.
OWN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.onnx.preview.training"}  # ONNX Runtime brings them.
MAX_MADE = 1 << 28  # Numbers of one tensor that is made from a shape.
PROBE = 32  # Rows on which an output is understood and the runner compared.
CLOSE = 2e-3  # Share of the largest score by which the runner may differ from ONNX Runtime.
TYPES = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(int32)": np.int32, "tensor(int64)": np.int64,
    "tensor(uint16)": np.uint16, "tensor(int16)": np.int16, "tensor(bool)": np.bool_,
}  # fmt: skip
Proto = Any  # onnx.ModelProto


def open_onnx(path: Path, rows: Array | None, least: int = 2) -> Target:
    """The target of a file.

    `rows` are some rows of the data, without which the input's own shape is used; `least` is the number of classes
    where the model gives labels alone.

    Raises:
        UsageError: not an ONNX model, larger than the bound, files or operators it may not name, or no class scores.
        Missing: onnx or onnxruntime is not installed.
    """
    return of_bytes(_read(path), path, rows, least)


def of_bytes(raw: bytes, path: Path, rows: Array | None, least: int = 2) -> Target:
    """The target of a file's content; `path` names it, and tells in which folder its other files have to be."""
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise Missing(error.name or "onnxruntime", "an ONNX model") from None
    try:
        model = onnx.load_model_from_string(raw)
    except _unreadable() as error:
        raise UsageError(f"{path.name} is not an ONNX model ({type(error).__name__})") from None
    external = _checked(model, path)
    session = _session(onnxruntime, path if external else raw, path.name)
    given = session.get_inputs()
    if len(given) != 1:
        raise UsageError(f"{path.name} takes {len(given)} inputs; a model that takes one (the rows) can be assessed")
    rowwise = _Rows.of(given[0], rows, path.name)
    runner = _Runner(session, given[0].name, rowwise)
    probe = rowwise.probe(rows)
    answers = _understood(session, runner, probe, path.name, least)
    runner.answers = answers
    target = Target(
        name=path.name, kind="onnx", digest=hashlib.sha256(raw).hexdigest(), shape=probe.shape[1:],
        classes=answers.classes, output=answers.output, answer=runner, dtype=rowwise.dtype,
    )  # fmt: skip
    target.notes.extend(rowwise.notes)
    if external:
        onnx.load_external_data_for_model(model, str(path.parent))
    _with_gradients(target, model, answers, probe, rowwise)
    return target


def _read(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise UsageError(f"{path.name} has {size:,} bytes, more than the {MAX_BYTES:,} an ONNX model may have")
    return path.read_bytes()


def _tensors(holder: Any) -> Iterator[Any]:
    """Every stored tensor of a graph or function, in inner graphs and attributes too."""
    yield from getattr(holder, "initializer", ())
    for sparse in getattr(holder, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for node in holder.node:
        for one in node.attribute:
            yield from (one.t, *one.tensors)
            for inner in ([one.g] if one.HasField("g") else []) + list(one.graphs):
                yield from _tensors(inner)


def _nodes(holder: Any) -> Iterator[Any]:
    for node in holder.node:
        yield node
        for one in node.attribute:
            for inner in ([one.g] if one.HasField("g") else []) + list(one.graphs):
                yield from _nodes(inner)


def _checked(model: Proto, path: Path) -> bool:
    """Whether weights lie in other files; refuses those outside the folder, and operators nobody brings."""
    if not model.graph.node:
        raise UsageError(f"{path.name} is not an ONNX model, or an empty one")
    own = OWN_DOMAINS | {one.domain for one in model.functions}
    foreign = sorted({node.domain for node in _nodes(model.graph)} - own)
    if foreign:
        raise UsageError(
            f"{path.name} uses operators of {foreign[0][:60]!r}, which need a library of their own; "
            "export it with standard operators"
        )
    _bounded(model, path.name)
    folder, total, found = path.resolve().parent, 0, False
    for tensor in (one for holder in (model.graph, *model.functions) for one in _tensors(holder)):
        if tensor.data_location != 1:  # TensorProto.EXTERNAL
            continue
        found = True
        place = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        file = folder / place
        if not place or not file.resolve().is_relative_to(folder) or file.is_symlink() or not file.is_file():
            raise UsageError(f"{path.name} keeps weights in another file that is not in its own folder; put it there")
        total += file.stat().st_size if total == 0 else 0
        if total > 2 * MAX_BYTES:
            raise UsageError(f"the weights of {path.name} have more than {2 * MAX_BYTES:,} bytes")
    return found


def _bounded(model: Proto, name: str) -> None:
    """Refuses constants that a few bytes of the file would blow up: the runtime makes them without asking."""
    from onnx import numpy_helper

    shapes: dict[str, Any] = {}
    for holder in (model.graph, *model.functions):
        small = [one for one in getattr(holder, "initializer", ()) if len(one.dims) == 1 and one.dims[0] <= 16]
        shapes |= {one.name: one for one in small if one.data_location != 1}
        for node in _nodes(holder):
            if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
                shapes[node.output[0]] = node.attribute[0].t
    for node in _nodes(model.graph):
        at = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1}.get(node.op_type)
        sizes = [int(size) for one in node.attribute if one.name == "shape" for size in one.ints]
        if at is not None and len(node.input) > at and node.input[at] in shapes:
            stored = shapes[node.input[at]]
            if stored.data_type == 7 and len(stored.dims) == 1 and stored.dims[0] <= 16:
                sizes = numpy_helper.to_array(stored).tolist()
        if float(np.prod([max(size, 1) for size in sizes], dtype=np.float64)) > MAX_MADE:
            raise UsageError(f"{name} makes a tensor of more than {MAX_MADE:,} numbers: it is no model to be run here")


def _session(onnxruntime: Any, model: Path | bytes, name: str) -> Any:
    """One thread: assessing asks small batches often, and threads that wait burn the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        source = str(model) if isinstance(model, Path) else model
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except _failures() as error:
        raise UsageError(f"{name} cannot be run by ONNX Runtime: {_first_line(error)}") from None


def _failures() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; its classes have no public common root but RuntimeError and Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "NoSuchFile", "NoModel", "EngineError", "RuntimeException", "InvalidProtobuf",
             "ModelLoaded", "NotImplemented", "InvalidGraph", "EPFail")  # fmt: skip
    return (*(getattr(state, name) for name in names if hasattr(state, name)), RuntimeError, ValueError)


def _unreadable() -> tuple[type[Exception], ...]:
    """What protobuf raises for bytes that are no message: it has a class of its own."""
    from google.protobuf import message  # type: ignore[import-untyped]  # It comes with onnx, without types.

    return (message.DecodeError, ValueError, TypeError)


def _first_line(error: Exception) -> str:
    """What went wrong, in short: the library's messages hold names of the model, no rows."""
    return str(error).strip().split("\n")[0].split(" : ")[-1][:160]


@dataclass(slots=True)
class _Rows:
    """How rows of the data become what the input takes: its type and shape, a fixed batch, 0–255 for 0–1."""

    dtype: Any
    wanted: Any
    shape: tuple[int, ...]  # the input's, of one row
    batch: int | None
    scale: float
    notes: list[str]

    @classmethod
    def of(cls, given: Any, rows: Array | None, name: str) -> _Rows:
        wanted = TYPES.get(given.type)
        if wanted is None:
            raise UsageError(f"{name} takes {given.type}; rows of numbers can be assessed")
        sizes = list(given.shape or [])
        if not sizes:
            raise UsageError(f"{name} does not say what shape its rows have, or takes single numbers")
        batch = sizes[0] if isinstance(sizes[0], int) and sizes[0] > 0 else None
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
                raise UsageError(f"{name} takes rows of shape {own}, but the data has rows of shape {shape}")
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


class _Runner:
    """Rows in, scores out, in batches as large as the model takes them."""

    def __init__(self, session: Any, given: str, rows: _Rows) -> None:
        self.session, self.given, self.rows = session, given, rows
        self.batch = rows.batch
        self.answers: Answers | None = None
        self.failures = _failures()

    def raw(self, x: Array, names: list[str]) -> list[Any]:
        """The named outputs for rows of the data."""
        ready = self.rows.given(x)
        if self.batch is None:
            return self.run(ready, names)
        parts = []
        for at in range(0, len(ready), self.batch):
            part = ready[at : at + self.batch]
            full = np.concatenate([part, np.repeat(part[-1:], self.batch - len(part), axis=0)])
            parts.append([_cut(out, len(part)) for out in self.run(full, names)])
        return [_joined(list(outs)) for outs in zip(*parts, strict=True)]

    def run(self, ready: Array, names: list[str]) -> list[Any]:
        """One call; a model that finds no memory says so as Python does."""
        try:
            return list(self.session.run(names, {self.given: ready}))
        except self.failures as error:
            if "alloc" in str(error).lower():
                raise MemoryError from None
            raise UsageError(f"the model cannot answer its rows: {_first_line(error)}") from None

    def __call__(self, x: Array) -> Array:
        assert self.answers is not None
        return columns(self.raw(x, [self.answers.name])[0], self.answers)


def _cut(out: Any, count: int) -> Any:
    return out if isinstance(out, np.ndarray) and not out.ndim else out[:count]


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], list):
        return [one for part in parts for one in part]
    return np.concatenate([np.atleast_1d(part) for part in parts])


def _understood(session: Any, runner: _Runner, probe: Array, name: str, least: int) -> Answers:
    """Which output holds the scores, and of what kind they are: shares sum to one; labels only as the last resort."""
    outputs = session.get_outputs()
    found = runner_outputs(runner, probe, [one.name for one in outputs])
    best: tuple[int, Answers] | None = None
    for one, value in zip(outputs, found, strict=True):
        answers = understood(one.name, value, len(probe), least)
        if answers is not None:
            rank = (answers.output is Output.LABELS) * 2 + (answers.head != "")
            if best is None or rank < best[0]:
                best = (rank, answers)
    if best is None:
        raise UsageError(f"{name} gives no score per class: none of its outputs is of shape (rows, classes)")
    return best[1]


def runner_outputs(runner: _Runner, probe: Array, names: list[str]) -> list[Any]:
    """All outputs for the probe; a graph that says any batch but means one is asked row by row."""
    if runner.batch is None:
        try:
            found = runner.raw(probe, names)
            if all(isinstance(one, list) or (one.ndim and len(one) == len(probe)) for one in found):
                return found
        except UsageError:
            runner.batch = 1
            return runner.raw(probe, names)
        runner.batch = 1
    return runner.raw(probe, names)


def _with_gradients(target: Target, model: Proto, answers: Answers, probe: Array, rows: _Rows) -> None:
    """Gives the target its module and its refit where the graph can be run, else a note why not."""
    try:
        import torch

        from bartizan.assess.targets.graph import BROKEN, Unsupported, graph
        from bartizan.assess.targets.heads import peel
    except ImportError:
        target.notes.append("torch is not installed: no gradients and no refits, attacks ask for scores alone")
        return
    from onnx import inliner

    try:
        if model.functions:
            model = inliner.inline_local_functions(model)
        example = torch.from_numpy(rows.given(probe[: rows.batch or 2]).astype(np.float32))
        net = graph(model, answers.name, answers.head, answers.classes, example)
        net.take(rows.shape, rows.scale, rows.batch)
        inputs = torch.from_numpy(probe.astype(np.float32))
        with torch.no_grad():
            ours = net(inputs).double().numpy()
        theirs = target.scores(probe)
        if ours.shape != theirs.shape:
            raise Unsupported("its result has another shape")
        net = peel(net, inputs, answers.classes)
    except (Unsupported, *BROKEN) as error:
        why = str(error) if isinstance(error, Unsupported) else type(error).__name__
        target.notes.append(f"no gradients: {why}; attacks ask for scores alone")
        return
    finally:
        target.queries = 0
    gap = float(np.max(np.abs(ours - theirs)) / max(float(np.max(np.abs(theirs))), 1e-12))
    if gap > CLOSE and not net.random:
        net.approximated.append(f"scores (up to {gap:.1%} of the largest from ONNX Runtime's)")
    if net.random:
        target.notes.append(f"the model is random: {', '.join(net.random)}")
    if net.approximated:
        target.notes.append(f"gradients pass straight through {', '.join(net.approximated)}")
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    target.module = lambda: net
    if any(role.kind == "weight" for role in net.plan.roles.values()):
        from bartizan.assess.targets.nets import NetRefit
        from bartizan.assess.targets.training import initialise

        def begin(seed: int, x: Array) -> Any:
            made = net.fresh()
            initialise(made, seed, torch.from_numpy(np.ascontiguousarray(x[:128], dtype=np.float32)))
            return made

        target.refit = NetRefit(target, begin)
    else:
        target.notes.append("no weights that could be trained: no refits")
