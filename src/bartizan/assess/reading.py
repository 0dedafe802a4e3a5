"""Reads the rows a model is measured with, from whatever file holds them.

Where one table holds everything it is split by a seeded permutation, 70 % to train and the rest to test; given two, the
first trains and the second tests; a third is the pool of candidates for membership.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.data import Data, Form
from bartizan.assess.formats.arrays import is_idx, read_idx, read_npz
from bartizan.assess.formats.tables import Table, coded, labelled, read_csv, read_jsonl, read_parquet
from bartizan.assess.target import Array
from bartizan.core.errors import UsageError

PARTS = ("train", "test", "pool")
TRAIN_SHARE = 0.7
TABLES = {".csv": read_csv, ".tsv": read_csv, ".parquet": read_parquet, ".jsonl": read_jsonl, ".ndjson": read_jsonl}
KNOWN = "npz, csv, parquet, jsonl, idx files or a folder of pictures"


def read_data(paths: Sequence[Path], *, label: str | None = None, seed: int = 0) -> Data:
    """The data of one or more files: npz, CSV, Parquet, JSON lines, idx, or folders of pictures (one folder a class).

    Args:
        label: The column of labels in a table; without it one called `label`, else the last.
        seed: Splits a table, and chooses among rows where there are more than fit.

    Raises:
        UsageError: a file cannot be used: what, where, what to do.
    """
    if not paths:
        raise UsageError(f"name the data: {KNOWN}")
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no data {path}")
    endings = {_ending(path) for path in paths}
    first = paths[0]
    if endings == {".npz"}:
        if len(paths) > 1:
            raise UsageError("give one npz archive with x_train, y_train, x_test and y_test")
        notes: list[str] = []
        return _of(read_npz(first, notes), first.name, seed, notes, digest=_digest(paths))
    if endings <= TABLES.keys():
        return _tables(paths, label, seed)
    if all(path.is_dir() for path in paths):
        inner = sorted(path for path in first.iterdir() if path.is_file() and is_idx(path)) if len(paths) == 1 else []
        return _idx(inner, seed) if inner else _folders(paths, seed)
    if all(path.is_file() and is_idx(path) for path in paths):
        return _idx(paths, seed)
    raise UsageError(f"{first.name} is no kind of data that is known ({KNOWN})")


def of_arrays(given: Mapping[str, Any], seed: int = 0) -> Data:
    """Arrays by the names an archive has: x_train, y_train, x_test, y_test, x_pool, y_pool, or x and y to be split.

    Raises UsageError as `read_data` does.
    """
    arrays = {name: np.asarray(value) for name, value in given.items() if value is not None}
    hashed = hashlib.sha256()
    for name, value in sorted(arrays.items()):
        hashed.update(f"{name} {value.dtype} {value.shape}".encode())
        hashed.update("\0".join(map(str, value.reshape(-1))).encode() if value.dtype == object else value.tobytes())
    return _of(arrays, "data", seed, [], digest=hashed.hexdigest())


def _ending(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix if path.is_file() else "/"


def _digest(paths: Sequence[Path]) -> str:
    """Of one file its sha256; of several that of their list."""
    found = []
    for path in paths:
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()


# -------------------------------------------------------------------------------------------------------------- arrays


def _of(arrays: Mapping[str, Array], file: str, seed: int, notes: list[str], digest: str) -> Data:
    parts: dict[str, tuple[Array, Array]] = {}
    names: tuple[str, ...] = ()
    if "x" in arrays and "y" in arrays and "x_test" not in arrays:
        parts["all"] = (arrays["x"], arrays["y"])
    for part in PARTS:
        x, y = arrays.get(f"x_{part}"), arrays.get(f"y_{part}")
        if (x is None) != (y is None):
            has, lacks = ("x", "y") if y is None else ("y", "x")
            raise UsageError(f"{file} has {has}_{part} but no {lacks}_{part}")
        if x is not None and y is not None:
            parts[part] = (x, y)
    if not {"train", "test", "all"} & parts.keys():
        raise UsageError(f"{file} has none of x_train and x_test: it should hold x_train, y_train, x_test and y_test")
    if any(y.dtype.kind in "US" for _, y in parts.values()):
        told = [y.reshape(-1).astype(str) for _, y in parts.values()]
        numbers, names = labelled(np.concatenate(told).tolist(), file)
        each = np.split(numbers, np.cumsum([len(one) for one in told])[:-1])
        parts = {part: (x, y) for (part, (x, _)), y in zip(parts.items(), each, strict=True)}
        if names != tuple(map(str, range(len(names)))):
            first = ", ".join(names[:6])[:120].encode("utf-8", "replace").decode()
            _say(notes, f"labels are names, which count 0, 1, … in sorted order: {first}")
    read = {part: _part(x, y, f"{file}: {part}", notes) for part, (x, y) in parts.items()}
    shapes = {x.shape[1:] for x, _ in read.values()}
    if len(shapes) > 1:
        raise UsageError(f"{file} has rows of different shapes: {' and '.join(map(str, sorted(shapes)))}")
    return _data(read, digest, seed, notes, classes=names)


def _part(x: Array, y: Array, where: str, notes: list[str]) -> tuple[Array, Array]:
    """Rows and labels of one part, in the types that everything else counts on."""
    if x.ndim == 0 or len(x) != len(np.atleast_1d(y)):
        raise UsageError(f"{where} has {len(x) if x.ndim else 0:,} rows and {np.atleast_1d(y).shape[0]:,} labels")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2:
        _say(notes, "labels are one-hot: each row's largest is taken")
        y = y.argmax(axis=1)
    if y.ndim != 1 or y.dtype.kind not in "iufb":
        raise UsageError(f"{where}: labels are whole numbers, one for each row")
    if y.dtype.kind == "f" and not (np.isfinite(y).all() and (y == np.rint(y)).all()):
        raise UsageError(f"{where}: labels are whole numbers, and some of these are not")
    return _rows(x, where, notes), y.astype(np.int64)


def _rows(x: Array, where: str, notes: list[str]) -> Array:
    if x.dtype.kind in "US" or x.dtype == object:
        if x.ndim != 1 or (x.dtype == object and not all(isinstance(one, str) for one in x)):
            raise UsageError(f"{where}: rows are numbers, or one text each")
        return np.array([one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in x], object)
    if x.dtype.kind not in "iufb":
        raise UsageError(f"{where}: rows are numbers, not {x.dtype}")
    if x.ndim == 1:
        raise UsageError(f"{where}: a row is one number; rows have columns, or are images")
    if x.ndim > 4:
        raise UsageError(f"{where}: rows of shape {x.shape[1:]} are neither columns nor images")
    if x.ndim > 2 and x.dtype == np.uint8:
        _say(notes, "pixels of 0 to 255 were divided by 255")
        return x.astype(np.float32) / np.float32(255)
    if x.ndim > 2 or x.dtype == np.float16:
        return np.ascontiguousarray(x, dtype=np.float32)
    return np.ascontiguousarray(x, dtype=np.float32 if x.dtype == np.float32 else np.float64)


def _say(notes: list[str], text: str) -> None:
    if text not in notes:
        notes.append(text)


def _form(x: Array) -> Form:
    """Images have pixels in a range; rows of two axes with values below 0 are signals, which are treated as tables."""
    if x.dtype == object:
        return Form.TEXT
    if x.ndim == 2 or (x.ndim == 3 and bool((np.nan_to_num(x, neginf=0.0) < 0).any())):
        return Form.TABLE
    return Form.IMAGES


def _data(parts: dict[str, tuple[Array, Array]], digest: str, seed: int, notes: list[str], **more: Any) -> Data:
    if "all" in parts:
        x, y = parts.pop("all")
        order = np.random.default_rng(seed).permutation(len(x))
        cut = round(TRAIN_SHARE * len(x))
        parts |= {"train": (x[order[:cut]], y[order[:cut]]), "test": (x[order[cut:]], y[order[cut:]])}
        notes.append(
            f"one table was given: a random {TRAIN_SHARE:.0%} of its {len(x):,} rows (seed {seed}) count as training "
            "data, the rest as test; what the model was trained on may differ"
        )
    first = next(iter(parts.values()))[0]
    arrays: dict[str, Any] = {f"{side}_{part}": two[at] for part, two in parts.items() for at, side in enumerate("xy")}
    return Data(form=_form(first), digest=digest, notes=notes, **more, **arrays)


# ------------------------------------------------------------------------------------------- tables, idx, pictures


def _tables(paths: Sequence[Path], label: str | None, seed: int) -> Data:
    if len(paths) > len(PARTS):
        raise UsageError("give at most three tables: training rows, test rows, candidate rows")
    notes: list[str] = []
    read = [TABLES[_ending(path)](path, seed, notes) for path in paths]
    names = read[0].columns
    for path, table in zip(paths, read, strict=True):
        if table.columns != names:
            raise UsageError(f"{path.name} has other columns than {paths[0].name}")
    last = _label(names, label, paths[0].name)
    rest = tuple(name for at, name in enumerate(names) if at != last)
    rows = [row for table in read for row in table.rows]
    if not rows:
        raise UsageError(f"{paths[0].name} has no rows")
    y, classes = labelled([row[last] for row in rows], paths[0].name)
    values = [[one for at, one in enumerate(row) if at != last] for row in rows]
    text = len(rest) == 1 and _prose([row[0] for row in values], named=rest[0].lower() == "text")
    made = None if text else coded(rest, values, paths[0].name)
    x = np.array(["" if row[0] is None else str(row[0]) for row in values], object) if made is None else made.x
    categories = {} if made is None else made.categories
    if categories:
        notes.append(f"texts in {', '.join(sorted(categories)[:6])[:160]} are given as codes 0, 1, … in sorted order")
    return _data(
        _cut(x, y, read), _digest(paths), seed, notes, columns=() if text else rest, classes=classes,
        categories=categories,
    )  # fmt: skip


def _cut(x: Array, y: Array, tables: list[Table]) -> dict[str, tuple[Array, Array]]:
    if len(tables) == 1:
        return {"all": (x, y)}
    edges = np.cumsum([0, *(len(table.rows) for table in tables)])
    return {part: (x[low:high], y[low:high]) for part, low, high in zip(PARTS, edges, edges[1:], strict=False)}


def _label(names: tuple[str, ...], label: str | None, file: str) -> int:
    if label is None:
        return names.index("label") if "label" in names else len(names) - 1
    if label not in names:
        raise UsageError(f"{file} has no column {label!r}; there are {', '.join(names)[:200]}")
    return names.index(label)


def _prose(values: list[Any], named: bool) -> bool:
    """A column of texts, not of categories: called `text`, or mostly different and of several words."""
    if not all(value is None or isinstance(value, str) for value in values):
        return False
    return named or (len(set(values)) > len(values) / 2 and sum(" " in (one or "") for one in values) > len(values) / 2)


def _idx(paths: Sequence[Path], seed: int) -> Data:
    notes: list[str] = []
    read = {path.name: read_idx(path, notes) for path in paths}
    arrays: dict[str, Array] = {}
    for name, values in read.items():
        side = "y" if values.ndim == 1 else "x"
        part = "_test" if "t10k" in name or "test" in name else "_train" if "train" in name else ""
        if side + part in arrays:
            raise UsageError("two idx files hold the same part: name them train-… and test-…")
        arrays[side + part] = values
    return _of(arrays, paths[0].name, seed, notes, digest=_digest(sorted(paths)))


def _folders(paths: Sequence[Path], seed: int) -> Data:
    from bartizan.assess.formats.pictures import class_folders, read_folder

    notes: list[str] = []
    folders = dict(zip(PARTS, paths, strict=False)) if len(paths) > 1 else {"all": paths[0]}
    inner = {part: paths[0] / part for part in PARTS if (paths[0] / part).is_dir() and class_folders(paths[0] / part)}
    if len(paths) == 1 and inner:
        folders = inner
    classes = tuple(sorted({name for folder in folders.values() for name in class_folders(folder)}))
    if len(classes) < 2:
        raise UsageError(f"{paths[0].name} should hold one folder of pictures for each class; it has {len(classes)}")
    parts = {}
    for part, folder in folders.items():
        here = set(class_folders(folder))
        if here != set(classes):
            raise UsageError(f"{folder.name} lacks the class {sorted(set(classes) - here)[0][:60]!r}")
        parts[part] = read_folder(folder, classes, seed, notes)
    hashed = hashlib.sha256()
    for x, y in parts.values():
        hashed.update(x.tobytes() + y.tobytes())
    return _data(parts, hashed.hexdigest(), seed, notes, classes=classes)
