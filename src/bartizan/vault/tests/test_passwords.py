"""Which passwords are taken, and how they are kept."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.core.errors import UsageError
from bartizan.vault.passwords import MAX_CHARS, MIN_CHARS, Passwords, check

NAME = "anna.smith@example.org"
TAKEN = {
    "words": "quiet otter paints seven",
    "twelve characters and no more": "jw8fkq2vnx7t",
    "letters of one case alone": "brimstoneledger",
    "another script": "тихаявыдрарисует",
    "a common word among others": "the password of the otter",
    "half the name beside enough else": "anna.smith likes otters",
    "as long as may be": "quiet otter " * 85,
}
REFUSED = {
    "eleven characters": "jw8fkq2vnx7",
    "twelve bytes but few characters": "выдра12",
    "narrow only once made plain": "ａ" * 11,
    "the name": NAME,
    "the name in capitals": NAME.upper(),
    "what stands before the at sign, and a year": "anna.smith2026",
    "one character": "a" * 20,
    "a few, again and again": "abc1" * 5,
    "digits in a row": "123456789012",
    "and backwards": "0987654321098765",
    "the alphabet": "abcdefghijklmnop",
    "rows of the keyboard": "qwertyuiopasdfghjkl",
    "what everybody takes": "password1234",
    "with signs": "P@ssw0rd!2026",
    "in German": "Willkommen2026!",
    "the product": "bartizan-2026-admin",
    "the famous one": "correct horse battery staple",
    "too long": "quiet otter " * 86,
}


@pytest.mark.parametrize("password", TAKEN.values(), ids=TAKEN)
def test_these_are_taken(password: str) -> None:
    check(password, NAME)


@pytest.mark.parametrize("password", REFUSED.values(), ids=REFUSED)
def test_these_are_not_and_the_error_does_not_repeat_them(password: str) -> None:
    with pytest.raises(UsageError) as refused:
        check(password, NAME)
    assert password not in str(refused.value)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_at_all_is_taken_or_refused(password: str, name: str) -> None:
    try:
        check(password, name)
    except UsageError:
        return
    assert len(password) * 18 >= MIN_CHARS, "NFKC makes 18 characters of one at most"
    assert len(password) <= MAX_CHARS


def test_a_hash_fits_its_password_alone() -> None:
    passwords = Passwords()
    word = TAKEN["words"]
    kept = passwords.hashed(word)
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert kept != passwords.hashed(word), "salted"
    assert passwords.fits(kept, word)
    assert not passwords.fits(kept, word + " ") and not passwords.fits(None, word) and not passwords.fits("", word)
    assert not passwords.outdated(kept)


def test_the_same_letters_typed_differently_fit() -> None:
    """One keyboard sends é as one character, another as two (NIST SP 800-63B-4, 3.1.1.2: normalise)."""
    passwords = Passwords()
    assert passwords.fits(passwords.hashed("éclairs paint quiet otters"), "e\u0301clairs paint quiet otters")


def test_nothing_heavy_is_loaded_to_have_accounts() -> None:
    import subprocess

    code = "import sys, bartizan.vault.accounts, bartizan.doors.admin.accounts; print('argon2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"
