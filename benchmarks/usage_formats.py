"""Which log formats are read fully: planted AI use found, and nothing else, in 32 layouts."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

from benchmarks.planted import FORMATS, NAMES_APPS, ONE_SERVICE, events, truth

PLANTED = 90  # (person, host) pairs a log


def observed(path: Path) -> list[dict[str, object]]:
    """What `usage logs` says of one file."""
    command = [sys.executable, "-m", "bartizan", "usage", "logs", "--observations", "--format", "jsonl", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        print(f"{path.name}: exit {done.returncode}: {done.stderr[-300:]}", file=sys.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    """Prints a row a layout."""
    full = planted = found = wrong = 0
    print("| layout | planted | found | recall | wrong |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for n, (name, write) in enumerate(FORMATS.items()):
            random = Random(n)
            es = events(random, PLANTED)
            path = Path(folder) / f"{n:02}.log"  # No name that tells.
            data = write(es, random)
            path.write_bytes(gzip.compress(data) if n % 4 == 3 else data)
            wanted = truth(name, es)
            what = "app" if name in NAMES_APPS else "host"
            seen = {
                (str(row["actor"]), "" if name in ONE_SERVICE else str(row.get(what)))
                for row in observed(path)
                if row["service"]
            }
            hit, bad = len(wanted & seen), len(seen - wanted)
            planted, found, wrong, full = (
                planted + len(wanted),
                found + hit,
                wrong + bad,
                full + (hit >= 0.98 * len(wanted) and not bad),
            )
            print(f"| {name} | {len(wanted)} | {hit} | {hit / len(wanted):.3f} | {bad} |", flush=True)
    print(f"| **all {len(FORMATS)}: {full} read fully** | {planted} | {found} | {found / planted:.3f} | {wrong} |")


if __name__ == "__main__":
    main()
