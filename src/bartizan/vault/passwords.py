"""Passwords: which are taken, and how they are kept.

What counts is length, and that a password is not one of the first a guesser tries. There are no rules about digits or
signs: people answer them with `Password1!` (NIST SP 800-63B-4, 3.1.1.2). It is kept as argon2id, which costs whoever
stole the file 64 MiB and a tenth of a second of a core a guess.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from unicodedata import normalize

from bartizan.core.errors import SignInDenied, UsageError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_CHARS = 12
GOOD = "four or five unrelated words make a good one"
MAX_CHARS = 1024  # argon2 takes any length; this bounds what a form can make us normalise.
AT_ONCE = 2  # Each guess under way holds 64 MiB: so many threads may, the others wait their turn.
TURN_S = 10.0
LEAST_OWN = 4  # Characters of a name below which it occurs in a password by chance.
LEAST_REST = 8  # Characters that a password has beside the name, or beside what everybody types.
# Rows of keyboards and what stands first in every published list of leaked passwords.
RUNS = ("01234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "yxcvbnm")
COMMON = frozenset(
    """
    password passwort motdepasse contraseña passw0rd p@ssw0rd p@ssword letmein changeme welcome willkommen iloveyou
    sunshine princess football baseball superman trustno1 dragon monkey master secret geheim administrator admin root
    user login test guest default bartizan correcthorsebatterystaple 1q2w3e4r5t6y 1qaz2wsx3edc
    """.split()  # noqa: SIM905  A list of words reads as one.
)


class Passwords:
    """Hashes and checks passwords. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._hasher: PasswordHasher | None = None
        self._dummy = ""
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def hashed(self, password: str) -> str:
        """What is kept: algorithm, parameters, salt and hash in one line."""
        hasher = self._ready()
        self._take_turn()
        try:
            return hasher.hash(_bytes(password))
        finally:
            self._turns.release()

    def fits(self, kept: str | None, password: str) -> bool:
        """Whether this is the password that was kept. Where none was, the answer no takes just as long."""
        from argon2.exceptions import InvalidHashError, VerificationError

        hasher = self._ready()
        if len(password) > MAX_CHARS:
            return False
        self._take_turn()
        try:
            return hasher.verify(kept or self._dummy, _bytes(password)) and kept is not None
        except (VerificationError, InvalidHashError):  # Also of a hash that somebody wrote into the file.
            return False
        finally:
            self._turns.release()

    def outdated(self, kept: str) -> bool:
        """Whether it was kept with other parameters than a new one would be."""
        return self._ready().check_needs_rehash(kept)

    def _ready(self) -> PasswordHasher:
        with self._lock:
            if self._hasher is None:
                from argon2 import PasswordHasher
                from argon2.profiles import RFC_9106_LOW_MEMORY

                hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
                self._dummy = hasher.hash(b"nobody's")
                self._hasher = hasher
            return self._hasher

    def _take_turn(self) -> None:
        if not self._turns.acquire(timeout=TURN_S):
            raise SignInDenied(f"too many people sign in at once; wait {TURN_S:.0f} seconds", int(TURN_S))


def check(password: str, name: str) -> None:
    """Raises UsageError, with what to do, for a password that is not taken. `name` is its person's."""
    if len(password) > MAX_CHARS:
        raise UsageError(f"a password has at most {MAX_CHARS} characters")
    plain = folded(password)
    if len(normalize("NFKC", password)) < MIN_CHARS:
        raise UsageError(f"a password has at least {MIN_CHARS} characters; {GOOD}")
    own = {part for part in (folded(name), *folded(name).split("@")) if len(part) >= LEAST_OWN}
    if any(word in plain and len(plain) - len(word) < LEAST_REST for word in own):
        raise UsageError(f"a password is not the name it belongs to; {GOOD}")
    if _guessed(plain):
        raise UsageError(f"this password is among the first that are guessed; {GOOD}")


def folded(text: str) -> str:
    """A text as people mean it: without the difference of case, width, or the space around it."""
    return normalize("NFKC", text).strip().casefold()


def _guessed(plain: str) -> bool:
    """Repeated, running along the keyboard, or a word that everybody takes with a few characters more."""
    for size in range(1, 5):
        if plain == (plain[:size] * len(plain))[: len(plain)]:
            return True
    squeezed = "".join(plain.split())
    rest = squeezed
    for run in RUNS:
        for way in (run, run[::-1]):
            rest = _without_runs(rest, way)
    rest = rest.strip("0123456789!?.,#$*-_ ")
    for word in sorted(COMMON, key=len, reverse=True):
        rest = rest.replace(word, "")
    return len(rest) < LEAST_REST and rest != squeezed


def _without_runs(text: str, run: str) -> str:
    """The text without pieces of four or more characters of the run (going round at its end)."""
    around = run * 2
    kept, at = [], 0
    while at < len(text):
        size = 0
        while at + size < len(text) and size < len(around) and text[at : at + size + 1] in around:
            size += 1
        if size < 4:
            kept.append(text[at])
            size = 1
        at += size
    return "".join(kept)


def _bytes(password: str) -> bytes:
    return normalize("NFKC", password).encode("utf-8", "surrogatepass")
