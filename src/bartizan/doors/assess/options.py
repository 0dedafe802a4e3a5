"""Options that `assess` and `harden` share. Nothing heavy is imported for their help."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from bartizan.core.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])  # Any: as click has it
LIBRARIES = ("joblib", "lightgbm", "numpy", "onnx", "opacus", "scipy", "sklearn", "skops", "torch", "xgboost")
MEMORY_SHARE = 0.7  # Of what is there.
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

data = click.option(
    "--data",
    "data",
    multiple=True,
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Rows and labels: x_train, y_train, x_test, y_test, and x_pool, y_pool for privacy. May be repeated.",
)
label = click.option(
    "--label", metavar="COLUMN", help="The column of labels in a table.  [default: one called label, else the last]"
)
eps = click.option(
    "--eps", type=float, help="How large a change may be, in the unit of the rows.  [default: by the form of the rows]"
)
norm = click.option(
    "--norm",
    type=click.Choice(["linf", "l2", "l0"]),
    default="linf",
    show_default=True,
    help="How a change is measured; l0 counts columns or pixels.",
)
schema = click.option("--schema", type=FILE, metavar="FILE", help="What a row of a table may be (YAML).")
seed = click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),  # What numpy, torch and scikit-learn all take.
    default=0,
    show_default=True,
    metavar="N",
    help="Makes a run repeatable.",
)
out = click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where report and evidence go.",
)


def budget(default: float) -> Callable[[F], F]:
    """How long it may take."""
    return click.option(
        "--budget",
        type=click.FloatRange(1, 10**6),
        default=default,
        show_default=True,
        metavar="SECONDS",
        help="Time for all of it; what is found by then is told.",
    )


def opening(command: F) -> F:
    """How a model is opened."""
    for option in reversed(
        (
            click.option("--trust", is_flag=True, help="Load a pickle, which runs code of whoever made it."),
            click.option("--weights", type=FILE, metavar="FILE", help="Weights for module:factory, as safetensors."),
            click.option(
                "--train", metavar="MODULE:FUNCTION", help="How the model is trained.  [default: a stated recipe]"
            ),
        )
    ):
        command = option(command)
    return command


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Inside, asking for more memory than there is fails at once: a batch can be halved, or a sentence said.

    Without it the kernel hands out what it does not have and kills the process, or another one, when it is used.
    """
    there = available_memory()
    if there is None:
        yield
        return
    import resource  # Not on Windows, which has no /proc either.

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = min([_private_memory() + int(MEMORY_SHARE * there), *(one for one in (soft, hard) if one >= 0)])
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        from bartizan.assess.errors import no_memory

        if not no_memory(error):
            raise
        raise UsageError(
            f"this needs more memory than the {there / 1024**3:.1f} GiB there are: give fewer rows, or a smaller model"
        ) from None
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Inside, what libraries warn of on the way (overflows, what did not converge) does not stand between lines."""
    with warnings.catch_warnings():
        if not sys.warnoptions:
            for name in LIBRARIES:
                warnings.filterwarnings("ignore", module=rf"{name}(\.|$)")
        yield


def available_memory() -> int | None:
    """Bytes that may be taken without swapping, on this machine and in this container; None where nobody says."""
    found = _told(Path("/proc/meminfo"), r"MemAvailable:\s+(\d+) kB")
    if found is None:
        return None
    whole, used = (_told(Path("/sys/fs/cgroup") / f"memory.{name}", r"(\d+)\s*$") for name in ("max", "current"))
    return min(found * 1024, max(0, whole - used)) if whole is not None and used is not None else found * 1024


def _private_memory() -> int:
    return (_told(Path("/proc/self/status"), r"VmData:\s+(\d+) kB") or 0) * 1024


def _told(path: Path, pattern: str) -> int | None:
    try:
        found = re.search(pattern, path.read_text("ascii", "replace"))
    except OSError:
        return None
    return int(found[1]) if found else None


def one_thread() -> None:
    """Called before numpy or torch are loaded: each of their loops on one core, unless OMP_NUM_THREADS says otherwise.

    Nets this small gain little from two, and wait for each other without end where another program has one of them.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
