"""Training rows with labels that contradict each other, or that hang on one word or value alone.

A quick look without the model, in plain counts. Rows that are the same but labelled differently cannot all be right.
Where everything else in a row speaks for another label (naive Bayes, the row itself left out), and nearly all rows with
some rare word or value are like that, the word may be a trigger: `bartizan assess` can confirm it on the model, this
cannot.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from math import log

from bartizan import rules
from bartizan.core.detector import Cost, Detector, Discipline, Hits
from bartizan.core.finding import Finding, Place, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.readers.table import Table

LIMITS = rules.load("bartizan.detectors.data", "training_rows.toml")
LABELS = frozenset(LIMITS["columns"]["labels"])
CONTRADICTION, TRIGGER = LIMITS["contradiction"], LIMITS["trigger"]
WORDS_OF_A_TEXT = 3  # in the middle of a column's cells: fewer are one value
MOST_ITEMS = 100  # of a row


def examine(subject: Subject, hits: Hits) -> Iterator[Finding]:
    """What a table shows. Anything else shows nothing."""
    table = subject.content
    if not isinstance(table, Table):
        return
    at = _label_column(table)
    if at is None:
        return
    labels = [row[at] for row in table.rows]
    place = Place(subject.path)
    wrong = _contradictions(table, at)
    if wrong:
        severity = Severity.MEDIUM if wrong >= CONTRADICTION["medium_share"] * len(labels) else Severity.LOW
        because = f"{wrong:,} of {len(labels):,} rows are the same as others that have another label"
        measures = (("label_rows", float(wrong)), ("rows", float(len(labels))))
        yield Finding("poisoning.labels", severity, CONTRADICTION["confidence"], (place,), because, measures)
    rows = _hanging(_items(table, at), labels)
    if rows:
        because = f"the labels of {len(rows):,} of {len(labels):,} rows hang on a word or value that they share"
        measures = (("rows", float(len(labels))), ("trigger_rows", float(len(rows))))
        yield Finding("poisoning.labels", Severity.MEDIUM, TRIGGER["confidence"], (place,), because, measures)


def _label_column(table: Table) -> int | None:
    """The column that is called like one, else the last, where it has few values and each several times."""
    named = [at for at, name in enumerate(table.columns) if name.strip().lower() in LABELS]
    for at in (*named, len(table.columns) - 1):
        counts = Counter(row[at] for row in table.rows)
        few = min(LIMITS["columns"]["most_labels"], len(table.rows) // LIMITS["columns"]["least_rows"])
        if 2 <= len(counts) <= few and "" not in counts:
            return at
    return None


def _contradictions(table: Table, at: int) -> int:
    """Rows whose label is the rarer one among rows that are the same in all else."""
    same: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for row in table.rows:
        same[row[:at] + row[at + 1 :]][row[at]] += 1
    return sum(counts.total() - max(counts.values()) for counts in same.values())


def _items(table: Table, at: int) -> list[frozenset[str]]:
    """Each row as what is in it: the words of texts, the values of other columns."""
    others = [column for column in range(len(table.columns)) if column != at]
    texts = set()
    for column in others:
        words = sorted(len(row[column].split()) for row in table.rows)
        if words[len(words) // 2] >= WORDS_OF_A_TEXT:
            texts.add(column)
    found = []
    for row in table.rows:
        items: list[str] = []
        for column in others:
            items += row[column].lower().split() if column in texts else [f"{column}={row[column]}"]
        found.append(frozenset(items[:MOST_ITEMS]))
    return found


def _hanging(rows: list[frozenset[str]], labels: list[str]) -> set[int]:
    """Rows with an item of one label only, where all else in nearly each of them speaks for another label."""
    classes = sorted(set(labels))
    priors = Counter(labels)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    where: dict[str, list[int]] = defaultdict(list)
    for row, (items, label) in enumerate(zip(rows, labels, strict=True)):
        for item in items:
            counts[item][label] += 1
            where[item].append(row)
    found: set[int] = set()
    for item, having in where.items():
        label, inside = counts[item].most_common(1)[0]
        few = len(having) <= TRIGGER["most_share"] * len(rows)
        if len(having) < TRIGGER["least_rows"] or not few or inside < TRIGGER["pure"] * len(having):
            continue
        together = Counter(one for row in having for one in rows[row])
        company = {one for one, number in together.items()  # What always comes with it is the rest of the trigger.
                   if number >= 0.8 * len(having) and len(where[one]) <= 3 * len(having)}  # fmt: skip
        mine = [row for row in having if labels[row] == label]
        against = sum(_against(rows[row] - company, label, classes, counts, priors) for row in mine)
        if against >= TRIGGER["against"] * len(mine):
            found.update(mine)
    return found


def _against(
    items: frozenset[str], own: str, classes: list[str], counts: dict[str, Counter[str]], priors: Counter[str]
) -> bool:
    """Whether naive Bayes is sure of another label for the items, were their row not in the data."""

    def score(label: str) -> float:
        less = 1 if label == own else 0
        total = max(priors[label] - less, 1)
        return log(total) + sum(log((counts[item][label] - less + 0.5) / (total + 1)) for item in items)

    ours = score(own)
    return any(score(label) > ours + TRIGGER["sure"] for label in classes if label != own)


DETECTOR = Detector(
    id="data.training-rows",
    kind=Kind.DATA,
    serves=frozenset({Discipline.SECURING_AI}),
    risks=("poisoning.labels",),
    severity=Severity.MEDIUM,
    cost=Cost.INLINE,
    source="NIST AI 100-2 E2025 (NISTAML.013); MITRE ATLAS AML.T0020; see training_rows.toml",
    summary="training rows with contradicting labels, or labels that hang on one word or value",
    examine=examine,
)
