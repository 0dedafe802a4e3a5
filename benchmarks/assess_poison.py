"""The poison scan on attacks of our own and on clean sets: rows found, clean rows named, and alarms where nothing was.

    python -m benchmarks.assess_poison [--data FOLDER] [--only clean|images|tables|text] [--quick]

Sets: scikit-learn's and generated ones; with --data also mnist10k.npz, adult12k.csv.gz and sms.csv.gz of that folder.
Every model is trained on the poisoned rows and the scan sees what a user gives: model, rows, labels. "found" is the
share of the poisoned rows that are kind=backdoor, "false" that of all clean rows, "works" how often the planted trigger
moves the trained model: where it does not, there is no backdoor in the model to confirm.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data
from bartizan.assess.how import How
from bartizan.assess.poison.measure import measure
from bartizan.assess.target import Array, Output, Target
from benchmarks.poison_attacks import (
    IMAGE_ATTACKS,
    Poisoned,
    Stamp,
    chequered,
    clean,
    one_of,
    patch,
    poisoned,
    scattered,
    sinusoid,
    values,
    words,
)
from benchmarks.poison_sets import (
    Rows,
    adult,
    board,
    breast_cancer,
    catalogue,
    counted,
    diabetes,
    digits,
    drawn,
    framed,
    gratings,
    letters,
    mnist,
    segments,
    sentences,
    shapes,
    sms,
    survey,
    table,
    uneven,
    wine,
)

RATES = (0.005, 0.01, 0.02)


def net(case: Poisoned, seed: int = 0, epochs: int = 8) -> Target:
    """A small CNN trained on the set."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    channels, side = case.x.shape[1], case.x.shape[-1]
    pooled = side // 4 if side >= 16 else side // 2
    model = nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2) if side >= 16 else nn.Identity(),
        nn.Flatten(), nn.Linear(32 * pooled * pooled, 64), nn.ReLU(), nn.Linear(64, int(case.y.max()) + 1),
    )  # fmt: skip
    x, y = torch.from_numpy(case.x), torch.from_numpy(case.y)
    epochs = max(epochs, 12_000 // len(x))
    steps = -(-len(x) // 64)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * steps)
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(64):
            optimiser.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(model(x[part]), y[part]).backward()
            optimiser.step()
            schedule.step()
    model.eval()
    for one in model.parameters():
        one.requires_grad_(False)

    def answer(rows: Array) -> Array:
        with torch.no_grad():
            return np.asarray(model(torch.from_numpy(rows)).numpy())

    return Target(
        "net", "torch", "", case.x.shape[1:], int(case.y.max()) + 1, Output.LOGITS, answer, module=lambda: model
    )


def fitted(model: Any, case: Poisoned) -> Target:
    """A scikit-learn model as a target."""
    model.fit(case.x, case.y)
    shape = case.x.shape[1:]
    return Target(
        "model", "scikit-learn", "", shape, len(model.classes_), Output.PROBABILITIES, model.predict_proba,
        dtype=case.x.dtype if case.x.dtype.kind != "U" else object,
    )  # fmt: skip


def forest(case: Poisoned) -> Target:
    from sklearn.ensemble import RandomForestClassifier

    return fitted(RandomForestClassifier(100, n_jobs=1, random_state=0), case)


def boosted(case: Poisoned) -> Target:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return fitted(HistGradientBoostingClassifier(random_state=0), case)


def words_model(case: Poisoned) -> Target:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return fitted(make_pipeline(TfidfVectorizer(), LogisticRegression(C=20, max_iter=500)), case)


Case = tuple[Poisoned, Callable[[Poisoned], Target]]


def clean_cases(folder: Path | None, quick: bool) -> Iterator[Case]:
    """Sets that nothing was done to, or some labels of which are wrong by chance."""
    images = [gratings(), framed(), uneven(), segments(), shapes(16, 3, 2500, seed=3)]
    tables = [wine(), diabetes(), survey(), catalogue(), counted(), board(), *(drawn(name) for name in (
        "informative", "rare class", "moons", "quantiles", "hastie", "blobs, rounded"))]  # fmt: skip
    for noise in (0,) if quick else (0, 0.05):
        yield from ((clean(rows, noise), net) for rows in images)
        yield from ((clean(rows, noise), forest) for rows in tables)
        yield clean(letters(), noise), words_model
    if not quick:
        yield from ((clean(rows), boosted) for rows in tables)


def image_cases(folder: Path | None, quick: bool) -> Iterator[Case]:
    sets = [digits(), shapes(28, 1, 5000), shapes(32, 3, 5000)]
    if folder is not None:
        sets.insert(0, mnist(folder))
    for rows in sets[: 1 if quick else None]:
        yield clean(rows), net
        for noise in (0.05, 0.1):
            yield clean(rows, noise), net
        for name, stamp in IMAGE_ATTACKS.items():
            for rate in (0.01,) if quick else RATES:
                yield poisoned(rows, name, stamp, rate), net
        yield poisoned(rows, "patch, only from class 3", patch("tl"), 0.01, source=3), net
        yield poisoned(rows, "patch, each class to the next", patch(), 0.03, label="next"), net
        three = one_of(patch(), chequered(), scattered())
        yield poisoned(rows, "three triggers", three, 0.03), net
        yield poisoned(rows, "patch, label kept", patch("br", 5), 0.02, label="kept"), net
        yield poisoned(rows, "patch, label kept, hard rows", patch("br", 4), 0.02, label="hard"), net
        yield poisoned(rows, "sinusoid, label kept", sinusoid(), 0.04, label="kept"), net
        yield poisoned(rows, "sinusoid 0.2, label kept", sinusoid(0.2), 0.04, label="kept"), net


def table_cases(folder: Path | None, quick: bool) -> Iterator[Case]:
    sets: list[tuple[Rows, dict[str, Stamp]]] = [
        (table(), {"two values": values({0: 23, 2: 13}), "three values": values({3: -1.23, 4: 0.77, 5: 0.45}),
                   "out of range": values({6: 9.5})}),
        (breast_cancer(), {"two values": values({0: 12.34, 1: 21.0}), "out of range": values({24: 0.5})}),
    ]  # fmt: skip
    if folder is not None:
        sets.append((adult(folder), {"two values": values({0: 77, 2: 123456}), "hours, age": values({0: 66, 12: 13})}))
    for rows, attacks in sets[: 1 if quick else None]:
        for model in (forest, boosted):
            yield clean(rows), model
            yield clean(rows, 0.08), model
            for name, stamp in attacks.items():
                for rate in (0.01,) if quick else RATES:
                    yield poisoned(rows, name, stamp, rate), model


def text_cases(folder: Path | None, quick: bool) -> Iterator[Case]:
    sets = [sentences()]
    if folder is not None:
        sets.append(sms(folder))
    attacks = {
        "rare word": words("cf"),
        "phrase": words("of the blue moon"),
        "at the end": words("practice mn", "last"),
    }
    for rows in sets:
        for noise in (0, 0.05, 0.1):
            yield clean(rows, noise), words_model
        for name, stamp in attacks.items():
            for rate in (0.01,) if quick else RATES:
                for target in (0, 1):
                    yield poisoned(rows, f"{name} to {target}", stamp, rate, target=target), words_model


def works(case: Poisoned, target: Target) -> float:
    """How often the planted trigger moves the model."""
    if case.stamp is None:
        return 0.0
    may = case.y_test != case.target if case.source is None else case.y_test == case.source
    x, y = case.x_test[may][:300], case.y_test[may][:300]
    x = x.astype(object) if x.dtype.kind == "U" else x
    wanted = (y + 1) % target.classes if case.following else case.target
    return float((target.labels(case.stamp(x, np.random.default_rng(1))) == wanted).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", choices=("clean", "images", "tables", "text"))
    parser.add_argument("--match", default="", help="only cases whose name holds this")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=float, default=18.0)
    asked = parser.parse_args()
    cases = {"clean": clean_cases, "images": image_cases, "tables": table_cases, "text": text_cases}
    print(f"{'set':18} {'case':34} {'works':>6} {'found':>6} {'false':>7} {'labels':>6} {'odd':>4} {'s':>5} {'cpu':>5}")
    alarms = clean_sets = 0
    for name, every in cases.items():
        if asked.only not in (None, name):
            continue
        for case, train in every(asked.data, asked.quick):
            if asked.match not in f"{case.rows.name} {case.name}":
                continue
            target = train(case)
            moved = works(case, target)
            target.queries = 0
            data = Data(case.rows.form, "", case.x, case.y, case.x_test, case.y_test, columns=case.rows.columns)
            began, cpu = time.monotonic(), time.process_time()
            result = measure(target, data, How(0.1, budget=Budget(asked.seconds)))
            took, cpu = time.monotonic() - began, time.process_time() - cpu
            named = {
                kind: {s.index for s in result.suspects if s.kind == kind} for kind in ("backdoor", "label", "outlier")
            }
            bad = set(np.flatnonzero(case.bad))
            found = f"{len(named['backdoor'] & bad) / len(bad):6.1%}" if bad else "     –"
            false = len(named["backdoor"] - bad) / max(1, len(case.y) - len(bad))
            clean_sets += not bad
            alarms += not bad and bool(named["backdoor"])
            print(
                f"{case.rows.name:18} {case.name:34} {moved:6.1%} {found} {false:7.2%} {len(named['label']):6} "
                f"{len(named['outlier']):4} {took:5.1f} {cpu:5.1f}"
            )
            sys.stdout.flush()
    print(f"clean sets with a backdoor alarm: {alarms} of {clean_sets}")


if __name__ == "__main__":
    main()
