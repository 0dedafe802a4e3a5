"""PyTorch: a module from the user's own code with weights from a file that is data, or a TorchScript file.

`module:factory` is imported from the folder the user stands in: it is their own code. A TorchScript file is somebody's
program and is loaded only where it is trusted. Weights come as safetensors, or as a `.pt` that holds tensors alone.
"""

from __future__ import annotations

import copy
import hashlib
import io
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.errors import Missing
from bartizan.assess.target import Array, Output, Target
from bartizan.assess.targets.answers import understood
from bartizan.assess.targets.nets import NetRefit
from bartizan.core.errors import UsageError

PROBE = 32
ENDINGS = (".pt", ".pth", ".ts", ".torchscript")
# What modules raise for rows they do not take.
REFUSED = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, NotImplementedError)


def open_script(path: Path, rows: Array | None, trust: bool, least: int) -> Target:
    """The target of a TorchScript file.

    Raises UsageError where it is not trusted, cannot be loaded or gives no scores for the rows. Missing: no torch.
    """
    if not trust:
        raise UsageError(
            f"{path.name} holds a program of somebody else: export the model as ONNX, or say that you trust where it "
            "comes from (--trust)"
        )
    torch = _torch(path.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Torch calls the format old.
            net = torch.jit.load(str(path), map_location="cpu")
    except REFUSED as error:
        raise UsageError(
            f"{path.name} is not a TorchScript file ({type(error).__name__}); weights alone need the code they belong "
            "to: module:factory with --weights"
        ) from None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    target = of_module(net, path.name, digest, rows, least=least)
    seen = None if rows is None else _seen_through(net, rows)
    if seen is not None and rows is not None:
        _through_graph(target, seen, rows)
    return target


def _seen_through(net: Any, rows: Array) -> bytes | None:
    """The script as an ONNX file: a program cannot be looked into, a graph can. None where it cannot be written so."""
    import torch

    content, probe = io.BytesIO(), torch.from_numpy(np.ascontiguousarray(rows[:2], dtype=np.float32))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                net, (probe,), content, dynamo=False, input_names=["x"], output_names=["y"], opset_version=17,
                dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
            )  # fmt: skip
    except (*REFUSED, ImportError, torch.onnx.errors.OnnxExporterError):
        return None
    return content.getvalue()


def _through_graph(target: Target, content: bytes, rows: Array) -> None:
    """Gives a script the module and the refit of its graph, where that gives the same scores."""
    from bartizan.assess.targets.onnx import of_bytes

    try:
        other = of_bytes(content, Path(target.name), rows, target.classes)
    except UsageError:
        return
    probe = np.asarray(rows[:PROBE])
    if other.module is None or other.output is not target.output or other.classes != target.classes:
        return
    if other.module().random or np.allclose(other.scores(probe), target.answer(probe), atol=1e-3, rtol=1e-3):
        target.module, target.refit, target.notes = other.module, other.refit, other.notes


def _torch(name: str) -> Any:
    try:
        import torch
    except ImportError:
        raise Missing("torch", name) from None
    return torch


def load_weights(net: Any, path: Path) -> None:
    """Puts the tensors of a file into the module. Raises UsageError where they do not fit or are no plain tensors."""
    torch = _torch("weights")
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise Missing("safetensors", "weights of a net") from None
    if not path.is_file():
        raise UsageError(f"there are no weights {path}")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
            state = state.get("state_dict", state)
        bare = {name.removeprefix("module."): value for name, value in state.items()}
        net.load_state_dict(bare if not any(name.startswith("module.") for name in net.state_dict()) else state)
    except _unfit() as error:
        raise UsageError(f"{path.name} does not fit the module ({_short(error)})") from None


def _unfit() -> tuple[type[Exception], ...]:
    """What the readers of weights raise."""
    from safetensors import SafetensorError

    return (*REFUSED, OSError, EOFError, pickle.UnpicklingError, SafetensorError)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:140]


def of_module(
    net: Any, name: str, digest: str, rows: Array | None, *, least: int = 2, factory: Callable[[], Any] | None = None
) -> Target:
    """The target of a torch module; `factory` makes another one with new weights.

    Raises UsageError where the module does not take the rows, or gives no score per class.
    """
    torch = _torch("a torch module")
    if rows is None:
        raise UsageError(f"{name} needs data: a module does not say which rows it takes")
    from bartizan.assess.targets.net import Net
    from bartizan.assess.targets.training import answer_of

    learning, scripted = net.training, isinstance(net, torch.jit.ScriptModule)
    net.eval()
    probe = torch.from_numpy(np.ascontiguousarray(rows[:PROBE], dtype=np.float32))
    try:
        with torch.no_grad():
            raw = net(probe)
            raw = raw.detach().cpu().numpy() if torch.is_tensor(raw) else None
    except REFUSED as error:
        raise UsageError(f"{name} does not take rows of shape {tuple(rows.shape[1:])} ({_short(error)})") from None
    answers = None if raw is None else understood(name, raw, len(probe), least)
    if answers is None:
        raise UsageError(f"{name} gives no score per class: its result should be of shape (rows, classes)")
    wrapped = Net(net, answers.head, answers.classes)
    if not scripted:
        wrapped.watch(probe)
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    wrapped.eval()
    target = Target(
        name=name, kind="torch", digest=digest, shape=tuple(rows.shape[1:]), classes=answers.classes,
        output=answers.output, answer=answer_of(wrapped), dtype=np.float32,
    )  # fmt: skip
    if answers.output is not Output.LABELS or wrapped.hidden:
        target.module = lambda: wrapped
    if learning and factory is None:
        target.notes.append("the module was in training mode: it is assessed in evaluation mode")
    if wrapped.random:
        target.notes.append(f"the model is random: {', '.join(wrapped.random)}")
    if wrapped.approximated:
        target.notes.append(f"gradients pass straight through {', '.join(wrapped.approximated)}")
    if answers.output is not Output.LABELS and sum(one.numel() for one in net.parameters()):
        target.refit = NetRefit(target, lambda seed, x: _begun(wrapped, factory, seed))
    return target


def _begun(like: Any, factory: Callable[[], Any] | None, seed: int) -> Any:
    """A module like the one given, with new weights that may change."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = copy.deepcopy(like)
        if factory is not None:
            made.inner = factory()
        else:
            _begin_again(made.inner)
    made.eval()
    for parameter in made.parameters():
        parameter.requires_grad_(True)
    return made


def _begin_again(net: Any) -> None:
    """Each layer as it begins; what has no way of its own as torch's dense layers do."""
    import torch

    done: set[int] = set()
    for module in net.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset) and not isinstance(module, torch.jit.ScriptModule):
            reset()
            done.update(id(one) for one in module.parameters(recurse=False))
    with torch.no_grad():
        for name, value in net.named_parameters():
            if id(value) in done:
                continue
            if value.dim() > 1:
                bound = (value[0].numel()) ** -0.5
                value.uniform_(-bound, bound)
            else:
                value.fill_(1.0 if name.endswith("weight") else 0.0)
        for name, value in net.named_buffers():
            if name.endswith(("running_mean", "num_batches_tracked")):
                value.zero_()
            elif name.endswith("running_var"):
                value.fill_(1.0)
