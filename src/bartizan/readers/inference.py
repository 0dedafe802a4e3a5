"""Questions to classical models and their answers, as the Open Inference Protocol (KServe, Triton, MLServer) has them.

    {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, 0.2]}]}

Tensors of numbers are data: they are counted against their shape and not read as text. Tensors of BYTES are texts, and
so is every name, parameter and unknown member. What is not in the JSON itself (binary tensors behind it, tensors in
shared memory) could not be examined, so it is refused.

Source: Open Inference Protocol, version 2 (https://github.com/kserve/open-inference-protocol), Triton's extensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from math import nan, prod
from zlib import crc32

from bartizan.core.errors import InputError, LimitError
from bartizan.core.subject import Context, Kind, Subject
from bartizan.readers.chat import ROLES, Leaves, Who

FLOATS = frozenset({"FP16", "BF16", "FP32", "FP64"})
WHOLE = frozenset({"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"})
DATATYPES = FLOATS | WHOLE | {"BOOL", "BYTES"}
MAX_TENSORS = 4096  # Some servers take one a column.
MAX_RANK = 16
MAX_NAME = 256
_FLOATS: Set[type] = {int, float, type(None)}  # JSON has no NaN; null stands for it.
_WHOLE: Set[type] = {int, float}
_BOOLS: Set[type] = {bool, int}
_TEXTS: Set[type] = {str}
_ELSEWHERE = ("binary_data", "binary_data_size", "shared_memory_region")
_TOLD = "binary tensors and shared memory are not read here, so they do not pass: send the data as JSON"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One named tensor. `values` are flat, row by row; those of BYTES are texts, None is a missing number."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: tuple[object, ...]

    def row(self, at: int, count: int) -> tuple[object, ...]:
        """The values of one of `count` rows."""
        width = len(self.values) // count
        return self.values[at * width : (at + 1) * width]


def question(value: dict[str, object], context: Context, number: Callable[[str], str] | None = None) -> Subject:
    """A request's body, with its tensors as content. Raises InputError, LimitError with the field."""
    _in_the_json(value.get("parameters"), "parameters")
    outputs = value.get("outputs")
    if outputs is not None:
        for n, output in enumerate(_listed(outputs, "outputs")):
            _in_the_json(output.get("parameters"), f"outputs[{n}].parameters")
    found = tuple(_tensor(item, f"inputs[{n}]") for n, item in enumerate(_listed(value.get("inputs"), "inputs")))
    walk = _Walk(number)
    if context.model:
        walk.leaf(context.model, "/model", ROLES["user"])
    walk.body(value, "inputs", found, ROLES["user"])
    return walk.whole(found, context)


def reply(value: dict[str, object], context: Context, number: Callable[[str], str] | None = None) -> Subject:
    """An answer's body, with its tensors as content: () where they cannot be read, and then all of it is text."""
    found: tuple[Tensor, ...] = ()
    try:
        if "outputs" in value:
            outputs = _listed(value["outputs"], "outputs")
            found = tuple(_tensor(item, f"outputs[{n}]", least=0) for n, item in enumerate(outputs))
    except InputError:
        found = ()
    walk = _Walk(number)
    walk.body(value, "outputs", found, ROLES["assistant"], frozenset({"model_name", "model_version", "id"}))
    return walk.whole(found, context)


class _Walk(Leaves):
    """The texts of a body."""

    def body(
        self, value: dict[str, object], name: str, found: Sequence[Tensor], who: Who, skip: frozenset[str] = frozenset()
    ) -> None:
        for i, (key, item) in enumerate(value.items()):
            if key in skip and type(item) is str:
                continue
            if key == name and found and isinstance(item, list):
                for n, (tensor, known) in enumerate(zip(item, found, strict=True)):
                    self._tensor(tensor, known, f"/{name}/{n}", who)
            else:
                self.member(key, i, item, "", who)

    def _tensor(self, tensor: dict[str, object], known: Tensor, path: str, who: Who) -> None:
        for i, (key, item) in enumerate(tensor.items()):
            if key == "data" and known.datatype == "BYTES":
                self.leaves(item, f"{path}/data", who)
            elif key not in ("data", "shape", "datatype"):
                self.member(key, i, item, path, who, 1)

    def whole(self, found: tuple[Tensor, ...], context: Context) -> Subject:
        return Subject(Kind.DATA, "", found, children=(*self.subjects(), *self._unread), context=context)


def _listed(value: object, where: str) -> list[dict[str, object]]:
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        raise InputError("must be a list with at least one tensor", where)
    if len(value) > MAX_TENSORS:
        raise LimitError(f"more than {MAX_TENSORS:,} tensors", where)
    return value


