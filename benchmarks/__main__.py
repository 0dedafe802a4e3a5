"""Runs benchmarks and writes what they print into RESULTS.md.

python -m benchmarks [NAME…]
"""

from __future__ import annotations

import ast
import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
STARTED = {"bare_tunnel", "console_home", "peer_tools", "relay", "upstream", "use_home"}  # by benchmarks
WHEN_NAMED = {"litellm", "assess_peers"}  # make environments of 740 MB and 2 GB
STACK = ("uvicorn", "uvloop", "httptools", "aiohttp", "orjson", "hyperscan", "cryptography")
MAIN = '\nif __name__ == "__main__":\n'  # What is shared between benchmarks has none.
SECTION = re.compile(r"^## (?P<name>[a-z_]+)$", re.M)

HEAD = """\
# Results

Written by `python -m benchmarks` (`make bench`); each section by its own command. Numbers from a shared virtual machine
move by some ten per cent from run to run; ratios within one run move less. A claim in README links to its section here.
"""


def names() -> list[str]:
    """Every benchmark there is: what can be run here, and is not started by one."""
    return sorted(path.stem for path in HERE.glob("[a-z]*.py") if MAIN in path.read_text() and path.stem not in STARTED)


def claim(name: str) -> str:
    """What a benchmark is about: the first line of its docstring."""
    return (ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text())) or name).splitlines()[0]


def machine() -> str:
    """What the numbers were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    stack = ", ".join(f"{name} {version(name)}" for name in STACK)
    return (
        f"{os.cpu_count()} cores of {model}, {gib:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}; {stack}"
    )


def measured(name: str) -> str:
    """One section: runs the benchmark, shows its progress, keeps what it printed."""
    began = time.time()
    with subprocess.Popen([sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            sys.stdout.write(line)
            said.append(line)
    if process.returncode:
        raise SystemExit(f"benchmarks.{name} ended with {process.returncode}; its section stays as it was")
    told = "".join(said).strip()
    if not any(line.startswith("|") for line in said):
        told = f"```text\n{told}\n```"
    day = time.strftime("%Y-%m-%d", time.gmtime(began))
    return (
        f"## {name}\n\n{claim(name)}\n\n`python -m benchmarks {name}`, {day}, {time.time() - began:.0f} s, "
        f"{machine()}.\n\n{told}\n"
    )


def sections(text: str) -> dict[str, str]:
    """The sections a RESULTS.md has, by name."""
    starts = list(SECTION.finditer(text))
    ends = [m.start() for m in starts[1:]] + [len(text)]
    return {m["name"]: text[m.start() : end].strip() + "\n" for m, end in zip(starts, ends, strict=True)}


def main(wanted: list[str]) -> None:
    known = names()
    if unknown := sorted(set(wanted) - set(known)):
        raise SystemExit(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(known)}")
    kept = sections(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in wanted or [name for name in known if name not in WHEN_NAMED]:
        print(f"== {name}: {claim(name)}", flush=True)
        kept[name] = measured(name)
        in_order = [kept[name] for name in known if name in kept]
        RESULTS.write_text("\n".join([HEAD, *in_order]))


if __name__ == "__main__":
    main(sys.argv[1:])
