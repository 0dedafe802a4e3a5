"""A whole run: evidence and report on the disk, what cannot be measured is said, what is finished is read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bartizan
from bartizan.assess.assessment import measure
from bartizan.assess.data import Data, Form
from bartizan.assess.evidence import UNFINISHED, digest
from bartizan.assess.facts import eps_for
from bartizan.assess.how import How
from bartizan.assess.options import SHARES, Options, share
from bartizan.assess.target import Output, Target
from bartizan.core.errors import UsageError


def scored(x: np.ndarray) -> np.ndarray:
    """Two classes by the sign of the first column."""
    return np.stack([-x[:, 0], x[:, 0]], axis=1).astype(np.float64)


def made(digest: str = "ab" * 32) -> Target:
    return Target("line", "callable", digest, (2,), 2, Output.LOGITS, scored)


@pytest.fixture
def data() -> Data:
    x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    return Data(Form.TABLE, "cd" * 32, x[:100], y[:100], x[100:], y[100:])


class Found:
    """What a check found: a number and a file."""

    def __init__(self, name: str, how: How) -> None:
        self.name, self.how = name, how

    def as_json(self) -> dict[str, object]:
        return {"robust": {"hits": 30, "of": 100, "share": 0.3, "low": 0.2, "high": 0.4}, "seed": self.how.seed}

    def write(self, out: Path) -> list[str]:
        (out / f"{self.name}.csv").write_text("index\n1\n")
        return [f"{self.name}.csv"]

    def measures(self) -> dict[str, float]:
        return {"accuracy": 1.0, "robust_accuracy": 0.3} if self.name == "evasion" else {f"{self.name}_number": 1.0}

    def sentence(self) -> str:
        return "It is so."


class Checks:
    """Checks that are quick, one of which lacks rows and one of which breaks. The real ones have tests of their own."""

    def __init__(self, stops: str = "") -> None:
        self.ran: list[str] = []
        self.stops = stops

    def __call__(self, name: str, target: Target, data: Data, how: How) -> Found:
        if name == self.stops:
            raise KeyboardInterrupt
        self.ran.append(name)
        if name == "privacy":
            raise UsageError("the data has no x_pool: there is nothing to tell members from")
        return [Found(name, how)][name == "theft"]


def test_what_was_measured_lies_in_the_folder(tmp_path: Path, data: Data) -> None:
    found = measure(made(), data, Options(seed=7, eps=0.5), tmp_path, run=Checks())
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert report == found.report
    assert report["schema"] == "bartizan.assessment/1"
    assert report["model"]["sha256"] == "ab" * 32
    assert report["data"] == {"sha256": "cd" * 32, "form": "table", "rows": {"train": 100, "test": 100},
                              "columns": 0, "notes": []}  # fmt: skip
    assert report["how"] | {"eps": 0.5, "seed": 7, "asked": False} == report["how"]
    assert report["accuracy"]["hits"] == report["accuracy"]["of"] == 100
    assert report["evasion"]["files"] == {"evasion.csv": digest(tmp_path / "evasion.csv")}
    assert report["measures"]["robust_accuracy"] == 0.3
    assert report["versions"]["bartizan"] and report["versions"]["numpy"]
    assert not (tmp_path / UNFINISHED).exists()


def test_what_could_not_be_measured_is_said(tmp_path: Path, data: Data) -> None:
    checks = Checks()
    found = measure(made(), data, Options(), tmp_path, run=checks)
    assert checks.ran == list(SHARES)
    assert found.not_measured["privacy"] == "the data has no x_pool: there is nothing to tell members from"
    assert found.not_measured["theft"].startswith("ended by IndexError in test_assessment_run.py:")
    assert {"privacy", "theft"}.isdisjoint(found.report)
    assert found.failures == ()


def test_what_was_asked_for_and_not_measured_is_a_failure(tmp_path: Path, data: Data) -> None:
    found = measure(made(), data, Options(("evasion", "privacy"), asked=True), tmp_path, run=Checks())
    assert [one.risks for one in found.failures] == [("privacy.membership",)]


def test_the_one_loop_says_what_was_found(tmp_path: Path, data: Data) -> None:
    (finding,) = measure(made(), data, Options(), tmp_path, run=Checks()).findings
    assert (finding.risk, finding.detector) == ("evasion.small-changes", "model.evasion@1")
    assert dict(finding.measures)["robust_accuracy"] == 0.3


@pytest.fixture
def stopped(tmp_path: Path, data: Data) -> Path:
    """A folder in which somebody pressed Ctrl-C during the second check."""
    half = measure(made(), data, Options(), tmp_path, run=Checks(stops="poison"))
    assert half.interrupted and set(half.not_measured) == {"poison", "theft", "privacy"}
    assert half.report["interrupted"] and half.measures == {"accuracy": 1.0, "robust_accuracy": 0.3}
    return tmp_path


def test_a_stopped_run_goes_on_behind_what_was_finished(stopped: Path, data: Data) -> None:
    checks = Checks()
    whole = measure(made(), data, Options(), stopped, run=checks)
    assert checks.ran == ["poison", "theft", "privacy"]
    assert whole.report["evasion"]["sentence"] == "It is so."
    assert (stopped / "evasion.csv").exists() and not (stopped / UNFINISHED).exists()


@pytest.mark.parametrize("changed", ["seed", "model", "file"])
def test_what_was_finished_with_something_else_is_done_again(stopped: Path, data: Data, changed: str) -> None:
    if changed == "file":
        (stopped / "evasion.csv").write_text("somebody was here")
    target = made("ef" * 32) if changed == "model" else made()
    checks = Checks()
    measure(target, data, Options(seed=1 if changed == "seed" else 0), stopped, run=checks)
    assert checks.ran[0] == "evasion"


def test_evidence_of_an_earlier_assessment_does_not_stay(tmp_path: Path, data: Data) -> None:
    measure(made(), data, Options(), tmp_path, run=Checks())
    (tmp_path / "mine.txt").write_text("of somebody else")
    measure(made(), data, Options(("evasion",)), tmp_path, run=Checks())
    assert not (tmp_path / "poison.csv").exists()
    assert (tmp_path / "mine.txt").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, data: Data) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="choose another folder"):
        measure(made(), data, Options(), tmp_path / "file" / "below")


def test_rows_that_do_not_fit_the_model_stop_it(tmp_path: Path, data: Data) -> None:
    assert data.x_test is not None
    with pytest.raises(UsageError, match="hold NaN"):
        measure(made(), replace(data, x_test=data.x_test * np.nan), Options(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_python_calls_the_package(data: Data) -> None:
    found = bartizan.assess(made(), data, checks=["poison"])
    assert isinstance(found, bartizan.Assessment)
    assert found.measures["train_rows"] == 100 and found.trusted and not found.not_measured


def test_a_function_and_a_mapping_are_model_and_data(data: Data) -> None:
    rows = {"x_train": data.x_train, "y_train": data.y_train, "x_test": data.x_test, "y_test": data.y_test}
    found = bartizan.assess(scored, rows, checks=["poison"])
    assert (found.report["model"]["kind"], found.report["data"]["rows"]) == ("callable", {"train": 100, "test": 100})
    with pytest.raises(UsageError, match="data is a path"):
        bartizan.assess(scored, 3)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"checks": ("evasion", "evasions")}, 'no check called "evasions"'),
        ({"checks": ()}, "at least one check"),
        ({"norm": "l1"}, 'no norm called "l1"'),
        ({"eps": float("nan")}, "eps is a number above 0"),
        ({"eps": -1.0}, "eps is a number above 0"),
        ({"budget_s": 0.0}, "at least one second"),
        ({"rows": 0}, "at least one row"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, object], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Options(**options)  # type: ignore[arg-type]


def test_the_shares_use_all_of_the_time() -> None:
    left, order = 1.0, Options().order
    for n, name in enumerate(order):
        left -= left * share(name, order[n + 1 :])
    assert left == pytest.approx(0)


def test_a_usual_strength_goes_by_the_form_of_the_rows(data: Data) -> None:
    grey, colour = np.zeros((60, 1, 8, 8), np.float32), np.zeros((60, 3, 8, 8), np.float32)
    assert eps_for(replace(data, form=Form.IMAGES, x_test=grey), Options()) == 0.1
    assert eps_for(replace(data, form=Form.IMAGES, x_test=colour), Options()) == pytest.approx(8 / 255, abs=1e-6)
    assert eps_for(replace(data, form=Form.IMAGES, x_test=grey), Options(norm="l0")) == 1
    assert eps_for(data, Options()) == pytest.approx(0.1, rel=0.2)
    assert f"{eps_for(data, Options()):g}" == str(eps_for(data, Options()))
    assert eps_for(data, Options(eps=3.0)) == 3.0
