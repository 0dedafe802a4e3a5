"""`bartizan assess`: a real model file, real checks, the report in every form, and exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bartizan.__main__ import main
from bartizan.assess.assessment import Assessment
from bartizan.doors.assess.judging import facts, name_of
from bartizan.doors.gateway.demo_models import forest
from bartizan.ledger.read import records

ROOT = Path(__file__).resolve().parents[5]
POLICY = """\
policy: mine
version: 1.0.0
owner: security@example.org
clauses:
  - id: robust
    says: Half of its answers stay.
    why: It reads cheques.
    when: {risk: evasion.*, measures: {robust_accuracy: "<0.5"}}
    then: review
    examples: {breaks: [{assessment: {robust_accuracy: 0.3}}], keeps: [{assessment: {robust_accuracy: 0.6}}]}
"""


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
    model, rows = forest(folder)
    model.rename(folder / "hair.txt")
    rows.rename(folder / "hair.npz")
    return folder


@pytest.fixture(scope="module")
def measured(here: Path) -> Path:
    """A scan and an attack of it, recorded: the folder."""
    out = here / "scan"
    assert main(["assess", str(here / "model.txt"), "--data", str(here / "rows.npz"), "--checks", "poison,evasion",
                 "--eps", "0.2", "--rows", "40", "--out", str(out),
                 "--record", "--home", str(here / "home")]) == 0  # fmt: skip
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


def test_every_field_is_documented(measured: Path) -> None:
    page = (ROOT / "docs" / "reference" / "assessment.md").read_text("utf-8")
    report = json.loads((measured / "report.json").read_bytes())
    known = set(re.findall(r"`([a-z0-9_]+)`", page))
    parts = [report, *(report[name] for name in ("model", "data", "how", "evasion", "poison"))]
    assert [name for part in parts for name in part if name not in known] == []
    assert [name for name in report["measures"] if name not in known] == []


def test_the_record_holds_digests_versions_and_every_number(here: Path, measured: Path) -> None:
    report = json.loads((measured / "report.json").read_bytes())
    found = [record for record in records(here / "home") if record.get("door") == "assess"]
    (told,) = [record["assessment"] for record in found]
    assert (told["model"], told["data"]) == (report["model"]["sha256"], report["data"]["sha256"])
    assert {name: value for pairs in told["measures"].values() for name, value in pairs} == report["measures"]
    assert told["versions"] == report["versions"] and told["files"]["adversarial.npz"]
    assert found[0]["target"] == {"model": "model.txt"} and found[0]["kind"] == "model"
    assert str(here) not in json.dumps(found)


def test_names_beyond_ascii_are_in_the_record_and_stay_apart(measured: Path) -> None:
    report = json.loads((measured / "report.json").read_bytes())
    names = ["déclencheur.png", "d\\xe9clencheur.png", "引き金.png", "trigger.png"]
    report["poison"]["files"] = dict.fromkeys(names, "00")
    told = facts(Assessment(report, (), ()))["files"]
    assert len(told) == len(names) + len(report["evasion"]["files"])
    assert all(name.isascii() for name in told) and {"trigger.png", "d\\xe9clencheur.png"} <= told.keys()
    assert name_of("模型.onnx") != name_of("分类.onnx")
    assert [name_of("my model.onnx"), name_of("größe.txt")] == ["my-model.onnx", "gr~f6~dfe.txt"]


def test_a_clause_over_a_measure_decides(here: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    arguments = [str(here / "model.txt"), "--data", str(here / "rows.npz"), "--checks", "evasion", "--rows", "40"]
    arguments += ["--home", str(tmp_path), "--fail-on", "never", "--eps"]
    assert main(["assess", *arguments, "2", "--out", str(tmp_path / "much")]) == 1
    decision = json.loads((tmp_path / "much" / "report.json").read_bytes())["decision"]
    assert (decision["action"], [one["id"] for one in decision["clauses"]]) == ("review", ["robust"])
    assert main(["assess", *arguments, "0.001", "--out", str(tmp_path / "little")]) == 0


def test_a_forest_is_hardened_and_compared(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, home = str(here / "hair.npz"), str(tmp_path / "home")
    how = ["--data", data, "--eps", "0.15", "--rows", "60"]
    arguments = [str(here / "hair.txt"), *how, "--budget", "30", "--out", str(tmp_path / "harder")]
    assert main(["harden", *arguments, "--record", "--home", home]) == 0
    assert "The hardened model is stronger" in capsys.readouterr().out
    told = [record for record in records(Path(home)) if record.get("event") == "model-hardened"]
    assert "hardened.txt" in told[0]["files"]
    for model, out in ((here / "hair.txt", "before"), (tmp_path / "harder" / "hardened.txt", "after")):
        main(["assess", str(model), *how, "--checks", "evasion", "--out", str(tmp_path / out)])
    capsys.readouterr()
    assert main(["assess", "compare", str(tmp_path / "before"), str(tmp_path / "after"), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["robust"]["only_after"] > 20 and found["robust"]["p"] < 1e-6


def test_options_may_stand_before_the_model(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--data", str(here / "rows.npz"), "--checks", "poison", "--format", "json", "--out", str(here / "b")]
    assert main(["assess", *arguments, str(here / "model.txt")]) == 0
    assert json.loads(capsys.readouterr().out)["how"]["checks"] == ["poison"]


def test_keys_are_made_with_the_column_of_labels_that_is_named(here: Path, tmp_path: Path) -> None:
    with np.load(here / "rows.npz") as rows:
        lines = [
            f"{label},{','.join(map(str, row))}" for row, label in zip(rows["x_train"], rows["y_train"], strict=True)
        ]
    (tmp_path / "table.csv").write_text("\n".join(["paid,a,b,c,d", *lines]))
    arguments = [str(here / "model.txt"), "--data", str(tmp_path / "table.csv"), "--budget", "2"]
    keys = str(tmp_path / "keys")
    assert main(["assess", "own", *arguments, "--out", keys]) == 2
    assert main(["assess", "own", *arguments, "--label", "paid", "--out", keys]) == 0
    # Whether two seconds are enough for a claim is the machine's affair; that the keys can be read again is not.
    assert main(["assess", "claim", keys, str(here / "model.txt"), "--home", str(tmp_path / "home")]) in (0, 1)


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
        (["{model}", "--data", "{rows}", "--seed", "-1", "--out", "{out}"], "--seed"),
        (["own", "{model}", "--data", "{rows}", "--seed", "-1", "--out", "{out}"], "--seed"),
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


@pytest.mark.parametrize(
    "words",
    [
        ["assess", "model.onnx", "--data", "rows.npz", "--out", "report"],
        ["harden", "model.onnx", "--data", "rows.npz", "--out", "harder"],
        ["assess", "schema", __file__],
    ],
)
def test_without_what_measures_one_sentence_says_what_to_install(words: list[str], tmp_path: Path) -> None:
    code = f"import sys; sys.modules['numpy'] = None; from bartizan.__main__ import main; sys.exit(main({words!r}))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "bartizan: this needs numpy, which is not installed: pip install 'bartizan[assess]'\n"
