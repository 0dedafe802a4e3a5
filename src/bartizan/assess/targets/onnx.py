"""ONNX files: scores by ONNX Runtime, gradients and refits by our own runner of the graph.

A file is data, but it is not harmless: it may name other files (only those beside it are read), operators of libraries
nobody gave us (refused) and shapes that would fill the memory (bounded).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.errors import Missing
from bartizan.assess.target import Array, Output, Target
from bartizan.assess.targets.answers import Answers, understood
from bartizan.assess.targets.runtime import Late, Rows, Runner, session_of
from bartizan.core.errors import UsageError

MAX_BYTES = 2 * 1024**3  # What the format itself allows in one file.
OWN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.onnx.preview.training"}  # ONNX Runtime brings them.
MAX_MADE = 1 << 28  # Numbers of one tensor that is made from a shape.
LEAST_PROBE = 4
CLOSE = 2e-3  # Share of the largest score by which the runner may differ from ONNX Runtime.
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
    session = session_of(onnxruntime, path if external else raw, path.name)
    given = session.get_inputs()
    if len(given) != 1:
        raise UsageError(f"{path.name} takes {len(given)} inputs; a model that takes one (the rows) can be assessed")
    rowwise = Rows.of(given[0], rows, path.name)
    endless = any(
        node.op_type in ("Loop", "Scan") for holder in (model.graph, *model.functions) for node in _nodes(holder)
    )
    runner = Runner(session, given[0].name, rowwise, path.name, endless=endless)
    probe = rowwise.probe(rows)
    answers, probe = _understood(session, runner, probe, path.name, least)
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


def _unreadable() -> tuple[type[Exception], ...]:
    """What protobuf raises for bytes that are no message: it has a class of its own."""
    from google.protobuf import message  # type: ignore[import-untyped]  # It comes with onnx, without types.

    return (message.DecodeError, ValueError, TypeError)


def _understood(session: Any, runner: Runner, probe: Array, name: str, least: int) -> tuple[Answers, Array]:
    """Which output holds the scores, and of what kind they are: shares sum to one; labels only as the last resort.

    Also the rows it was found out with: fewer, where there is no memory for all.
    """
    outputs = session.get_outputs()
    names = [one.name for one in outputs]
    while True:
        try:
            found = runner_outputs(runner, probe, names)
            break
        except MemoryError:
            if len(probe) <= LEAST_PROBE or runner.endless:
                raise UsageError(f"{name} needs more memory for {len(probe)} rows than there is") from None
            probe = probe[: len(probe) // 2]
    best: tuple[int, Answers] | None = None
    for one, value in zip(outputs, found, strict=True):
        answers = understood(one.name, value, len(probe), least)
        if answers is not None:
            rank = (answers.output is Output.LABELS) * 2 + (answers.head != "")
            if best is None or rank < best[0]:
                best = (rank, answers)
    if best is None:
        raise UsageError(f"{name} gives no score per class: none of its outputs is of shape (rows, classes)")
    return best[1], probe


def runner_outputs(runner: Runner, probe: Array, names: list[str]) -> list[Any]:
    """All outputs for the probe; a graph that says any batch but means one is asked row by row."""
    if runner.batch is None:
        try:
            found = runner.raw(probe, names)
            if all(isinstance(one, list) or (one.ndim and len(one) == len(probe)) for one in found):
                return found
        except Late:
            raise
        except UsageError:
            runner.batch = 1
            return runner.raw(probe, names)
        runner.batch = 1
    return runner.raw(probe, names)


def _with_gradients(target: Target, model: Proto, answers: Answers, probe: Array, rows: Rows) -> None:
    """Gives the target its module and its refit where the graph can be run, else a note why not."""
    try:
        import torch

        from bartizan.assess.targets.graph import BROKEN, Unsupported, graph
        from bartizan.assess.targets.heads import peel
    except ImportError:
        target.notes.append(
            "torch is not installed (pip install torch): no gradients and no refits, attacks ask for scores alone"
        )
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
    except (Unsupported, MemoryError, *BROKEN) as error:
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
