"""What the tests say, and how long they take, on two cores: what misbehaves, the console in a browser, everything."""

from __future__ import annotations

import re
import subprocess
import sys
import time

SUITES = {
    "clients and providers that misbehave": ["tests/doors/test_gateway_misbehave.py"],
    "every page of the console, light and dark, four widths: axe-core, console, scroll": [
        "tests/browser/test_every_page.py"
    ],
    "what people do with it, the clicks of five tasks counted": ["tests/browser/test_story.py"],
    "hostile content in it, and no mouse or no script": [
        "tests/browser/test_hostile.py",
        "tests/browser/test_as_written.py",
        "tests/browser/test_by_hand.py",
    ],
    "all tests": [],
}


def run(paths: list[str]) -> tuple[int, int, float]:
    """(passed, failed, wall seconds) of the tests in these files, or of all; in two processes, as `make test` runs."""
    began = time.monotonic()
    out = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", *paths], capture_output=True, text=True, check=False
    ).stdout
    took_s = time.monotonic() - began
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", out)}
    return counts.get("passed", 0), counts.get("failed", 0) + counts.get("error", 0), took_s


def main() -> None:
    """Prints one row a suite; exit 1 when a test failed."""
    print("| tests | passed | failed | seconds |")
    print("|---|---|---|---|")
    bad = 0
    for name, paths in SUITES.items():
        passed, failed, took_s = run(paths)
        bad += failed + (passed == 0)
        print(f"| {name} | {passed} | {failed} | {took_s:.0f} |", flush=True)
    if bad:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
