"""Who copies a classical model behind the gateway: what watching costs, whom it finds, and how often it is wrong.

    python -m benchmarks.monitor [--data FOLDER] [--only NAME] [--sessions 200] [--cost]

Sets: scikit-learn's digits and generated tables; with --data also mnist10k.npz and adult12k.csv.gz of that folder. Half
of the rows trains the model, a quarter calibrates the profile as `bartizan assess` does, and honest sessions of 300
questions are drawn from the last quarter, which nothing has seen. Honest accounts ask about all rows alike; about some
classes more than others; about one class alone; or ask three in ten again. Thieves ask with noise, with rows put
together from others, with rows made to be told apart by their own copy (JbDA, Papernot et al. 2017, from 20 rows of the
model's kind), with what their copy doubts most of 2,000 rows of the model's kind, or with those by chance (Knockoff).
"found" is the share of thieves that pass the limit within 300 questions, "after" the median number of questions until
then, "held" the share that the default policy holds.

Then, or with --cost alone: CPU a question through one gateway process with everything on, in rounds that alternate with
a bare relay.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.measured import clopper_pearson
from bartizan.assess.target import Array
from bartizan.assess.theft.monitoring import Traffic, monitor
from bartizan.core.finding import Finding, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.detectors.log.model_extraction import DETECTOR
from bartizan.profiles.asking import Asking, Profile
from bartizan.profiles.sessions import Sessions, said
from bartizan.testing import look
from benchmarks import processes
from benchmarks.assess_theft import adult
from benchmarks.gateway import started
from benchmarks.rounds import Server, interleaved

LONGEST, THIEVES = 300, 20


@dataclass(frozen=True, slots=True)
class Served:
    """A model, its profile, and rows that neither has seen."""

    name: str
    says: Callable[[Array], Array]
    profile: Profile
    fresh: Array
    labels: Array  # as the model says them
    pool: Array  # of a thief who has rows of the model's kind


def serve(name: str, x: Array, y: Array, model: Any) -> Served:
    """Trains and calibrates."""
    draw = np.random.default_rng(0)
    train, honest, fresh = np.split(draw.permutation(len(x)), [len(x) // 2, 3 * len(x) // 4])
    model.fit(x[train], y[train])
    found = monitor("0" * 64, x[train], Traffic(x[honest], model.predict_proba(x[honest])), {}, 0)
    assert found is not None
    says = model.predict_proba
    return Served(name, says, found.profile, x[fresh], says(x[fresh]).argmax(1), x[train][:2000])


def models(folder: Path | None) -> Iterator[tuple[str, Callable[[], Served]]]:
    """Names, and how each is made."""
    from sklearn.datasets import load_digits, make_classification
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.neural_network import MLPClassifier

    digits, kinds = load_digits(return_X_y=True)
    made, of = make_classification(4000, 20, n_informative=10, n_classes=4, random_state=0)
    yield "digits, forest", lambda: serve("digits, forest", digits / 16, kinds, RandomForestClassifier(100, n_jobs=1))
    yield "made, perceptron", lambda: serve("made, perceptron", made, of, MLPClassifier((64,), max_iter=60))
    if folder is None:
        return
    with np.load(folder / "mnist10k.npz") as given:
        pictures, names = (given["x"] / 255.0).reshape(len(given["x"]), -1), given["y"].astype(int)
    yield "mnist, perceptron", lambda: serve("mnist, perceptron", pictures, names, MLPClassifier((64,), max_iter=12))
    people, rich = adult(folder / "adult12k.csv.gz")
    yield "adult, boosted", lambda: serve("adult, boosted", people, rich, HistGradientBoostingClassifier())


# ---- Honest accounts -------------------------------------------------------------------------------------------------


def honest(one: Served, how: str, draw: np.random.Generator) -> Array:
    """The rows of one session, by index."""
    count, classes = len(one.fresh), int(one.labels.max()) + 1
    if how == "alike":
        return draw.choice(count, LONGEST, replace=count < LONGEST)
    if how == "one class":
        kinds, sizes = np.unique(one.labels, return_counts=True)
        own = np.flatnonzero(one.labels == draw.choice(kinds[sizes >= 20]))
        return draw.choice(own, LONGEST, replace=len(own) < LONGEST)
    weight = (draw.dirichlet(np.full(classes, 0.7)) + 0.02)[one.labels]
    rows = draw.choice(count, LONGEST, replace=False, p=weight / weight.sum())
    if how == "again":
        for at in np.flatnonzero(draw.random(LONGEST) < 0.3)[1:]:
            rows[at] = rows[draw.integers(0, at)]
    return rows


# ---- Thieves ---------------------------------------------------------------------------------------------------------


def copy_of(rows: Array, answers: Array) -> Any:
    """What a thief has so far."""
    from sklearn.linear_model import LogisticRegression

    labels = answers.argmax(1)
    if len(np.unique(labels)) < 2:
        labels[0] = (labels[0] + 1) % answers.shape[1]
    return LogisticRegression(max_iter=200).fit(rows, labels)


def jbda(one: Served, draw: np.random.Generator) -> Array:
    """Rows moved along the sign of the copy's gradient for the class it gives them, doubled each round."""
    rows = one.pool[draw.choice(len(one.pool), 20, replace=False)]
    step = 0.1 * (one.pool.max(0) - one.pool.min(0))
    while len(rows) < LONGEST:
        answers = one.says(rows)
        copy = copy_of(rows, answers)
        weights = copy.coef_ if len(copy.coef_) > 1 else np.concatenate([-copy.coef_, copy.coef_])
        at = np.searchsorted(copy.classes_, copy.predict(rows))
        rows = np.concatenate([rows, rows + step * np.sign(weights[at])])
    return rows[:LONGEST]


