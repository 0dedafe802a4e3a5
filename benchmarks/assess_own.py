"""Our own detectors as the model that is assessed: which edits of a text hide from them what a person still reads.

    python -m benchmarks.assess_own [--rows N] [--budget SECONDS]

A text of 12 to 18 words holds one planted value, or a look-alike that is none. The model says for a text how sure the
loop is that it holds such a value; the assessment edits up to a fifth of the words, knowing nothing of detectors. An
edit that destroys the value (a digit is dropped: nothing is left to find) counts for nothing: it must still read as
the value once invisible characters, look-alikes (UTS 39) and what stands between the characters are undone. "Told" are
texts in which the loop still finds hidden characters as such.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bartizan.assess.assessment import assess
from bartizan.assess.measured import wilson
from bartizan.core.finding import Finding
from bartizan.core.subject import Kind, Subject
from bartizan.loop import embedded

EPS = 0.2
WORDS = """
please have a look at what the customer wrote about the invoice before noon because we need to answer today and tell the
team that the amount is right and the order went out on friday as was agreed with the depot last week thank you
""".split()  # noqa: SIM905 - forty quoted words would say no more.
ALIKE = dict(zip("aceopxyijsAEOPCXTHKMB", "асеорхуіјѕАЕОРСХТНКМВ", strict=True))
LATIN = str.maketrans({other: letter for letter, other in ALIKE.items()})
NUMBER = re.compile(r"\[(\d+)\]")
DIGITS = str.maketrans("olzsb", "01258")


@dataclass(frozen=True, slots=True)
class Planted:
    """A sort of value: how one is made, how one that is none is made, and the family of risks that tells it."""

    name: str
    family: str
    value: Callable[[random.Random], str]
    other: Callable[[random.Random], str]


def luhn(digits: str) -> str:
    """The check digit of ISO/IEC 7812."""
    total = 0
    for at, digit in enumerate(reversed(digits)):
        twice = int(digit) * (2 if at % 2 == 0 else 1)
        total += twice - 9 * (twice > 9)
    return str(-total % 10)


def card(chance: random.Random) -> str:
    bare = "4" + "".join(chance.choices("0123456789", k=14))
    return bare + luhn(bare)


def no_card(chance: random.Random) -> str:
    right = card(chance)
    return right[:-1] + str((int(right[-1]) + 1 + chance.randrange(9)) % 10)


def iban(chance: random.Random) -> str:
    bare = "".join(chance.choices("0123456789", k=18))
    return f"DE{98 - int(bare + '131400') % 97:02d}{bare}"


def no_iban(chance: random.Random) -> str:
    right = iban(chance)
    return f"DE{(int(right[2:4]) + 1) % 97:02d}{right[4:]}"


def key(chance: random.Random) -> str:
    return "AK" + "IA" + "".join(chance.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=16))


def no_key(chance: random.Random) -> str:
    return "INV-" + "".join(chance.choices("0123456789", k=10))


def mail(chance: random.Random) -> str:
    name = "".join(chance.choices("abcdefghijklmnoprstuvw", k=7))
    return f"{name}.{chance.choice(('huber', 'moreau', 'rossi'))}@{chance.choice(('kanzlei', 'studio'))}-nord.at"


def no_mail(chance: random.Random) -> str:
    return f"@{''.join(chance.choices('abcdefghijklmnop', k=7))}"


SORTS = (
    Planted("payment card", "personal.", card, no_card),
    Planted("IBAN", "personal.", iban, no_iban),
    Planted("access key", "secret.", key, no_key),
    Planted("e-mail address", "personal.", mail, no_mail),
)

WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in groups of four": lambda value: " ".join(value[at : at + 4] for at in range(0, len(value), 4)),
    "one invisible character": lambda value: f"{value[:5]}\u200b{value[5:]}",
    "invisible characters throughout": "\u200b".join,
    "look-alikes for letters": lambda value: value.translate(str.maketrans(ALIKE)),
    "full-width": lambda value: "".join(chr(ord(one) + 0xFEE0) if one.isalnum() else one for one in value),
    "a dot in the middle": lambda value: f"{value[: len(value) // 2]}.{value[len(value) // 2 :]}",
    "dashes after each four": lambda value: "-".join(value[at : at + 4] for at in range(0, len(value), 4)),
    "letters for digits": lambda value: value.translate(str.maketrans("01258", "OlZSB")),
    "one letter a word": " ".join,
    "split over two lines": lambda value: f"{value[: len(value) // 2]}\n{value[len(value) // 2 :]}",
}


def texts(sort: Planted, count: int, seed: int) -> tuple[list[str], list[str]]:
    """Numbered texts, and the value each holds: every other one holds one that is none."""
    chance = random.Random(seed)
    rows, values = [], []
    for at in range(count):
        words = chance.choices(WORDS, k=chance.randint(11, 17))
        value = sort.value(chance) if at % 2 else sort.other(chance)
        words.insert(chance.randrange(len(words) + 1), value)
        rows.append(" ".join([f"[{at}]", *words]))
        values.append(value if at % 2 else "")
    return rows, values


def sure(family: str, values: list[str]) -> Callable[[Any], Any]:
    """(n,) texts -> (n, 2) how sure the loop is of nothing, and of something of the family.

    A text that has lost its value counts as told.
    """
    loop = embedded()

    def of(row: str) -> float:
        number = NUMBER.match(row)
        value = values[int(number[1]) % len(values)] if number else ""
        if value and not reads(row, value):
            return 1.0
        items = [one.item for one in loop.seen(Subject(Kind.TEXT, "", row))]
        return max(
            (one.confidence for one in items if isinstance(one, Finding) and one.risk.startswith(family)), default=0
        )

    def model(rows: Any) -> Any:
        said = np.array([of(str(row)) for row in rows])
        return np.stack([1 - said, said], axis=1).clip(1e-6, 1 - 1e-6)

    return model


def reads(text: str, value: str) -> bool:
    """Whether a person can still read the value in the text."""
    shown = "".join(letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
    return bare(value) in bare(shown.translate(LATIN))


def bare(text: str) -> str:
    """Letters and digits alone, those of one look as one."""
    return "".join(letter for letter in text.lower() if letter.isalnum()).translate(DIGITS)


def told(text: str) -> bool:
    """Whether the loop finds hidden characters or mixed scripts as such."""
    seen = embedded().seen(Subject(Kind.TEXT, "", text))
    return any(isinstance(one.item, Finding) and one.item.risk.startswith("hidden.") for one in seen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--budget", type=float, default=60.0)
    asked = parser.parse_args()
    print(f"| {asked.rows // 2} texts with | found | found under edits (95 %) | hidden | of these told | by |")
    print("|---|---|---|---|---|---|")
    for sort in SORTS:
        rows, values = texts(sort, asked.rows, 5)
        labels = np.array([bool(value) for value in values], np.int64)
        with TemporaryDirectory() as out:
            found = assess(
                sure(sort.family, values), {"x_test": np.array(rows), "y_test": labels},
                checks=["evasion"], eps=EPS, budget=asked.budget, rows=asked.rows, out=out,
            )  # fmt: skip
            lines = [json.loads(line) for line in (Path(out) / "adversarial.jsonl").read_bytes().splitlines()]
        hidden = [line["after"] for line in lines if values[line["index"]]]
        before = sure(sort.family, values)(np.array(rows))[:, 1] > 0.5
        stood = wilson(int(before[labels == 1].sum()) - len(hidden), int(labels.sum()))
        ways = Counter(line["attack"] for line in lines if values[line["index"]])
        right = before[labels == 1].mean()
        print(
            f"| {sort.name} | {right:.1%} | {stood.share:.1%} ({stood.low:.1%} to {stood.high:.1%}) | {len(hidden)} "
            f"| {sum(map(told, hidden))} | {', '.join(f'{way} {n}' for way, n in ways.items())} |"
        )
        late = found.report["evasion"]["not_looked_at"]
        if late:
            print(f"{sort.name}: {late} texts were not looked at in the time given", file=sys.stderr)
        for text in hidden[:3]:
            print(ascii(text), file=sys.stderr)
    print(f"\n| found of {asked.rows // 2}, written | {' | '.join(sort.name for sort in SORTS)} |")
    print(f"|---|{'---|' * len(SORTS)}")
    for way, write in WAYS.items():
        shares = [written(sort, write, asked.rows) for sort in SORTS]
        print(f"| {way} | {' | '.join(f'{share:.0%}' for share in shares)} |")


def written(sort: Planted, write: Callable[[str], str], count: int) -> float:
    """The share of values that are still found when each is written another way."""
    rows, values = texts(sort, count, 5)
    pairs = [(row.replace(value, write(value)), value) for row, value in zip(rows, values, strict=True) if value]
    lost = [value for row, value in pairs if not reads(row, value)]
    assert not lost, "a way of writing destroys what is written"
    model = sure(sort.family, values)
    return float((model([row for row, _ in pairs])[:, 1] > 0.5).mean())


if __name__ == "__main__":
    main()
