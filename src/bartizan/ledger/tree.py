"""A Merkle tree over records (RFC 6962, 2.1), cut into tiles of 256 hashes (C2SP tlog-tiles, height 8).

A tile of level 0 holds the hashes of 256 records; one of level n + 1 the roots of 256 tiles of level n. Full tiles
never change. To grow, a tree needs only its right edge: at most 255 hashes a level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from bartizan.core.errors import StoreBroken

HEIGHT = 8
WIDTH = 1 << HEIGHT
SIZE = 32  # bytes of a hash
EMPTY = sha256(b"").digest()

Tile = tuple[int, int, bytes]  # level, index, up to 256 hashes
TileSource = Callable[[int, int], bytes]  # (level, index) -> its hashes


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a record's bytes."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbours."""
    return sha256(b"\1" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Head:
    """A tree at one moment."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def root(self) -> bytes:
        """The hash of everything."""
        if not self.peaks:
            return EMPTY
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node


class Tree:
    """A growing tree, of which only the right edge is kept. `take_full()` hands over the tiles that became whole."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []  # roots of the whole subtrees from left to right, one a set bit of `size`
        self._edge: list[bytearray] = [bytearray()]
        self._full: list[Tile] = []

    @classmethod
    def resume(cls, edge: Sequence[bytes]) -> Tree:
        """The tree whose unfinished tiles are `edge`, by level."""
        tree = cls()
        tree._edge = [bytearray(hashes) for hashes in edge] or [bytearray()]
        for level in reversed(range(len(edge))):
            hashes = [edge[level][at : at + SIZE] for at in range(0, len(edge[level]), SIZE)]
            tree.size += len(hashes) << (HEIGHT * level)
            at = 0
            for bit in reversed(range(HEIGHT)):
                if len(hashes) & (1 << bit):
                    tree._peaks.append(_whole(hashes[at : at + (1 << bit)]))
                    at += 1 << bit
        return tree

    def append(self, leaf: bytes) -> None:
        """One record more, by its leaf hash."""
        self._edge[0] += leaf
        node, height, below = leaf, 0, self.size
        self.size += 1
        while below & 1:
            node = sha256(b"\1" + self._peaks.pop() + node).digest()
            below >>= 1
            height += 1
            if height % HEIGHT == 0:
                self._finish(height // HEIGHT, node)
        self._peaks.append(node)

    def _finish(self, level: int, root: bytes) -> None:
        self._full.append((level - 1, (self.size >> (HEIGHT * level)) - 1, bytes(self._edge[level - 1])))
        self._edge[level - 1].clear()
        if len(self._edge) == level:
            self._edge.append(bytearray())
        self._edge[level] += root

    def root(self) -> bytes:
        """The hash of everything."""
        return self.head().root()

    def head(self) -> Head:
        """The tree as it is now, to ask later."""
        return Head(self.size, tuple(self._peaks))

    def take_full(self) -> list[Tile]:
        """The tiles that became whole since the last call."""
        full, self._full = self._full, []
        return full

    def edge(self) -> list[Tile]:
        """The unfinished tiles."""
        return [
            (level, self.size >> (HEIGHT * (level + 1)), bytes(hashes))
            for level, hashes in enumerate(self._edge)
            if hashes
        ]


def _whole(hashes: Sequence[bytes]) -> bytes:
    """The root over 2**n hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]


def tile_root(hashes: bytes) -> bytes:
    """The root of a full tile, which stands in the tile above."""
    return _whole([hashes[at : at + SIZE] for at in range(0, len(hashes), SIZE)])


# ---- Proofs ---------------------------------------------------------------------------------------------------------


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def subtree(low: int, high: int, tiles: TileSource) -> bytes:
    """The hash over the records low <= i < high, read from tiles (MTH of RFC 6962, 2.1). Raises StoreBroken."""
    size = high - low
    if size == 0:
        return EMPTY
    if size & (size - 1) == 0 and low % size == 0:
        level, rest = divmod(size.bit_length() - 1, HEIGHT)
        first = low >> (HEIGHT * level)
        hashes = tiles(level, first // WIDTH)
        at = (first % WIDTH) * SIZE
        wanted = hashes[at : at + (SIZE << rest)]
        if len(wanted) != SIZE << rest:
            raise StoreBroken(f"tile {level}/{first // WIDTH} is not whole")
        return tile_root(wanted)
    middle = low + _split(size)
    return node_hash(subtree(low, middle, tiles), subtree(middle, high, tiles))


def inclusion(index: int, size: int, tiles: TileSource) -> list[bytes]:
    """The path from record `index` to the root of the first `size` records (RFC 6962, 2.1.1), from the leaf up."""
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(subtree(middle, high, tiles))
            high = middle
        else:
            path.append(subtree(low, middle, tiles))
            low = middle
    return path[::-1]


def consistency(old: int, new: int, tiles: TileSource) -> list[bytes]:
    """The proof that the first `old` of `new` records are the same (RFC 6962, 2.1.2). 0 < old <= new."""
    path: list[bytes] = []
    low, high, whole = 0, new, True
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(subtree(middle, high, tiles))
            high = middle
        else:
            path.append(subtree(low, middle, tiles))
            low, whole = middle, False
    if not whole:
        path.append(subtree(low, high, tiles))
    return path[::-1]


def root_by_inclusion(leaf: bytes, index: int, size: int, path: Iterable[bytes]) -> bytes | None:
    """The root that a path leads to; None if it cannot be one (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    node, at, last = leaf, index, size - 1
    for other in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            node = node_hash(other, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, other)
        at, last = at >> 1, last >> 1
    return node if last == 0 else None


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a proof shows that the old tree is the beginning of the new one (RFC 9162, 2.1.4.2)."""
    if old == new:
        return old_root == new_root and not path
    if not 0 < old < new or not path:
        return False
    rest = list(path)
    if old & (old - 1) == 0:
        rest.insert(0, old_root)
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = rest[0]
    for other in rest[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node_hash(other, first), node_hash(other, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, other)
        at, last = at >> 1, last >> 1
    return first == old_root and second == new_root and last == 0
