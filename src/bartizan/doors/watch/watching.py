"""Files and folders looked through again and again: whatever is new or has grown is followed, a thread a file."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from bartizan.doors.watch.following import Following, Watch
from bartizan.home.logs.sources import Source, Sources

LOOK_S = 2.0  # Between two looks at folders.
MAX_AT_ONCE = 128  # Files that are open; quiet ones are let go where others wait.
MAX_FILES = 10_000  # Files that are looked at.
MORE = f"more than {MAX_FILES:,} files: what is behind them is not watched"

_Stamp = tuple[int, int]  # Size, written


class Watching:
    """All sources, until the watch is stopped."""

    def __init__(self, watch: Watch, paths: Sequence[bytes], look_s: float = LOOK_S) -> None:
        self._watch, self._paths, self._look_s = watch, paths, look_s
        self._running: dict[tuple[int, int], tuple[Future[None], _Stamp]] = {}
        self._done: dict[tuple[int, int], _Stamp] = {}  # As they were when they were read to their end.
        self._last: dict[tuple[int, int], _Stamp] = {}  # At the last look: what is being packed is left alone.
        self._said: set[str] = set()

    def run(self) -> None:
        """Looks and follows until `stop` is set. Raises BartizanError where the register fails."""
        with ThreadPoolExecutor(MAX_AT_ONCE, "watch") as pool:
            try:
                while True:
                    self._look(pool)
                    if self._watch.stop.wait(self._look_s):
                        break
            finally:
                self._watch.stop.set()
        for future, _ in self._running.values():
            future.result()

    def _look(self, pool: ThreadPoolExecutor) -> None:
        for inode, (future, _) in list(self._running.items()):
            if future.done():
                future.result()
                _, self._done[inode] = self._running.pop(inode)
        seen: dict[tuple[int, int], _Stamp] = {}
        waiting = 0
        found = Sources(self._paths)
        for source in found:
            if source.why or not source.regular:
                self._watch.failed(source.name, source.why or "neither a file nor a folder; `usage logs` reads pipes")
                continue
            stamp = (source.size, source.written_us)
            if len(seen) >= MAX_FILES:
                self._watch.failed(source.name, MORE)
                break
            seen[source.inode] = stamp
            if source.inode in self._running or self._done.get(source.inode) == stamp or not source.size:
                continue
            if self._packed(source) and self._last.get(source.inode) != stamp:
                continue
            if len(self._running) >= MAX_AT_ONCE:
                waiting += 1
                continue
            self._running[source.inode] = (pool.submit(Following(self._watch, source).run), stamp)
        self._watch.crowded = waiting > 0
        self._last = seen
        self._done = {inode: stamp for inode, stamp in self._done.items() if inode in seen}
        for words in found.left_out():
            if words not in self._said and len(self._said) < MAX_FILES:
                self._said.add(words)
                self._watch.say(words)
        with self._watch.turn:
            self._watch.positions.save()

    @staticmethod
    def _packed(source: Source) -> bool:
        return source.path.lower().endswith((b".gz", b".zst", b".bz2", b".xz"))
