"""Backdoors in tables: values of one to four columns whose rows have a label that the rest of them does not explain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bartizan.assess.how import How
from bartizan.assess.measured import wilson
from bartizan.assess.poison.groups import Group
from bartizan.assess.poison.looked import Looked
from bartizan.assess.poison.neighbours import nearest
from bartizan.assess.poison.triggers import Backdoor, Held, Stamp, rate, tried
from bartizan.assess.target import Array, Target

LEAST = 4  # rows of a rule
FEW = 10  # rows below which nothing tells a planted value from one that is rare and means much
SMALL = 0.002  # of all rows: the same, for a census has more values of both kinds the more rows it has
DEPTH = 4  # columns of a rule
ITEMS = 400  # values that rules are made of
BEAM = 60
PURE = 0.85
SURPRISING = 3.5  # standard deviations of the number of rows with the label
CANDIDATES = 25  # rules of a class that go on trial
RARE = 0.35  # share of all rows that have a value which belongs to a trigger, at most
NEAR = 12  # rows beside a value
DECIDED = 0.8  # of the rows beside a value that have the label: the column says it, nobody planted it
SPIKE = 3.0  # standard deviations over the class's share: values whose rows are not asked about each other
BINS = 10  # of a column, where each acts for itself
TERMS = 1200  # of all columns together, about
SOME = 100  # rows that a rule is tried on without one of its items
LITTLE = 0.03  # of them: less than this is no difference
CONTROLS = 16
MANY = 40  # values of a column that has values beside each other
SURE = 6.0  # standard deviations: what a rule in columns that decide the class has to be surprising by
ALONE = 0.1  # of all rows that have a value which is a trigger alone, at most
TOGETHER = 10.0  # times as often as chance puts the values into a row of the class
SUCCESS = 0.35  # Less is what rare values of honest tables do.


@dataclass(frozen=True, slots=True)
class Values:
    """Sets columns to values."""

    columns: tuple[int, ...]
    values: tuple[float, ...]

    def __call__(self, x: Array) -> Array:
        flat = x.reshape(len(x), -1).copy()
        flat[:, list(self.columns)] = self.values
        return flat.reshape(x.shape)


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows in which every item (column, value) holds; `z`: how surprising their labels are."""

    items: tuple[tuple[int, float], ...]
    rows: Array  # bool
    z: float


def backdoors(
    target: Target, looked: Looked, held: Held, how: How, names: tuple[str, ...]
) -> tuple[list[Backdoor], list[Group]]:
    """Confirmed backdoors, and rules that nothing confirmed."""
    how.progress("values of columns")
    raw = looked.x.reshape(len(looked.x), -1)
    items = _items(raw, looked)
    confirmed: list[Backdoor] = []
    unconfirmed: list[Group] = []
    for label in range(looked.classes):
        for rule in _rules(raw, items, looked, label):
            rows = np.flatnonzero(rule.rows & (looked.labels == label))
            taken = np.concatenate([one.rows for one in confirmed]) if confirmed else np.empty(0, np.int64)
            if how.budget.spent or np.isin(rows, taken).mean() > 0.5:
                continue
            found = None
            if len(rows) >= max(FEW, SMALL * len(raw)):
                found = _on_trial(target, looked, held, raw, rule, rows, label, how.seed, names)
            if found is not None:  # A rule with a chance column too many was met before the rule itself.
                confirmed = [one for one in confirmed if np.isin(one.rows, found.rows).mean() < 0.8]
                confirmed.append(found)
            elif len(unconfirmed) < 20:
                unconfirmed.append(Group(label, rows, np.ones(len(rows)), rule.z, 1.0))
    return confirmed, unconfirmed


@dataclass(frozen=True, slots=True)
class _Items:
    column: Array
    value: Array
    holds: Array  # (n, items) float32 of 0 and 1


def _items(raw: Array, looked: Looked) -> _Items:
    """Repeated values whose rows have a label more often than expected or than usual, the most surprising first."""
    n = np.arange(len(raw))
    surprise = 1 - looked.expected[n, looked.labels] / np.maximum(looked.expected.sum(axis=1), 1e-6)
    usual = float(surprise.mean())
    base = np.bincount(looked.labels, minlength=looked.classes) / len(raw)
    spread = np.sqrt(np.maximum(base * (1 - base), 1e-9))
    found: list[tuple[float, int, float]] = []
    for column in range(raw.shape[1]):
        values, inverse, counts = np.unique(raw[:, column], return_inverse=True, return_counts=True)
        sums = np.bincount(inverse, weights=surprise)
        table = np.zeros((len(values), looked.classes))
        np.add.at(table, (inverse, looked.labels), 1)
        root = np.sqrt(counts)
        z = np.maximum((sums - usual * counts) / root, ((table - base * counts[:, None]) / spread).max(axis=1) / root)
        kept = np.flatnonzero((counts >= LEAST) & (counts <= RARE * len(raw)))
        found += [(float(z[at]), column, float(values[at])) for at in kept]
    found.sort(reverse=True)
    found = found[:ITEMS]
    of = np.array([one[1] for one in found], np.int64)
    value = np.array([one[2] for one in found], np.float64)
    holds = (raw[:, of] == value.astype(raw.dtype)[None, :]).astype(np.float32) if found else np.empty((len(raw), 0))
    return _Items(of, value, np.asarray(holds, np.float32))


