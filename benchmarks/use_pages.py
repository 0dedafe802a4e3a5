"""What the pages about AI use cost with 2,000 systems and 200,000 rows of use: server time and bytes.

    python -m benchmarks.use_pages [SYSTEMS] [ROWS]

As `benchmarks.console_pages`: a real `bartizan up` on a home that was filled through the register's own functions (see
`use_home`), a session that asks for each page ten times. The first request of all counts use; it is told apart.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks import processes, use_home
from benchmarks.console_pages import command, row
from benchmarks.signed_in import console_of, sign_in

PATHS = (
    "/", "/review", "/use", "/use?show=all&sort=name&from=1000", "/use?range=90d", "/use?range=365d",
    "/use?of=candidate&show=all", "/use/download", "/use/download?format=json", "{most}", "{most}?range=365d",
    "/use/restriction", "/use/restriction/rpz", "/use/names", "/coach/{closed}",
)  # fmt: skip


def main(systems: int, rows: int) -> None:
    """Fill, start, ask."""
    with tempfile.TemporaryDirectory(prefix="bartizan-bench-") as folder, processes.upstream() as upstream:
        home = use_home.fill(Path(folder) / "home", systems, rows)
        most, closed = use_home.named(home)
        gateway, console = processes.free_port(), processes.free_port()
        with processes.running(command(home, gateway, console, upstream), console) as pid:
            visitor = sign_in(home, console)
            server = console_of(processes.tree(pid))
            for days in ("30d", "90d", "365d"):
                first = visitor.get(f"/use?range={days}")[2]
                print(f"the first look at {days}: {first:.2f} s")
            print("\n| page | wall ms, median | slowest of 10 | CPU ms | KB |")
            print("|---|---|---|---|---|")
            for path in PATHS:
                row(visitor, server, path.format(most=f"/use/{most}", closed=closed))


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    main(*(given or [use_home.SYSTEMS, use_home.ROWS]))