def _in_the_json(parameters: object, where: str) -> None:
    """Refuses what asks for data outside of the JSON."""
    if parameters is None:
        return
    if not isinstance(parameters, dict):
        raise InputError("must be an object", where)
    if any(parameters.get(name) for name in (*_ELSEWHERE, "binary_data_output")):
        raise InputError(_TOLD, where)


def _tensor(item: dict[str, object], where: str, least: int = 1) -> Tensor:
    """One tensor; the sizes of its shape are at least `least`: an answer may have found nothing."""
    name, datatype, shape = item.get("name"), item.get("datatype"), item.get("shape")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
        raise InputError(f"must be a name of 1 to {MAX_NAME} characters", f"{where}.name")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise InputError(f"must be one of {', '.join(sorted(DATATYPES))}", f"{where}.datatype")
    if (
        not isinstance(shape, list)
        or len(shape) > MAX_RANK
        or not all(type(n) is int and least <= n < 2**31 for n in shape)
    ):
        raise InputError(f"must be a list of at most {MAX_RANK} whole numbers from {least} on", f"{where}.shape")
    _in_the_json(item.get("parameters"), f"{where}.parameters")
    if "data" not in item:
        raise InputError(f"is missing: {_TOLD}", f"{where}.data")
    values = _flat(item["data"], f"{where}.data")
    if len(values) != prod(shape):
        raise InputError(f"has {len(values):,} values, its shape has {prod(shape):,}", f"{where}.data")
    if not set(map(type, values)) <= _taken(datatype):
        raise InputError(f"has a value that is no {datatype}", f"{where}.data")
    return Tensor(name, datatype, tuple(shape), tuple(values))


def _taken(datatype: str) -> Set[type]:
    if datatype in FLOATS:
        return _FLOATS
    return _TEXTS if datatype == "BYTES" else _BOOLS if datatype == "BOOL" else _WHOLE


def _flat(data: object, where: str) -> list[object]:
    if not isinstance(data, list):
        raise InputError("must be a list", where)
    for _ in range(MAX_RANK):
        kinds = set(map(type, data))
        if list not in kinds:
            return data
        if len(kinds) > 1:
            raise InputError("has lists beside values", where)
        data = [item for inner in data for item in inner]
    raise LimitError(f"lists in lists deeper than {MAX_RANK}", where)


# ---- As a model's owner looks at it ----------------------------------------------------------------------------------


def count_rows(tensors: Sequence[Tensor], features: int) -> int:
    """How many rows of so many numbers a question asks about. Raises InputError where they are none.

    A single tensor is cut into rows, whatever its shape; several are columns, or groups of them, in their order.
    """
    if any(one.datatype == "BYTES" for one in tensors):
        raise InputError("must be numbers: the use of this model is watched, and texts cannot be compared", "inputs")
    if len(tensors) == 1:
        rows, left = divmod(len(tensors[0].values), features)
        width = features if not left else 0
    else:
        rows = tensors[0].shape[0] if tensors[0].shape else 1
        whole = all(one.shape[:1] == (rows,) for one in tensors)
        width = sum(len(one.values) // rows for one in tensors) if whole else 0
    if width != features or not rows:
        raise InputError(f"must be rows of {features:,} numbers: the use of this model is watched", "inputs")
    return rows


def rows_of(tensors: Sequence[Tensor], count: int, picked: Sequence[int]) -> list[list[object]]:
    """The picked ones of `count` rows, flat; a missing number is None."""
    return [[value for one in tensors for value in one.row(at, count)] for at in picked]


def scores_of(tensors: Sequence[Tensor], count: int, picked: Sequence[int]) -> list[list[float]] | None:
    """What a model said of the picked ones of `count` rows: scores, one a class, or a label alone.

    The first tensor with several numbers a row has the scores; else the first with one value a row is a probability,
    where all are between 0 and 1, or a label. None where nothing has a row for each that was asked.
    """
    fitting = [one for one in tensors if one.values and len(one.values) % count == 0]
    scores = next((one for one in fitting if one.datatype in FLOATS and len(one.values) > count), None)
    if scores is not None:
        return [[_number(value) for value in scores.row(at, count)] for at in picked]
    single = next((one for one in fitting if len(one.values) == count), None)
    if single is None:
        return None
    values = [single.values[at] for at in picked]
    if single.datatype in FLOATS:
        chances = [_number(value) for value in values]
        if all(0 <= one <= 1 for one in chances):
            return [[1 - one, one] for one in chances]
        return [[0.0] for _ in chances]  # No class at all: an amount.
    return [[float(crc32(value.encode()))] if isinstance(value, str) else [_number(value)] for value in values]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else nan
