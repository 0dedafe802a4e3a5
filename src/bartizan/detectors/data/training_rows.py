"""Training rows with labels that contradict each other, or that hang on one word or value alone.

A quick look without the model, in plain counts. Rows that are the same but labelled differently cannot all be right.
Where everything else in a row speaks for another label (naive Bayes, the row itself left out), and nearly all rows with
some rare word, phrase or value are like that, it may be a trigger: `bartizan assess` can confirm it on the model, this
cannot.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from math import exp, lgamma, log

from bartizan import rules
from bartizan.core.detector import Cost, Detector, Discipline, Hits
from bartizan.core.finding import Finding, Place, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.readers.table import Table

LIMITS = rules.load("bartizan.detectors.data", "training_rows.toml")
LABELS = frozenset(LIMITS["columns"]["labels"])
CONTRADICTION, TRIGGER = LIMITS["contradiction"], LIMITS["trigger"]
WORDS_OF_A_TEXT = 3  # in the middle of a column's cells: fewer are one value
EVEN = 3.0  # rows like all others that each label is given
MOST_ITEMS = 100  # of a row
MOST_ROWS = 20_000  # that phrases are counted in
MOST_OF_A_LABEL = 300  # rows that say what is usual


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
    rows = _hanging(_items(table, at), labels, table, at)
    if rows:
        because = f"the labels of {len(rows):,} of {len(labels):,} rows hang on a word, phrase or value that they share"
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


def _phrases(table: Table, at: int, counts: dict[str, Counter[str]]) -> dict[tuple[str, ...], list[int]]:
    """Rows of each two and three words in a row that enough rows have, in any column of text."""
    where: dict[tuple[str, ...], list[int]] = defaultdict(list)
    known = {word for word, labels in counts.items() if labels.total() >= TRIGGER["least_rows"]}
    for number, row in enumerate(table.rows[:MOST_ROWS]):
        here: set[tuple[str, ...]] = set()
        for column, cell in enumerate(row):
            words = [] if column == at else cell.lower().split()[:MOST_ITEMS]
            for size in (2, 3):
                here.update(p for p in zip(*(words[i:] for i in range(size)), strict=False) if known.issuperset(p))
        for phrase in here:
            where[phrase].append(number)
    return where


def _hanging(rows: list[frozenset[str]], labels: list[str], table: Table, at: int) -> set[int]:
    """Rows with a word, phrase or value of one label only, where all else in most of them speaks for another label.

    How often that is so of any row of the label is counted first: what chance gives to one of all phrases is nothing.
    """
    bayes = _Bayes(rows, labels)
    where: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, items in enumerate(rows):
        for item in items:
            where[item,].append(row)
    alone = {item: len(having) for (item,), having in where.items()}
    where |= _phrases(table, at, bayes.counts)
    most = TRIGGER["most_share"] * len(rows)
    looked = {item: having for item, having in where.items() if TRIGGER["least_rows"] <= len(having) <= most}
    found: set[int] = set()
    for words, having in looked.items():
        label, inside = Counter(labels[row] for row in having).most_common(1)[0]
        if inside < TRIGGER["pure"] * len(having):
            continue
        together = Counter(one for row in having for one in rows[row])
        company = {one for one, number in together.items()  # What always comes with it is the rest of the trigger.
                   if number >= 0.8 * len(having) and alone[one] <= 3 * len(having)}  # fmt: skip
        company.update(words)
        mine = [row for row in having if labels[row] == label]
        rests = {rows[row] - company for row in mine}  # Copies of one text speak once.
        if len(rests) < TRIGGER["least_rows"]:
            continue
        against = sum(bayes.against(rest, label) for rest in rests)
        chance = _tail(against, len(rests), bayes.usual(label)) * len(looked)
        if against >= TRIGGER["against"] * len(rests) and chance <= TRIGGER["chance"]:
            found.update(mine)
    return found


class _Bayes:
    """Naive Bayes over items, each row judged as though it were not in the data."""

    def __init__(self, rows: list[frozenset[str]], labels: list[str]) -> None:
        self.rows, self.labels = rows, labels
        self.priors = Counter(labels)
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._usual: dict[str, float] = {}
        for items, label in zip(rows, labels, strict=True):
            for item in items:
                self.counts[item][label] += 1

    def against(self, items: frozenset[str], own: str) -> bool:
        """Whether the items of a row with the label `own` are surely of another one, however many rows have it."""
        less = {label: 1 if label == own else 0 for label in self.priors}
        score = dict.fromkeys(self.priors, 0.0)
        for item in items:
            count = self.counts[item]
            usual = EVEN * count.total() / len(self.labels)  # What no class has says nothing against a small one.
            for label, prior in self.priors.items():
                total = max(prior - less[label], 1)
                score[label] += log((count[label] - less[label] + usual) / (total + EVEN))
        ours = score.pop(own)
        return bool(max(score.values()) > ours + TRIGGER["sure"])

    def usual(self, label: str) -> float:
        """How often that is so of a row of the label (the first of them)."""
        if label not in self._usual:
            some = [row for row, own in enumerate(self.labels) if own == label][:MOST_OF_A_LABEL]
            hits = sum(self.against(self.rows[row], label) for row in some)
            self._usual[label] = (hits + 1) / (len(some) + 2)
        return self._usual[label]


def _tail(hits: int, of: int, share: float) -> float:
    """The chance of at least so many hits (binomial)."""
    logs = (lgamma(of + 1) - lgamma(k + 1) - lgamma(of - k + 1) + k * log(share) + (of - k) * log(1 - share)
            for k in range(hits, of + 1))  # fmt: skip
    return min(1.0, sum(exp(one) for one in logs))


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
