"""Arrays in files: npz archives of numpy, and the idx files of MNIST. Never a pickle."""

from __future__ import annotations

import gzip
import struct
import zipfile
from io import BufferedReader
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from bartizan.assess.target import Array
from bartizan.core.errors import UsageError

MAX_HELD = 2 * 1024**3  # Bytes of one array that are held; of a larger one the first rows are.
KINDS = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}  # idx


def read_npz(path: Path, notes: list[str], held: int = MAX_HELD) -> dict[str, Array]:
    """The arrays of an archive by name; of one larger than `held` bytes the first rows, which is noted.

    Raises UsageError for what is no archive, is damaged or holds Python objects.
    """
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy") or member.flag_bits & 1:
                    raise UsageError(f"{path.name} holds something that is no plain array")
                with archive.open(member) as stream:
                    name = member.filename.removesuffix(".npy")
                    found[name] = _array(stream, f"{path.name}: {name[:40]}", notes, held)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError):
        raise UsageError(f"{path.name} is not an npz archive of plain arrays, or it is damaged") from None
    return found


def _array(stream: IO[bytes], name: str, notes: list[str], held: int) -> Array:
    version = np.lib.format.read_magic(stream)
    read: Any = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError("version")
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        raise UsageError(f"{name} holds Python objects, which could run code: save plain numbers or text")
    if dtype.itemsize == 0 or any(size < 0 for size in shape):
        raise ValueError("shape")
    if fortran and len(shape) > 1:
        return _fortran(stream, shape, dtype, name, held)
    row = prod(shape[1:]) * dtype.itemsize
    rows = shape[0] if shape else 1
    kept = min(rows, held // row) if row else rows
    if kept < rows:
        notes.append(f"{name} is larger than {held:,} bytes: its first {kept:,} of {rows:,} rows were read")
    raw = stream.read(kept * row)
    if len(raw) != kept * row:
        raise ValueError("short")
    return np.frombuffer(raw, dtype=dtype).reshape((kept, *shape[1:]) if shape else ())


def _fortran(stream: IO[bytes], shape: tuple[int, ...], dtype: Any, name: str, held: int) -> Array:
    size = prod(shape) * dtype.itemsize
    if size > held:
        raise UsageError(f"{name} is larger than {held:,} bytes and stored column by column: save it row by row")
    raw = stream.read(size)
    return np.ascontiguousarray(np.frombuffer(raw, dtype=dtype).reshape(shape[::-1]).transpose())


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
            row = prod(shape[1:]) * np.dtype(KINDS[kind]).itemsize
            kept = min(shape[0], held // max(row, 1))
            raw = stream.read(kept * row)
    except (OSError, EOFError, struct.error, KeyError, ValueError):
        raise UsageError(f"{path.name} is not an idx file, or it is damaged") from None
    if len(raw) != kept * row:
        raise UsageError(f"{path.name} ends before its {shape[0]:,} rows do")
    if kept < shape[0]:
        notes.append(f"{path.name} is larger than {held:,} bytes: its first {kept:,} of {shape[0]:,} rows were read")
    values = np.frombuffer(raw, KINDS[kind]).reshape(kept, *shape[1:])
    return values.astype(values.dtype.newbyteorder("="))


def opened(path: Path) -> gzip.GzipFile | BufferedReader:
    """A file, unpacked where it is packed with gzip."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")
