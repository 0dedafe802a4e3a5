"""`bartizan assess`: a real model file, real checks, the report in every form, and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bartizan.__main__ import main


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LightGBM model of two classes, which needs neither torch nor much time, and its data."""
    import lightgbm

    folder = tmp_path_factory.mktemp("assess")
    x = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] > 0).astype(np.int64)
    settings = {"objective": "binary", "num_leaves": 4, "verbose": -1, "num_threads": 1}
    model = lightgbm.train(settings, lightgbm.Dataset(x[:250].astype(np.float64), y[:250]), 10)
    model.save_model(folder / "model.txt")
    np.savez(folder / "rows.npz", x_train=x[:250], y_train=y[:250], x_test=x[250:], y_test=y[250:])
    return folder


@pytest.fixture(scope="module")
def measured(here: Path) -> Path:
    """A poison scan of it: the folder."""
    out = here / "scan"
    assert main(["assess", str(here / "model.txt"), "--data", str(here / "rows.npz"), "--checks", "poison",
                 "--out", str(out)]) == 0  # fmt: skip
    return out


def test_every_form_of_the_report_lies_there(measured: Path) -> None:
    names = {path.name for path in measured.iterdir()}
    assert {"report.json", "report.html", "report.sarif", "model-card.md", "suspects.csv"} <= names
    report = json.loads((measured / "report.json").read_bytes())
    assert report["schema"] == "bartizan.assessment/1"
    assert report["decision"]["schema"] == "bartizan.decision/1"
    assert report["measures"]["train_rows"] == 250
    assert "<script" not in (measured / "report.html").read_text()
    assert json.loads((measured / "report.sarif").read_bytes())["version"] == "2.1.0"
    assert (measured / "model-card.md").read_text().startswith("## Security and privacy")


def test_options_may_stand_before_the_model(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--data", str(here / "rows.npz"), "--checks", "poison", "--format", "json", "--out", str(here / "b")]
    assert main(["assess", *arguments, str(here / "model.txt")]) == 0
    assert json.loads(capsys.readouterr().out)["how"]["checks"] == ["poison"]


def test_what_was_asked_for_and_cannot_be_measured_is_exit_code_3(here: Path) -> None:
    with np.load(here / "rows.npz") as rows:
        np.savez(here / "test.npz", x_test=rows["x_test"], y_test=rows["y_test"])
    arguments = [str(here / "model.txt"), "--data", str(here / "test.npz"), "--checks", "poison", "--out"]
    assert main(["assess", *arguments, str(here / "c")]) == 3


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nowhere.onnx", "--data", "{rows}", "--out", "{out}"], "no model"),
        (["{model}", "--data", "nowhere.npz", "--out", "{out}"], "nowhere.npz"),
        (["{model}", "--data", "{rows}", "--checks", "evasions", "--out", "{out}"], "no check called"),
        (["{model}", "--data", "{rows}"], "--out"),
        (["{model}", "--data", "{rows}", "--eps", "-1", "--out", "{out}"], "eps"),
        (["compare", "{out}", "{out}"], "does not exist"),
        (["compare", "{folder}", "{folder}"], "no report.json"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_exit_code_2(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    places = {"model": here / "model.txt", "rows": here / "rows.npz", "out": tmp_path / "out", "folder": tmp_path}
    assert main(["assess", *(one.format(**places) for one in arguments)]) == 2
    said = capsys.readouterr().err
    assert why in said and "Traceback" not in said


def test_help_needs_nothing_heavy() -> None:
    code = "from bartizan.__main__ import main; import sys; main(['assess', '--help']); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "bartizan assess [OPTIONS] MODEL" in ran.stdout and "compare" in ran.stdout
    loaded = {name.partition(".")[0] for name in ran.stdout.split("\n")[-2].split()}
    assert not loaded & {"numpy", "torch", "scipy", "sklearn", "onnx", "onnxruntime", "lightgbm", "orjson"}
