"""The one place that changes the policy's file: checked, recorded, then put in place as a whole.

The file belongs to people and to git. So it is changed only as long as it still says what was edited; a link to it
stays a link; the new text takes the old one's place in one step, with its owner and mode; and nothing else is touched.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan.config.policy import text_of
from bartizan.core.errors import InputError, PolicyChanged, StoreError
from bartizan.home.versions import LOCK, PolicyVersion, added, digest_of
from bartizan.store.lock import FileLock

if TYPE_CHECKING:
    from bartizan.home import Home

MAX_WHY = 1000
PART = ".bartizan-part"


def change_policy(
    home: Home,
    record: Callable[[Mapping[str, object]], None],
    before: str,
    text: str,
    *,
    by: str,
    why: str,
) -> PolicyVersion:
    """Puts a new text of the policy in force; every process of the home follows within a second.

    Args:
        record: Appends an event durably.
        before: The digest of the text that was edited (`digest_of`).
        text: The whole new text.
        by: The pseudonym of who changes it.
        why: In a sentence, for the history. It is kept in the table of versions, and nowhere else.

    Raises:
        InputError: There is no why, or nothing changes.
        PolicyChanged: The file says something else than what was edited. It stays as it is.
        PolicyError: The new text does not hold, or the old one cannot be read.
        StoreError: It cannot be recorded or written. The file stays as it is.
    """
    from bartizan.home import policy_of

    why = why.strip()
    if not why or len(why) > MAX_WHY:
        raise InputError("is needed" if not why else f"is longer than {MAX_WHY} characters", "why")
    policy = policy_of(home.config, text, home.config.policy_path.name)
    with FileLock(home.path / LOCK, wait=True):
        path = Path(os.path.realpath(home.config.policy_path))
        old = text_of(path)
        if digest_of(old) != before:
            raise PolicyChanged(
                "Somebody changed the policy while you edited it. Their change stays; yours was not saved."
            )
        if old == text:
            raise InputError("says the same as before", "the policy")
        with _part(path, text) as part:
            facts = {"exchange": "", "by": by, "before": before, "after": policy.digest}
            record({"event": "policy-changed", **facts})
            try:
                with home.state.transaction() as tx:
                    made = added(tx, policy, text, by=by, why=why, at_us=time.time_ns() // 1000)
                    _moved(part, path)  # Inside: without it there is no version.
            except StoreError:
                record({"event": "policy-not-changed", **facts})
                raise
    home.policy_file.check()
    return made


@contextmanager
def _part(path: Path, text: str) -> Iterator[Path]:
    """The new text in a file beside the old one, on the disk, with the old one's owner and mode; gone afterwards."""
    part = path.with_name(f".{path.name}{PART}")
    try:
        was = path.stat()
        # A part left by a power cut is ours, and nobody else writes one: the lock is held.
        part.unlink(missing_ok=True)
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as out:
            if (was.st_uid, was.st_gid) != (os.fstat(file).st_uid, os.fstat(file).st_gid):
                os.fchown(file, was.st_uid, was.st_gid)  # Refused where the file is somebody else's: it stays theirs.
            os.fchmod(file, was.st_mode & 0o7777)
            out.write(text.encode("utf-8", "surrogatepass"))
            out.flush()
            os.fsync(file)
        yield part
    except OSError as error:
        raise _no(path, error) from error
    finally:
        _gone(part)


def _moved(part: Path, path: Path) -> None:
    try:
        part.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _no(path, error) from error


def _no(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path.name}: cannot be changed from here: {error.strerror}. A change to the file itself, by hand or by git, "
        "holds within a second."
    )


def _gone(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{part.name}: cannot be removed: {error.strerror}") from error
