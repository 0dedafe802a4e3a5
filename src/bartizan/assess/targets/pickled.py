"""Pickles that somebody trusts, read with a look at every name before it is used.

A pickle calls what it names. Trust in a file says that it holds a model, not that it may start programs: a name that
no model has (a shell, a socket, `eval`) ends the reading before anything was called. What is not on the list may still
do harm: this is a net under trust, and no replacement for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bartizan.core.errors import UsageError

PLAIN = {
    "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object", "range", "set",
    "slice", "str", "tuple",
}  # fmt: skip
BARRED = {
    "_thread", "aiohttp", "asyncio", "bdb", "cProfile", "code", "codeop", "commands", "concurrent", "ctypes", "ftplib",
    "http", "httpx", "imp", "importlib", "inspect", "io", "linecache", "marshal", "multiprocessing", "nt", "operator",
    "os", "pathlib", "pdb", "pickle", "pip", "pkgutil", "platform", "posix", "profile", "pty", "requests", "runpy",
    "shelve", "shutil", "signal", "site", "smtplib", "socket", "socketserver", "ssl", "subprocess", "sys", "telnetlib",
    "tempfile", "threading", "timeit", "trace", "types", "urllib", "venv", "webbrowser", "zipimport",
}  # fmt: skip


def barred(module: str, name: str) -> bool:
    """Whether a model has no use for what is called so: a method of another class (`A.b`) is none of its own."""
    root = module.partition(".")[0]
    return "." in name or root in BARRED or (root in ("builtins", "__builtin__") and name not in PLAIN)


def unpickled(path: Path) -> Any:
    """What the file of pickle or joblib holds.

    Raises UsageError for a name that is barred; besides, whatever a damaged file makes joblib raise.
    """
    from joblib.numpy_pickle import NumpyUnpickler  # type: ignore[import-untyped]  # It comes without types.
    from joblib.numpy_pickle_utils import _validate_fileobject_and_memmap  # type: ignore[import-untyped]

    class Watched(NumpyUnpickler):
        def find_class(self, module: str, name: str) -> Any:
            found = None if barred(module, name) else super().find_class(module, name)
            # A module that is let in may itself have imported another: the owner is told by the object.
            if found is None or barred(str(getattr(found, "__module__", None) or module), name):
                raise UsageError(
                    f"{path.name} calls {module[:60]}.{name[:60]} while it is loaded, which no model needs: it was not "
                    "loaded, trust or not"
                )
            return found

    with path.open("rb") as stream, _validate_fileobject_and_memmap(stream, str(path), None) as (opened, _):
        return Watched(str(path), opened, True).load()
