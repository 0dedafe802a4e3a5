"""Arrays in files: npz archives of numpy, and the idx files of MNIST. Never a pickle."""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from io import BufferedReader
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from bartizan.assess.target import Array
from bartizan.core.errors import UsageError

MAX_HELD = 2 * 1024**3  # Bytes of one array that are held; of a larger one the first rows are.
FLOAT = 4  # Bytes of a number once it is worked with, however small it is in the file.
BLOCK = 1 << 22
Stream = IO[bytes] | gzip.GzipFile | BufferedReader
PARTS = ("train", "test", "pool")
NAMES = {"x", "y", *(f"{side}_{part}" for side in "xy" for part in PARTS)}  # What an archive may hold for us.
KINDS = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}  # idx


def read_npz(path: Path, notes: list[str], held: int = MAX_HELD) -> dict[str, Array]:
    """The arrays of an archive that are called as rows and labels are; of one larger than `held` bytes the first rows.

    Raises UsageError for what is no archive, is damaged or holds Python objects.
    """
    found: dict[str, Array] = {}
    told: dict[str, int] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                if name not in NAMES or name == member.filename or name in found:
                    continue
                with archive.open(member) as stream:
                    found[name], told[name] = _array(stream, f"{path.name}: {name}", notes, held)
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, NotImplementedError, RuntimeError):
        raise UsageError(f"{path.name} is not an npz archive of plain arrays, or it is damaged") from None
    for name, rows in told.items():  # Labels of rows that were left out are left out.
        labels = "y" + name[1:]
        if name[0] == "x" and labels in found and len(found[name].shape) and len(found[name]) < rows == told[labels]:
            found[labels] = found[labels][: len(found[name])]
    return found


def _array(stream: IO[bytes], name: str, notes: list[str], held: int) -> tuple[Array, int]:
    """The array, and how many rows the file has of it."""
    version = np.lib.format.read_magic(stream)
    read: Any = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError("version")
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        raise UsageError(f"{name} holds Python objects, which could run code: save plain numbers or text")
    if dtype.itemsize == 0 or any(size < 0 for size in shape) or (shape and shape[0] and not prod(shape)):
        raise ValueError("shape")
    if fortran and len(shape) > 1:
        return _fortran(stream, shape, dtype, name, held), shape[0]
    numbers, rows = prod(shape[1:]), shape[0] if shape else 1
    kept = rows_held(rows, numbers, dtype.itemsize, held)
    if kept < rows:
        notes.append(f"{name} is larger than {held:,} bytes: its first {kept:,} of {rows:,} rows were read")
    return filled(stream, kept * numbers, dtype).reshape((kept, *shape[1:]) if shape else ()), rows


def rows_held(rows: int, numbers: int, size: int, held: int) -> int:
    """How many rows of so many numbers of `size` bytes fit into `held` bytes, as floats at least; never more."""
    return min(rows, held // max(1, numbers * max(size, FLOAT)))


def filled(stream: Stream, count: int, dtype: Any) -> Array:
    """So many values, read block by block: a file that ends early has cost no more than what it had.

    Raises ValueError where it does end early.
    """
    size, parts, wanted = np.dtype(dtype).itemsize, [], count * np.dtype(dtype).itemsize
    while wanted:
        block = stream.read(min(wanted, BLOCK))
        if not block:
            raise ValueError("short")
        parts.append(block)
        wanted -= len(block)
    values, at = np.empty(count * size, np.uint8), 0
    for number, block in enumerate(parts):
        values[at : at + len(block)] = np.frombuffer(block, np.uint8)
        at += len(block)
        parts[number] = b""  # Not twice in memory.
    return values.view(dtype)


def _fortran(stream: IO[bytes], shape: tuple[int, ...], dtype: Any, name: str, held: int) -> Array:
    size = prod(shape) * dtype.itemsize
    if size > held:
        raise UsageError(f"{name} is larger than {held:,} bytes and stored column by column: save it row by row")
    return np.ascontiguousarray(filled(stream, prod(shape), dtype).reshape(shape[::-1]).transpose())


def is_idx(path: Path) -> bool:
    """Whether a file begins as idx files do, packed or not."""
    try:
        with opened(path) as stream:
            head = stream.read(4)
    except (OSError, EOFError):
        return False
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in KINDS and 1 <= head[3] <= 4


def read_idx(path: Path, notes: list[str], held: int = MAX_HELD) -> Array:
    """The one array of an idx file.

    Raises UsageError where it is shorter than it says.
    """
    try:
        with opened(path) as stream:
            _, _, kind, axes = stream.read(4)
            shape = struct.unpack(f">{axes}I", stream.read(4 * axes))
            numbers = prod(shape[1:])
            kept = rows_held(shape[0], numbers, np.dtype(KINDS[kind]).itemsize, held)
            if not numbers:
                raise ValueError("rows of nothing")
            values = _rows_of(stream, path, shape, kept, kind)
    except (OSError, EOFError, struct.error, zlib.error, KeyError, ValueError):
        raise UsageError(f"{path.name} is not an idx file, or it is damaged") from None
    if kept < shape[0]:
        notes.append(f"{path.name} is larger than {held:,} bytes: its first {kept:,} of {shape[0]:,} rows were read")
    return values.astype(values.dtype.newbyteorder("="))


def _rows_of(stream: Stream, path: Path, shape: tuple[int, ...], kept: int, kind: int) -> Array:
    try:
        return filled(stream, kept * prod(shape[1:]), KINDS[kind]).reshape(kept, *shape[1:])
    except ValueError:
        raise UsageError(f"{path.name} ends before its {shape[0]:,} rows do") from None


def opened(path: Path) -> gzip.GzipFile | BufferedReader:
    """A file, unpacked where it is packed with gzip."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")
