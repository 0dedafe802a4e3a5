"""Text models under edits: ours beside the usual greedy search, the exact answer of linear models, and hardening.

    python -m benchmarks.assess_text                            two corpora that need no download
    python -m benchmarks.assess_text --data sms.csv             a CSV with the columns text and label instead

The corpora: `docs`, the first paragraph of each docstring of Python's standard library against those of numpy, scipy
and scikit-learn (English that people wrote); `spam`, generated messages in which offers and small talk share most of
their words. A fifth of the words of each text may be edited. The greedy search is the usual one: words in the order in
which leaving them out hurts, each spelt in the way of ours that hurts most, until the label changes. Both searches know
the same spellings; ours adds neighbours, good words and combinations. `of label 1`: what ours leaves of those texts,
spam or a numerical library's; `proven`: right whichever words become unreadable, of linear models. CPU seconds, of the
attack for a text, are user and system time of this process.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import re
import resource
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.evasion.texts import Texts, texts
from bartizan.assess.evasion.wording import edited, worded
from bartizan.assess.how import How
from bartizan.assess.measured import wilson
from bartizan.assess.reading import read_data
from bartizan.assess.target import Array, Target
from bartizan.assess.targets.scikit import of_estimator
from bartizan.harden.text import harden_text

SHARE = 0.2
LIBRARIES = ("numpy", "scipy.optimize", "scipy.stats", "scipy.signal", "scipy.linalg", "sklearn")
OFFERS = "win cash prize claim urgent call free mobile award voucher offer collect bonus customer text reply"
TALK = "lunch home later sorry tomorrow meeting thanks love work night dinner going see you mum bus"
BOTH = "the a to is now your me for and you in on it we have be at with this my so just can will up not if do"


def cpu_seconds() -> float:
    """User and system time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def paragraphs(modules: Iterator[str]) -> Iterator[str]:
    """First paragraphs of docstrings of six words and more."""
    for name in modules:
        try:
            module = importlib.import_module(name)
        except (ImportError, OSError, SystemExit):
            continue  # Of another system.
        for one in vars(module).values():
            for held in (one, *(vars(one).values() if inspect.isclass(one) else ())):
                told = getattr(held, "__doc__", None) if callable(held) else None
                if isinstance(told, str) and str(getattr(held, "__module__", "")).split(".")[0] == name.split(".")[0]:
                    text = " ".join(re.split(r"\n\s*\n", inspect.cleandoc(told))[0].split())
                    if len(text.split()) >= 6:
                        yield text


def docs() -> tuple[Array, Array]:
    """Whose docstring: the standard library's (0) or a numerical library's (1)."""
    plain = sorted(name for name in sys.stdlib_module_names if not name.startswith("_"))
    plain = [name for name in plain if name not in {"antigravity", "this", "idlelib", "turtledemo", "lib2to3"}]
    ours = sorted(set(paragraphs(iter(plain))))
    found = []
    for library in LIBRARIES:
        top = importlib.import_module(library)
        found += [library, *(f"{library}.{one.name}" for one in pkgutil.iter_modules(top.__path__)
                             if not one.name.startswith("_") and one.name not in {"conftest", "tests"})]  # fmt: skip
    theirs = sorted(set(paragraphs(iter(found))))
    return np.array(ours + theirs), np.repeat([0, 1], [len(ours), len(theirs)])


def spam(count: int = 2000) -> tuple[Array, Array]:
    """Messages of 5 to 30 words: of a third of them each speaks for its class, and some of those for the other."""
    chance = np.random.default_rng(1)
    labels = (chance.random(count) < 0.4).astype(np.int64)
    said, offers, talk, both = [], OFFERS.split(), TALK.split(), BOTH.split()
    for label in labels:
        mine, other = (offers, talk) if label else (talk, offers)
        length = int(chance.integers(5, 31))
        kinds = chance.choice(3, length, p=[0.3, 0.07, 0.63])
        said.append(" ".join(str(chance.choice((mine, other, both)[kind])) for kind in kinds))
    return np.array(said), labels


def split(x: Array, y: Array) -> Data:
    """Seven tenths to train with."""
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x.astype(object)[order], y[order]
    cut = int(0.7 * len(x))
    return Data(Form.TEXT, "", x[:cut], y[:cut], x[cut:], y[cut:])