def doubted(one: Served, draw: np.random.Generator) -> Array:
    """30 rows by chance, then what the copy doubts most, 30 at a time."""
    left = draw.permutation(len(one.pool))
    asked, left = left[:30], left[30:]
    while len(asked) < LONGEST:
        copy = copy_of(one.pool[asked], one.says(one.pool[asked]))
        ordered = np.sort(copy.predict_proba(one.pool[left]), axis=1)
        first = np.argsort(ordered[:, -1] - ordered[:, -2])[:30]
        asked, left = np.concatenate([asked, left[first]]), np.delete(left, first)
    return one.pool[asked[:LONGEST]]


def noise(one: Served, draw: np.random.Generator) -> Array:
    """Every number drawn evenly between its least and its largest."""
    return draw.uniform(one.pool.min(0), one.pool.max(0), (LONGEST, one.pool.shape[1]))


def alike(one: Served, draw: np.random.Generator) -> Array:
    """Every column from another row."""
    rows = draw.integers(0, len(one.pool), (LONGEST, one.pool.shape[1]))
    return one.pool[rows, np.arange(one.pool.shape[1])]


def by_chance(one: Served, draw: np.random.Generator) -> Array:
    """Rows of the model's kind."""
    return one.pool[draw.choice(len(one.pool), LONGEST, replace=False)]


KINDS = {"noise": noise, "put together": alike, "JbDA": jbda, "doubted most": doubted, "by chance": by_chance}


def steps(one: Served, sessions: Sessions, account: str, rows: Array) -> list[Asking]:
    """What the monitor judges of a session."""
    labels, margins = map(np.asarray, zip(*map(said, one.says(rows).tolist()), strict=True))
    return sessions.take(account, 0, sessions.space.points(rows), labels, margins)


def held(found: Asking) -> bool:
    """Whether the default policy holds an account of which this was found."""
    seen = look(DETECTOR, Subject(Kind.LOG, "", found))
    return any(isinstance(item, Finding) and item.severity >= Severity.HIGH for item in seen)


def found(folder: Path | None, only: str, count: int) -> None:
    """Prints the tables."""
    made = [make() for name, make in models(folder) if only in name]
    print("Honest sessions of 300 questions, in which an account was found, and in which it would have been held.\n")
    print("| model | asked about | sessions | found | held | found, 95 % |")
    print("|---|---|---|---|---|---|")
    for one in made:
        for how in ("alike", "some classes more", "one class", "again"):
            draw, sessions = np.random.default_rng(7), Sessions(one.profile)
            alarms, holds = 0, 0
            for at in range(count):
                beyond = [s for s in steps(one, sessions, str(at), one.fresh[honest(one, how, draw)]) if s.beyond]
                alarms, holds = alarms + bool(beyond), holds + any(map(held, beyond))
            rate = clopper_pearson(alarms, count)
            print(
                f"| {one.name} | {how} | {count:,} | {alarms} | {holds} | {rate.low:.2%} to {rate.high:.2%} |",
                flush=True,
            )
    print(f"\nThieves, {THIEVES} of each kind.\n")
    print("| model | thief | found | after | held |")
    print("|---|---|---|---|---|")
    for one in made:
        for kind, asks in KINDS.items():
            after, holds = [], 0
            for seed in range(THIEVES):
                told = steps(one, Sessions(one.profile), "thief", asks(one, np.random.default_rng(seed)))
                beyond = [s for s in told if s.beyond]
                after += [beyond[0].queries] if beyond else []
                holds += any(map(held, beyond))
            median = f"{statistics.median(after):.0f}" if after else "-"
            print(f"| {one.name} | {kind} | {len(after)} of {THIEVES} | {median} | {holds} |", flush=True)