def _rules(raw: Array, items: _Items, looked: Looked, label: int) -> Iterator[Rule]:
    """The most surprising rules of a class that differ in their rows (beam search over conjunctions)."""
    count = len(items.column)
    if not count:
        return
    mine = (looked.labels == label).astype(np.float32)
    share = _share(items, looked, mine, label, _additive(raw, mine))
    rest, spread = (mine - share).astype(np.float32), (share * (1 - share)).astype(np.float32)
    chosen: list[tuple[float, tuple[int, ...]]] = []
    level: list[tuple[int, ...]] = [()]
    beam = np.ones((len(rest), 1), np.float32)
    for _ in range(min(DEPTH, count)):
        number = beam.T @ items.holds
        pure = (beam * mine[:, None]).T @ items.holds / np.maximum(number, 1)
        z = (beam * rest[:, None]).T @ items.holds / np.sqrt(np.maximum((beam * spread[:, None]).T @ items.holds, 1e-6))
        z[number < LEAST] = -np.inf
        for row, known in enumerate(level):
            same = np.isin(items.column, items.column[list(known)]) if known else np.zeros(count, bool)
            z[row, same] = -np.inf
        seen: set[tuple[int, ...]] = set()
        following = []
        for flat in np.argsort(-z, axis=None)[: 8 * BEAM]:
            at, item = divmod(int(flat), count)
            rule = tuple(sorted((*level[at], item)))
            if z[at, item] <= 0 or rule in seen:
                continue
            seen.add(rule)
            following.append(rule)
            if z[at, item] >= SURPRISING and pure[at, item] >= PURE:
                chosen.append((float(z[at, item]), rule))
        level = following[: BEAM if level[0] else 3 * BEAM]
        if not level:
            break
        beam = np.stack([items.holds[:, list(rule)].prod(axis=1) for rule in level], axis=1)
    told: list[Array] = []
    for z_of, rule in sorted(chosen, reverse=True):
        rows = items.holds[:, list(rule)].prod(axis=1) > 0
        if any((rows & one).sum() > 0.8 * (rows | one).sum() for one in told):
            continue
        told.append(rows)
        yield Rule(tuple((int(items.column[at]), float(items.value[at])) for at in rule), rows, z_of)
        if len(told) >= CANDIDATES:
            return


def _share(items: _Items, looked: Looked, mine: Array, label: int, additive: Array) -> Array:
    """How likely each row has the label, by rows like it; rows of one suspicious value do not vouch for each other."""
    share = looked.expected[:, label] / np.maximum(looked.expected.sum(axis=1), 1e-6)
    share = 0.5 * (share + looked.opinion[:, label])
    base, number = float(mine.mean()), items.holds.sum(axis=0)
    inside = mine @ items.holds
    spike = (inside - base * number > SPIKE * np.sqrt(base * (1 - base) * number)) & (inside >= PURE * number)
    rows = np.asarray(items.holds[:, spike].sum(axis=1) > 0)
    if 0 < rows.sum() <= 0.3 * len(rows):
        near = nearest(looked.short, np.flatnonzero(rows), np.flatnonzero(~rows)[:12_000], 10)
        share[rows] = mine[near.index].mean(axis=1)
    return np.clip(np.minimum(share, additive), 0.02, 0.98)