def models() -> dict[str, Any]:
    """Linear, a naive Bayes, pieces of words, and a small net."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline

    net = MLPClassifier((32,), early_stopping=True, max_iter=40, random_state=0)
    return {
        "TF-IDF, logistic": make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000)),
        "counts, naive Bayes": make_pipeline(CountVectorizer(), MultinomialNB()),
        "pieces of words, logistic": make_pipeline(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), max_features=30000),
            LogisticRegression(max_iter=1000),
        ),
        "TF-IDF, net of 32": make_pipeline(TfidfVectorizer(max_features=2000), net),
    }


def greedy(target: Target, data: Data, rows: int) -> int:
    """How many texts the usual search leaves right."""
    assert data.x_test is not None and data.y_test is not None
    stand = 0
    for text, label in zip(data.x_test[:rows], data.y_test[:rows], strict=True):
        cut = worded(str(text))
        done: dict[int, str] = {}
        allowed = int(SHARE * len(cut.words) + 1e-9)
        fell = int(target.labels(np.array([str(text)]))[0]) != label
        if allowed and not fell:
            without = target.scores(np.array([cut.text({at: ""}) for at in range(len(cut.words))]))[:, label]
            for at in np.argsort(without, kind="stable")[:allowed]:
                ways = list(edited(cut.words[at]))
                if not ways:
                    continue
                asked = np.array([cut.text({**done, int(at): way}) for way in ways])
                done[int(at)] = ways[int(target.scores(asked)[:, label].argmin())]
                fell = int(target.labels(np.array([cut.text(done)]))[0]) != label
                if fell:
                    break
        stand += not fell
    return stand


def judged_again(target: Target, found: Texts) -> bool:
    """Whether every text that was told to fall does, alone and within its share of words."""
    for one in found.spelt:
        if one.row is not None:
            before, after = str(found.texts[one.index]).split(), one.row.split()
            changed = sum(a != b for a, b in zip(before, after, strict=False)) + len(after) - len(before)
            if changed > SHARE * len(before) or int(target.labels(np.array([one.row]))[0]) == found.labels[one.index]:
                return False
    return True


def told(hits: int, of: int) -> str:
    """A share with its interval."""
    rate = wilson(hits, of)
    return f"{rate.share:.1%} ({rate.low * 100:.1f} to {rate.high * 100:.1f})"


def attacked(corpora: dict[str, Data], rows: int) -> Iterator[str]:
    """The rows of the first table."""
    yield "| corpus | model | texts | right | greedy leaves | ours leaves (95 %) | of label 1 | proven | CPU s |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for corpus, data in corpora.items():
        assert data.x_train is not None and data.x_test is not None and data.y_train is not None
        for name, model in models().items():
            target = of_estimator(model.fit(list(data.x_train), data.y_train), name, "", data.x_train[:8])
            usual = greedy(target, data, rows)
            started = cpu_seconds()
            found = texts(target, data, How(SHARE, rows=rows, budget=Budget(600)))
            spent, of = cpu_seconds() - started, len(found.spelt)
            assert judged_again(target, found)
            ones = [one for one in found.spelt if found.labels[one.index] == 1]
            stand = sum(one.right and one.row is None for one in ones)
            exact = f"{found.readable.share:.1%}" if 2 * len(found.fewest) > found.accuracy.hits else "–"
            yield (
                f"| {corpus} | {name} | {of} | {found.accuracy.share:.1%} | {usual / of:.1%} | "
                f"{told(found.robust(SHARE).hits, of)} | {stand} of {len(ones)} | {exact} | {spent / of:.3f} |"
            )


def hardened(corpora: dict[str, Data], rows: int) -> Iterator[str]:
    """The rows of the second table."""
    yield "| corpus | texts | right before | stand before | right after | stand after (95 %) | hardened as | CPU s |"
    yield "|---|---|---|---|---|---|---|---|"
    for corpus, data in corpora.items():
        assert data.x_train is not None and data.y_train is not None
        model = models()["TF-IDF, logistic"].fit(list(data.x_train), data.y_train)
        before = of_estimator(model, "model", "", data.x_train[:8])
        how = How(SHARE, rows=rows, budget=Budget(600))
        started = cpu_seconds()
        made = harden_text(before, data, how, 60.0)
        spent = cpu_seconds() - started
        first, then = texts(before, data, how), texts(made.opened, data, how)
        yield (
            f"| {corpus} | {len(first.spelt)} | {first.accuracy.share:.1%} | {first.robust(SHARE).share:.1%} | "
            f"{then.accuracy.share:.1%} | {told(then.robust(SHARE).hits, len(then.spelt))} | "
            f"{made.notes[0].removeprefix('fitted anew with ')} | {spent:.0f} |"
        )


def main() -> None:
    """Prints the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a CSV with the columns text and label")
    parser.add_argument("--only", choices=("attack", "harden"))
    parser.add_argument("--rows", type=int, default=120, help="test texts that are attacked")
    parser.add_argument("--hardened-rows", type=int, default=250, help="test texts before and after hardening")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.data is not None:
        corpora = {asked.data.name.split(".")[0]: read_data([asked.data], label="label")}
    else:
        corpora = {"docs": split(*docs()), "spam": split(*spam())}
    print("A fifth of the words of each text may be edited; the first test texts of each corpus.\n")
    tables = {"attack": (attacked, asked.rows), "harden": (hardened, asked.hardened_rows)}
    for name, (table, rows) in tables.items():
        if asked.only in (None, name):
            print("\n".join(table(corpora, rows)), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