# ---- Cost ------------------------------------------------------------------------------------------------------------


class Predicting(Server):
    """A server that is asked about one row."""

    def request(self, model: str, *, stream: bool) -> bytes:
        """`model` is the number of columns."""
        data = [round(value, 3) for value in np.random.default_rng(0).normal(size=int(model)).tolist()]
        asked = {"inputs": [{"name": "x", "shape": [1, len(data)], "datatype": "FP32", "data": data}]}
        body = json.dumps(asked).encode()
        return (
            f"POST /v2/models/m{model}/infer HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\nauthorization: Bearer "
            f"{self.key}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode() + body


@contextmanager
def running(name: str, folder: Path, upstream_port: int, monitors: dict[str, str]) -> Iterator[Server]:
    """`bartizan up` in front of the scripted upstream."""
    port, key = processes.free_port(), secrets.token_hex(24)
    config = folder / f"{name}.yaml"
    upstream = {"url": f"http://127.0.0.1:{upstream_port}", "protocol": "inference", "monitors": monitors}
    config.write_text(json.dumps({"upstreams": {"one": upstream}}))
    command = [
        sys.executable, "-m", "bartizan", "up", "--home", str(folder / name), "--gateway", f"127.0.0.1:{port}",
        "--workers", "1", "--metrics", "off", "--no-console", "--config", str(config),
    ]  # fmt: skip
    with (folder / f"{name}.log").open("ab") as log:
        environ = os.environ | {"BARTIZAN_BOOTSTRAP_KEY": key}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
        try:
            server = Predicting(name, port, process.pid, key=key)
            started(process, port, server.request("30", stream=False))
            yield server
        finally:
            process.terminate()
            process.wait(60)


def profile(columns: int) -> dict[str, Any]:
    """One that finds nobody, so that every question takes the same way."""
    rows = np.random.default_rng(1).normal(size=(800, columns)).astype(np.float32)
    said_of = np.random.default_rng(2).dirichlet(np.ones(10), 800)
    made = monitor("0" * 64, rows, Traffic(rows[:600], said_of[:600]), {}, 0)
    assert made is not None
    return made.file() | {"limit": 1e12}


def cost() -> None:
    """Prints CPU a question."""
    with tempfile.TemporaryDirectory(prefix="bartizan-bench-") as at, processes.upstream() as up, ExitStack() as stack:
        folder, monitors = Path(at), {}
        for columns in (30, 784):
            path = folder / f"{columns}.json"
            path.write_text(json.dumps(profile(columns)))
            monitors[f"m{columns}"] = str(path)
        port, pid = stack.enter_context(processes.relay(up))
        servers: list[Server] = [Predicting("relay", port, pid)]
        servers.append(stack.enter_context(running("unwatched", folder, up, {})))
        servers.append(stack.enter_context(running("watched", folder, up, monitors)))
        print("CPU a question of one row, medians of 5 interleaved rounds of 1,000, 16 connections.\n")
        print("| CPU a question, ms | bare relay | gateway, not watched | watched |")
        print("|---|---|---|---|")
        for columns in ("30", "784"):
            took = interleaved(servers, columns, stream=False, count=1000, rounds=5)
            print(f"| {columns} columns | {took['relay']:.3f} | {took['unwatched']:.3f} | {took['watched']:.3f} |")


def main(arguments: list[str]) -> int:
    """Runs what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--cost", action="store_true")
    given = parser.parse_args(arguments)
    if not given.cost:
        found(given.data, given.only, given.sessions)
        print()
    if not given.only:
        cost()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