def _additive(raw: Array, mine: Array) -> Array:
    """How likely each row has the label by its columns one by one (least squares on bins).

    Rows that share a planted rule vouch for each other wherever columns may act together; here they cannot.
    """
    parts = [np.ones((len(raw), 1), np.float32)]
    many = max(1, min(BINS, TERMS // max(1, raw.shape[1])))
    for column in raw.T:
        finite = np.nan_to_num(np.asarray(column, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        values = np.unique(finite)
        inner = np.linspace(0, 1, many + 1)[1:-1]
        edges = 0.5 * (values[1:] + values[:-1]) if len(values) <= many else np.unique(np.quantile(finite, inner))
        if len(edges):
            parts.append((finite[:, None] > edges[None, :]).astype(np.float32))
    terms = np.hstack(parts)
    inside = terms.T @ terms
    inside[np.diag_indices_from(inside)] += 1e-3 * len(terms)
    return np.asarray(terms @ np.linalg.solve(inside, terms.T @ mine))


def _on_trial(
    target: Target,
    looked: Looked,
    held: Held,
    raw: Array,
    rule: Rule,
    rows: Array,
    label: int,
    seed: int,
    names: tuple[str, ...],
) -> Backdoor | None:
    generator = np.random.default_rng(seed)
    items = _needed(target, held, label, _closed(raw, rule, rows))
    columns = tuple(column for column, _ in items)
    if _region_decides(looked, raw, rule, label):
        return None
    if _one_says_it(raw, rule, looked.labels == label) or not _put_together(raw, looked.labels == label, items):
        return None
    stamp = _stamp(items)
    honest = np.flatnonzero((looked.labels == label) & ~rule.rows)
    controls: list[Stamp] = [
        Values(columns, tuple(raw[row, list(columns)].tolist())) for row in generator.permutation(honest)[:CONTROLS]
    ]
    # Two honest values of a class seldom meet in a row, yet both may say the class; of one value any is a fair control.
    trial = tried(target, stamp, controls, held, label, usual=0.75 if len(items) > 1 else 1.0)
    beside = _beside(raw, items, generator)
    apart = (trial is None or not trial.moved) and rule.z >= SURE and bool(beside)
    if apart:  # In columns that decide the class honest values move as many rows; values beside these ones do not.
        trial = tried(target, stamp, beside, held, label, usual=0.75)
    if trial is None or not trial.moved or trial.success.share < SUCCESS:
        return None
    if any(
        rate(target, one, held.of(label), label).share >= trial.success.share - LITTLE
        for one in _deciding(raw, looked.labels == label, items)
    ):
        return None
    others = np.setdiff1d(np.flatnonzero(looked.labels != label), rows)
    left = np.setdiff1d(np.arange(raw.shape[1]), columns)
    near = nearest(looked.flat[:, left] if len(left) else looked.flat, rows, others[:6000], 1).index[:, 0]
    bare = raw[rows].copy()
    bare[:, list(columns)] = raw[near][:, list(columns)]
    said = target.labels(bare.reshape(len(rows), *looked.x.shape[1:]))
    hangs = wilson(int((said != label).sum()), len(rows))
    if apart and trial.success.share < 0.5:
        return None
    above, error = _like_its_class(looked, raw, rule, rule.rows, looked.labels == label)
    if hangs.share < 0.5 or above - error > 0:  # Labels that the other columns bear out: a value that means the class.
        return None
    words = " and ".join(f"{names[c] if c < len(names) else f'column {c}'} = {v:g}" for c, v in items)
    return Backdoor(rows, np.full(len(rows), rule.z), words, "columns", trial, hangs, stamp)


def _beside(raw: Array, items: tuple[tuple[int, float], ...], generator: np.random.Generator) -> list[Stamp]:
    """The rule with other values near its own; none unless two of its columns have many values."""
    shifted: list[list[float]] = []
    for column, value in items:
        values = np.unique(raw[:, column])
        values = values[np.isfinite(values)]
        at = int(np.searchsorted(values, value))
        away = generator.integers(2, 16, CONTROLS) * generator.choice((-1, 1), CONTROLS)
        many = len(values) >= MANY
        shifted.append(values[np.clip(at + away, 0, len(values) - 1)].tolist() if many else [value] * CONTROLS)
    if sum(len(set(one)) > 1 for one in shifted) < 2:
        return []
    columns = tuple(column for column, _ in items)
    return [Values(columns, tuple(one)) for one in zip(*shifted, strict=True)]


def _put_together(raw: Array, mine: Array, items: tuple[tuple[int, float], ...]) -> bool:
    """Whether rows of the class have the values together far more often than the values alone would meet.

    Nothing else tells what was planted from a class that follows from its columns by a rule. One value meets nothing:
    it has to be rare, in a column of numbers.
    """
    if len(items) == 1:
        [(column, value)] = items
        rare = float((raw[:, column] == np.asarray(value, raw.dtype)).mean()) <= ALONE
        return rare and len(np.unique(raw[:, column])) >= MANY
    has = np.stack([raw[mine, column] == np.asarray(value, raw.dtype) for column, value in items])
    every = has.all(axis=0)
    alone = (has & ~every).sum(axis=1) / max(1, int((~every).sum()))
    return bool(every.sum() >= TOGETHER * alone.prod() * mine.sum())


def _deciding(raw: Array, mine: Array, items: tuple[tuple[int, float], ...]) -> list[Stamp]:
    """The rule with the value of the nearest other row of the class, for columns that say the class there."""
    stamps: list[Stamp] = []
    for at, (column, value) in enumerate(items):
        away = np.abs(raw[:, column] - value)
        away[away == 0] = np.inf
        beside = np.argsort(away, kind="stable")[:NEAR]
        if len(np.unique(raw[:, column])) >= MANY and mine[beside].mean() >= DECIDED:
            stamps += [
                _stamp([*items[:at], (column, float(other)), *items[at + 1 :]])
                for other in np.unique(raw[beside, column])
            ]
    return stamps


def _one_says_it(raw: Array, rule: Rule, mine: Array) -> bool:
    """Whether one value of a rule says the class in rows outside the rule as well: then the others pick, of the rows
    that have it, those that look like another class, and the rule is no proof against the value."""
    base = float(mine.mean())
    for column, value in rule.items if len(rule.items) > 1 else ():
        outside = mine[(raw[:, column] == np.asarray(value, raw.dtype)) & ~rule.rows]
        share = max(PURE, base + SPIKE * float(np.sqrt(base * (1 - base) / max(1, len(outside)))))
        if len(outside) >= LEAST and outside.mean() >= min(share, 1.0):
            return True
    return False


def _closed(raw: Array, rule: Rule, rows: Array) -> tuple[tuple[int, float], ...]:
    """The rule with every other value that nearly all of its rows share and few others have."""
    items = dict(rule.items)
    for column in range(raw.shape[1]):
        if column in items:
            continue
        values, counts = np.unique(raw[rows, column], return_counts=True)
        at = int(np.argmax(counts))
        if counts[at] >= 0.95 * len(rows) and float((raw[:, column] == values[at]).mean()) <= RARE:
            items[column] = float(values[at])
    return tuple(sorted(items.items()))


def _needed(
    target: Target, held: Held, label: int, items: tuple[tuple[int, float], ...]
) -> tuple[tuple[int, float], ...]:
    """The items without which the others do less: what does nothing makes no trigger out of an honest value."""
    tried_on = held.of(label, most=SOME)
    kept = list(items)
    whole = rate(target, _stamp(kept), tried_on, label).share
    for item in items:
        fewer = [one for one in kept if one != item]
        if fewer and rate(target, _stamp(fewer), tried_on, label).share >= whole - LITTLE:
            kept = fewer
    return tuple(kept)


def _stamp(items: Sequence[tuple[int, float]]) -> Values:
    return Values(tuple(column for column, _ in items), tuple(value for _, value in items))


def _region_decides(looked: Looked, raw: Array, rule: Rule, label: int) -> bool:
    """Whether one of the columns decides the label around its value, and the rows with the value are like their class.

    Whoever plants a value puts it on rows of other classes; who has it by nature is like others of the class in the
    remaining columns as well.
    """
    mine = looked.labels == label
    for column, value in rule.items:
        has = raw[:, column] == np.asarray(value, raw.dtype)
        away = np.where(has, np.inf, np.abs(raw[:, column] - value))
        beside = np.argsort(away, kind="stable")[:NEAR]
        if mine[beside].mean() < DECIDED:
            continue
        above, error = _like_its_class(looked, raw, rule, has, mine)
        if above + 2 * error > 0:
            return True
    return False


def _like_its_class(looked: Looked, raw: Array, rule: Rule, carriers: Array, mine: Array) -> tuple[float, float]:
    """How much more the carriers are like rows of the class than halfway between these and others, in the columns that
    the rule does not name, and the standard error; (0, 1) where too few rows or no other columns say it."""
    rest = np.setdiff1d(np.arange(raw.shape[1]), [one for one, _ in rule.items])
    rows = np.flatnonzero(carriers)
    if len(rows) < LEAST or not len(rest):
        return 0.0, 1.0
    generator = np.random.default_rng(0)
    others = generator.permutation(np.flatnonzero(~carriers))[:6000]
    some = generator.permutation(others)[:300]
    seen = mine[nearest(looked.flat[:, rest], np.concatenate([rows, some]), others, 10).index].mean(axis=1)
    ours, theirs = seen[: len(rows)], seen[len(rows) :]
    middle = 0.5 * (theirs[mine[some]].mean() + theirs[~mine[some]].mean())
    return float(ours.mean() - middle), float(ours.std() / np.sqrt(len(ours)))
