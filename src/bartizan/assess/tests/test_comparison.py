"""Two assessments of the same rows differ by the rows that only one of them gets right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bartizan.assess.comparison import compared, paired
from bartizan.core.errors import UsageError


def folder(path: Path, robust: list[bool], eps: float = 0.1, data: str = "ab", rows: object = None) -> Path:
    path.mkdir()
    known = {"index": [n * 3 for n in range(len(robust))], "right": [True] * len(robust), "robust": robust}
    report = {
        "schema": "bartizan.assessment/1",
        "model": {"name": path.name, "path": f"{path.name}.onnx", "sha256": "cd" * 32, "kind": "onnx"},
        "data": {"sha256": data},
        "how": {"eps": eps, "norm": "linf"},
        "evasion": {"outcomes": known if rows is None else rows},
        "measures": {"robust_accuracy": sum(robust) / len(robust)},
        "seconds": 1.0,
    }
    (path / "report.json").write_text(json.dumps(report))
    return path


def test_rows_are_paired_by_their_index(tmp_path: Path) -> None:
    before = folder(tmp_path / "before", [True] * 2 + [False] * 10)
    after = folder(tmp_path / "after", [True, False] + [True] * 9 + [False] + [True] * 5)
    found = compared(before, after)
    assert found.robust is not None and found.clean is not None
    assert (found.robust.only_before, found.robust.only_after, found.robust.before.of) == (1, 9, 12)
    assert found.robust.p == pytest.approx(0.021484375)  # 2 * (1 + 10) / 2**10
    assert (found.clean.only_before, found.clean.only_after, found.clean.p) == (0, 0, 1.0)
    assert found.as_json()["measures"]["robust_accuracy"]["before"] == pytest.approx(2 / 12)


def test_a_model_whose_evaluation_failed_is_not_believed(tmp_path: Path) -> None:
    before, after = folder(tmp_path / "before", [False] * 12), folder(tmp_path / "after", [True] * 12)
    told = json.loads((after / "report.json").read_text())
    told["evasion"]["trusted"] = False
    (after / "report.json").write_text(json.dumps(told))
    assert compared(before, after).as_json()["trusted"] == {"before": True, "after": False}


def test_equal_models_do_not_differ() -> None:
    assert paired([True, False], [True, False]).p == 1.0


def test_what_asked_different_questions_is_not_compared(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", [True])
    with pytest.raises(UsageError, match="different data"):
        compared(one, folder(tmp_path / "data", [True], data="ef"))
    with pytest.raises(UsageError, match=r"eps 0.1 and .* with 0.2"):
        compared(one, folder(tmp_path / "eps", [True], eps=0.2))


def test_what_was_not_attacked_is_said(tmp_path: Path) -> None:
    found = compared(folder(tmp_path / "one", [True]), folder(tmp_path / "two", [True], rows=[]))
    assert found.robust is None and found.clean is None


@pytest.mark.parametrize("rows", [{"index": [1]}, {"index": [1], "right": [], "robust": []}, {"index": 1}])
def test_rows_that_nobody_wrote_so_are_refused(tmp_path: Path, rows: object) -> None:
    with pytest.raises(UsageError, match="evasion, outcomes"):
        compared(folder(tmp_path / "one", [True]), folder(tmp_path / "two", [True], rows=rows))


def test_a_folder_without_a_report_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no report.json"):
        compared(tmp_path, tmp_path)
