"""UBJSON as XGBoost writes its models: read here first, because the library follows a damaged file out of its memory.

The format: https://ubjson.org, draft 12. Numbers are big-endian; arrays may say their type and count once.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
CONSTANTS = {"T": True, "F": False, "Z": None}
MAX_DEPTH = 32
MAX_VALUES = 50_000_000


def loads(raw: bytes) -> Any:
    """The value of a file; typed arrays become lists.

    Raises ValueError for what is damaged, deeper than `MAX_DEPTH` or has more than `MAX_VALUES`.
    """
    reader = _Reader(raw)
    try:
        value = reader.value(reader.mark(), 0)
    except (struct.error, IndexError, UnicodeDecodeError, OverflowError) as error:
        raise ValueError("it ends early") from error
    return value


class _Reader:
    """A place in the bytes, and how many values were read."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at, self.count = raw, 0, 0

    def mark(self) -> str:
        """The next marker; N does nothing."""
        while True:
            self.at += 1
            found = chr(self.raw[self.at - 1])
            if found != "N":
                return found

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.raw):
            raise IndexError
        self.at += size
        return self.raw[self.at - size : self.at]

    def number(self, kind: str) -> Any:
        dtype = np.dtype(NUMBERS[kind])
        return np.frombuffer(self.take(dtype.itemsize), dtype)[0].item()

    def length(self) -> int:
        kind = self.mark()
        if kind not in "iUIlL":
            raise ValueError("a length that is no number")
        return int(self.number(kind))

    def text(self) -> str:
        return self.take(self.length()).decode("utf-8")

    def value(self, mark: str, depth: int) -> Any:
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_VALUES:
            raise ValueError("it is too deep, or too much")
        if mark in NUMBERS:
            return self.number(mark)
        if mark in CONSTANTS:
            return CONSTANTS[mark]
        if mark == "S":
            return self.text()
        if mark == "C":
            return chr(self.take(1)[0])
        if mark == "[":
            return self._list(depth)
        if mark == "{":
            return self._object(depth)
        raise ValueError("a marker that means nothing")

    def _list(self, depth: int) -> list[Any]:
        kind = None
        if self.raw[self.at] == ord("$"):
            kind = chr(self.raw[self.at + 1])
            self.at += 2
        if self.raw[self.at] != ord("#"):
            found = []
            while self.raw[self.at] != ord("]"):
                found.append(self.value(self.mark(), depth + 1))
            self.at += 1
            return found
        self.at += 1
        count = self.length()
        if not 0 <= count <= MAX_VALUES - self.count:
            raise ValueError("a list that is too long")
        if kind in NUMBERS:
            dtype = np.dtype(NUMBERS[kind])
            self.count += count
            return list(np.frombuffer(self.take(count * dtype.itemsize), dtype).tolist())
        return [self.value(kind or self.mark(), depth + 1) for _ in range(count)]

    def _object(self, depth: int) -> dict[str, Any]:
        found = {}
        while self.raw[self.at] != ord("}"):
            key = self.text()
            found[key] = self.value(self.mark(), depth + 1)
        self.at += 1
        return found
