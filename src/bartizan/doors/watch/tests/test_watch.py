"""`bartizan watch`: real files that grow, are rotated, emptied and packed; a real process that is interrupted."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from bartizan.core.errors import StoreBusy, StoreError
from bartizan.doors.watch.following import Watch
from bartizan.doors.watch.positions import MAX_FILES, NAME, Positions, positions
from bartizan.doors.watch.watching import Watching
from bartizan.home import Home
from bartizan.home.logs.lines import Line
from bartizan.home.logs.observing import How
from bartizan.home.logs.recording import Keep

DEADLINE_S = 30.0


def squid(host: str, second: int = 0) -> str:
    return f"17676072{second:02}.000 1 10.0.0.7 TCP_TUNNEL/200 9 CONNECT {host}:443 mara HIER_DIRECT/203.0.113.9 -\n"


def until(true: Callable[[], bool]) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.005)


class Run:
    """One run of a watch, in a thread."""

    def __init__(self, home: Home, at: Positions, paths: Iterable[Path], as_: str) -> None:
        self.hosts: list[str] = []
        self.words: list[str] = []
        how = How(as_, home=str(home.path), daily=True)
        self.watch = Watch(how, Keep(home, how), at, self._show, self.words.append, poll_s=0.01)
        self._watching = Watching(self.watch, [os.fsencode(path) for path in paths], look_s=0.01)

    def _show(self, lines: Iterable[Line]) -> int:
        found = [line.host for line in lines for _ in range(line.count)]
        self.hosts += found
        return len(found)

    def has(self, *hosts: str) -> bool:
        return sorted(self.hosts) == sorted(hosts)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home.open(tmp_path_factory.mktemp("watch-home")) as made:
        yield made


@pytest.fixture
def home(shared: Home) -> Home:
    """A home where nothing was read yet."""
    (shared.path / NAME).unlink(missing_ok=True)
    with shared.state.transaction() as tx:
        tx.change("DELETE FROM usage_")
        tx.change("DELETE FROM usage_source")
    return shared


@contextmanager
def watched(home: Home, *paths: Path, as_: str = "") -> Iterator[Run]:
    with positions(home) as at:
        run = Run(home, at, paths, as_)
        thread = Thread(target=run._watching.run)
        thread.start()
        try:
            yield run
        finally:
            run.watch.stop.set()
            thread.join(DEADLINE_S)
            assert not thread.is_alive()


def counted(home: Home) -> int:
    return int(home.state.query("SELECT coalesce(sum(count), 0) FROM usage_")[0][0])


def test_growth_rotation_emptying_and_new_files(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "access.log"
    path.write_text(squid("chatgpt.com") + "17676072")
    with watched(home, folder) as run:
        until(lambda: run.has("chatgpt.com"))
        with path.open("a") as file:
            file.write(squid("claude.ai", 1).removeprefix("17676072"))
        until(lambda: run.has("chatgpt.com", "claude.ai"))
        path.rename(folder / "access.log.1")
        with (folder / "access.log.1").open("a") as file:
            file.write(squid("api.openai.com", 2))
        path.write_text(squid("gemini.google.com", 3))
        four = ("chatgpt.com", "claude.ai", "api.openai.com", "gemini.google.com")
        until(lambda: run.has(*four))
        path.write_text(squid("grok.com", 4))
        until(lambda: run.has(*four, "grok.com"))
        (folder / "new.log").write_text(squid("chat.deepseek.com", 5))
        until(lambda: run.has(*four, "grok.com", "chat.deepseek.com"))
        (folder / "access.log.2.gz").write_bytes(gzip.compress((folder / "access.log.1").read_bytes()))
        (folder / "other.log.gz").write_bytes(gzip.compress(squid("mistral.ai", 6).encode()))
        until(lambda: "mistral.ai" in run.hosts)
    assert run.has(*four, "grok.com", "chat.deepseek.com", "mistral.ai")
    assert counted(home) == 7
    assert any("was emptied under its writer" in words for words in run.words)
    assert not run.watch.unread


def test_a_restart_tells_and_counts_nothing_twice(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text(squid("chatgpt.com") + squid("claude.ai", 1) + "1767")
    with watched(home, tmp_path) as run:
        until(lambda: run.has("chatgpt.com", "claude.ai"))
    assert counted(home) == 2
    with path.open("a") as file:
        file.write(squid("chatgpt.com", 2).removeprefix("1767"))
    path.rename(tmp_path / "access.log.1")
    with watched(home, tmp_path) as run:
        until(lambda: run.has("chatgpt.com"))
    assert (counted(home), run.watch.lines) == (3, 1)
    with watched(home, tmp_path) as run:
        until(lambda: bool(run.watch.files))
    assert (run.hosts, counted(home)) == ([], 3)


def test_what_usage_logs_has_read_meanwhile_counts_once(home: Home, tmp_path: Path) -> None:
    from bartizan.home.logs import observing
    from bartizan.home.logs.sources import Sources

    path = tmp_path / "access.log"
    path.write_text(squid("chatgpt.com"))
    with watched(home, path) as run:
        until(lambda: run.has("chatgpt.com"))
    with path.open("a") as file:
        file.write(squid("chatgpt.com", 1))
    how = How(home=str(home.path), daily=True)
    for source in Sources([os.fsencode(path)]):
        Keep(home, how)(observing.tell(source, how))
    assert counted(home) == 2
    with path.open("a") as file:
        file.write(squid("chatgpt.com", 2))
    with watched(home, path) as run:
        until(lambda: run.has("chatgpt.com", "chatgpt.com"))
    assert counted(home) == 3


def test_a_header_is_known_after_a_restart(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "dns.log"
    header = "#separator \\x09\n#unset_field\t-\n#path\tdns\n#fields\tts\tuid\tid.orig_h\tquery\trcode_name\n"
    path.write_text(header + "1767607200.0\tC1\t10.0.0.7\tchatgpt.com\tNOERROR\n")
    with watched(home, path) as run:
        until(lambda: run.has("chatgpt.com"))
    with path.open("a") as file:
        file.write("1767607201.0\tC2\t10.0.0.7\tclaude.ai\tNOERROR\n")
    with watched(home, path) as run:
        until(lambda: run.has("claude.ai"))


def test_what_cannot_be_read_is_said_once(home: Home, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear all,\nuse chatgpt.com no more.\n")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    (tmp_path / "FTL.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    with watched(home, tmp_path, loop) as run:
        until(lambda: len(run.watch.unread) == 3)
    said = "\n".join(run.words)
    assert "letter: no known format" in said
    assert "a database is not followed" in said
    assert "loop: not read to its end: too many levels of symbolic links" in said
    assert "1 link in folders not followed" in said
    assert len(run.words) == 4


def test_positions_are_bounded_and_belong_to_one_process(home: Home) -> None:
    with positions(home) as at:
        for number in range(MAX_FILES + 5):
            at.keep((1, number), 100, b"head %d" % number, "squid", "s")
        assert at.of((1, 3), b"head 3") is None
        assert at.of((2, 9), b"head 9999 and more") == at.of((1, 9999), b"head 9999")
        assert at.of((1, 9), b"another file with this number") is None
        with pytest.raises(StoreBusy, match="another `bartizan watch`"), positions(home):
            pass
    assert (home.path / NAME).stat().st_mode & 0o077 == 0
    (home.path / NAME).write_text('{"schema": "bartizan.watch/1", "files": [[1]]}')
    with pytest.raises(StoreError, match="no positions"), positions(home):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_with_a_summary(home: Home, tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "access.log"
    path.write_text(squid("chatgpt.com") + squid("www.bbc.co.uk"))
    command = [sys.executable, "-m", "bartizan", "watch", "--home", str(home.path), "--format", "jsonl", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["host"] == "chatgpt.com"
        process.send_signal(number)
        assert process.wait(DEADLINE_S) == 0
        assert process.stderr is not None
        assert process.stderr.read().endswith("1 file, 2 lines, 1 observations\n")
    assert counted(home) == 1
