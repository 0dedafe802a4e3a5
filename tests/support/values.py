"""Values that look real and are not: made when asked for, so that none stands in the repository as found."""

from __future__ import annotations


def aws_key() -> str:
    return "AK" + "IA" + "QYLPMN5HFIQR7XYA"


def github_token() -> str:
    """With the checksum that the real ones have."""
    import zlib

    body = "R2k8mQ4vT7xWz1NbLc5PdYhJs9GfEa"
    digits, number = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", zlib.crc32(body.encode())
    tail = ""
    while number:
        number, rest = divmod(number, 62)
        tail = digits[rest] + tail
    return "gh" + "p_" + body + tail.rjust(6, "0")


def card(begins: str = "453914880343646") -> str:
    """A payment card number with the check digit that Luhn's formula asks for."""
    digits = [int(c) for c in begins][::-1]
    total = sum(sum(divmod(2 * d, 10)) for d in digits[::2]) + sum(digits[1::2])
    return begins + str(-total % 10)


def iban(account: str = "370400440532019341", country: str = "DE") -> str:
    """An IBAN with the check digits that ISO 7064 mod 97-10 asks for."""
    number = "".join(str(int(c, 36)) for c in account + country + "00")
    return f"{country}{98 - int(number) % 97:02d}{account}"


def ssn(last: str = "8726") -> str:
    return "536-22-" + last


def another_iban(number: int) -> str:
    """One for each number, so that nothing granted for one passes another."""
    return iban(f"37040044{4053201000 + number:010d}")
