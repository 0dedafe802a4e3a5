"""Models, rows and folders that mean harm or mishap: bounded, and said in one sentence."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import resource
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bartizan.assess.assessment import NO_TIME, broken, measure
from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.errors import Gone, no_memory
from bartizan.assess.evidence import UNFINISHED, Folder, digest, writing
from bartizan.assess.facts import ended, eps_for, first_rows
from bartizan.assess.formats import arrays, tables
from bartizan.assess.how import How
from bartizan.assess.options import Options
from bartizan.assess.reading import read_data
from bartizan.assess.sanity import check
from bartizan.assess.target import Output, Target
from bartizan.core.errors import UsageError
from bartizan.doors.assess.options import bounded_memory

X = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
DATA = Data(Form.TABLE, "cd" * 32, X[:100], Y[:100], X[100:], Y[100:])


def scored(x: np.ndarray) -> np.ndarray:
    return np.stack([-x[:, 0], x[:, 0]], axis=1).astype(np.float64)


def target(answer: Any = scored, **more: Any) -> Target:
    return Target("line", "callable", "ab" * 32, (2,), 2, Output.LOGITS, answer, **more)


# ---- Models ----------------------------------------------------------------------------------------------------------


def test_memory_that_runs_out_halves_the_batch_whoever_says_so() -> None:
    asked = []

    def hungry(x: np.ndarray) -> np.ndarray:
        asked.append(len(x))
        if len(x) > 30:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
        return scored(x)

    np.testing.assert_array_equal(target(hungry, batch=100).scores(X), scored(X))
    assert asked[:3] == [100, 50, 25] and max(asked[2:]) == 25


@pytest.mark.parametrize("error", [ValueError("a row"), KeyError("a row"), SystemExit(7), RuntimeError("a row")])
def test_what_a_model_raises_is_one_sentence_without_content(error: BaseException) -> None:
    def fails(x: np.ndarray) -> np.ndarray:
        raise error

    with pytest.raises(UsageError, match=rf"line fails on 200 rows of shape \(2,\) \({type(error).__name__}\)$"):
        target(fails).scores(X)


def test_answers_for_other_rows_are_refused() -> None:
    with pytest.raises(UsageError, match=r"\(199, 2\) for 200 rows and 2 classes"):
        target(lambda x: scored(x)[1:]).scores(X)


def test_a_model_too_slow_for_the_budget_says_so_at_once() -> None:
    with pytest.raises(UsageError, match="seconds a row: the budget of 1e-07 seconds is over"):
        check(DATA, target(), budget=Budget(1e-7))
    with pytest.raises(UsageError, match="may be asked 60 rows"):
        check(DATA, target(cap=60))


def test_a_strength_for_columns_that_have_no_spread() -> None:
    for rows in (np.full((60, 2), np.nan), np.full((60, 2), 1e300), np.ones((60, 2))):
        assert eps_for(Data(Form.TABLE, "", x_test=rows), Options()) == 0.1


# ---- Rows ------------------------------------------------------------------------------------------------------------


def test_labels_of_rows_that_were_left_out_are_left_out(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x_train=X.astype(np.float16), y_train=Y, other=np.array([{}], object))
    notes: list[str] = []
    found = arrays.read_npz(tmp_path / "d.npz", notes, held=8 * 150)
    assert found.keys() == {"x_train", "y_train"} and "first 150 of 200" in notes[0]
    np.testing.assert_array_equal(found["y_train"], Y[:150])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("0.1,2.5\n1,0\n", "begins with a row of numbers"),
        ("a,label\n1,0\n2,nan\n", "a label is NaN or infinite"),
        ("a,label\n1," + "x" * tables.MAX_LINE + "\n", "line 2 is longer"),
        ("a" * (tables.MAX_LINE + 9), "a first line of more than"),
        ("a,label\n" + "y" * 200_000 + ",0\n", "field larger than field limit"),
    ],
)
def test_tables_that_are_none_are_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "d.csv").write_text(content)
    with pytest.raises(UsageError, match=said):
        read_data([tmp_path / "d.csv"])


def test_columns_may_be_called_by_numbers(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("0,1,2\n" + "0.5,2.5,1\n0.1,1.5,0\n" * 30)
    assert read_data([tmp_path / "d.csv"]).columns == ("0", "1")


def test_a_packed_table_unpacks_to_a_multiple_of_its_size(tmp_path: Path) -> None:
    blank = gzip.compress(b" " * 1_000_000 + b"\n")
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a", "label": 1}\n') + blank * 100)
    with pytest.raises(UsageError, match="unpacks to more than 200 times its size"):
        read_data([tmp_path / "d.jsonl.gz"])


def test_of_a_large_parquet_file_rows_are_drawn_evenly(tmp_path: Path) -> None:
    count, notes = 12_000, list[str]()
    parquet.write_table(pa.table({"a": np.arange(count)}), tmp_path / "d.parquet")
    file, width = parquet.ParquetFile(tmp_path / "d.parquet"), tables.MAX_COLUMNS  # So wide that few rows are kept.
    first = np.array(tables.drawn(file, width, 0, tmp_path / "d.parquet", notes))[:, 0]
    assert len(first) == tables.MAX_CELLS // width and "of the 12,000 rows" in notes[0]
    assert abs(first.mean() / count - 0.5) < 0.02 and (np.diff(first) > 0).all()


def test_a_test_set_that_is_sorted_by_label_is_told() -> None:
    y = np.repeat(np.arange(10), 100)
    rows = np.zeros((1000, 2))
    assert "have 1 of 10 labels" in first_rows(Data(Form.TABLE, "", x_test=rows, y_test=y), 100)
    assert first_rows(Data(Form.TABLE, "", x_test=rows, y_test=y[::-1] % 7), 1000) == ""
    assert first_rows(Data(Form.TABLE, "", x_test=rows, y_test=np.arange(1000) % 10), 100) == ""


# ---- Folders ---------------------------------------------------------------------------------------------------------


def test_a_report_of_something_else_stays(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"tests": 12}')
    with pytest.raises(UsageError, match="not of an assessment"):
        Folder(tmp_path, {})
    assert json.loads((tmp_path / "report.json").read_text()) == {"tests": 12}
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    (tmp_path / "report.json").unlink()
    with Folder(tmp_path, {}):  # Who was refused holds no lock.
        pass


def test_two_runs_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with Folder(tmp_path, {}):
        other = os.open(tmp_path / UNFINISHED, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
        with pytest.raises(UsageError, match="another run is writing here"):
            Folder(tmp_path, {})
    with Folder(tmp_path, {}):
        pass


def test_evidence_of_another_model_that_was_killed_goes(tmp_path: Path) -> None:
    (tmp_path / UNFINISHED).mkdir()
    (tmp_path / "adversarial.npz").write_bytes(b"old")
    (tmp_path / "mine.csv").write_bytes(b"mine")
    files = {"adversarial.npz": digest(tmp_path / "adversarial.npz"), "mine.csv": "0" * 64, "../x": "0" * 64}
    saved = {"key": "other", "section": {"files": files}}
    (tmp_path / UNFINISHED / "evasion.json").write_text(json.dumps(saved))
    with Folder(tmp_path, {"model": "new"}):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.csv", UNFINISHED]
        assert not list((tmp_path / UNFINISHED).iterdir())


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No space left on device"), writing(tmp_path):
        os.write(os.open("/dev/full", os.O_WRONLY), b"x")


# ---- The run ---------------------------------------------------------------------------------------------------------


class Found:
    """What a check found: nothing but a number."""

    def as_json(self) -> dict[str, object]:
        return {"robust": {"hits": 30, "of": 100, "share": 0.3, "low": 0.2, "high": 0.4}}

    def write(self, out: Path) -> list[str]:
        return []

    def measures(self) -> dict[str, float]:
        return {"robust_accuracy": 0.3}

    def sentence(self) -> str:
        return "It is so."


def test_a_budget_that_is_over_is_said_and_a_small_one_has_its_half(tmp_path: Path) -> None:
    begun: list[float] = []

    def run(name: str, model: Target, data: Data, how: How) -> Found:
        begun.append(how.budget.seconds)
        return Found()

    late = Budget(4.0, -1e6)  # Opening took longer than all of it.
    found = measure(target(), DATA, Options(("evasion", "theft"), budget_s=4.0), tmp_path, budget=late, run=run)
    assert begun == [pytest.approx(4 * 0.5 * 0.3 / 0.53, rel=0.05)]
    assert found.not_measured == {"theft": f"{NO_TIME}: give a --budget of at least 7 seconds, or fewer --checks"}
    assert found.cut_short


def test_a_small_budget_reaches_every_check(tmp_path: Path) -> None:
    """Theft has what it takes at least, although that is more than its share, and leaves the rest."""
    given: dict[str, float] = {}

    def run(name: str, model: Target, data: Data, how: How) -> Found:
        given[name] = how.budget.seconds
        return Found()

    order = ("evasion", "poison", "theft", "privacy")
    found = measure(target(), DATA, Options(order, budget_s=5.0), tmp_path, budget=Budget(5.0), run=run)
    assert not found.not_measured and tuple(given) == order
    assert given["theft"] == pytest.approx(3.0, rel=0.01) and given["privacy"] > 4


def test_an_endpoint_that_is_gone_leaves_a_bound_that_is_not_trusted(tmp_path: Path) -> None:
    def run(name: str, model: Target, data: Data, how: How) -> Found:
        if model.gone:
            raise Gone(model.gone)
        model.gone = "http://x breaks off, after 5 tries"
        return Found()

    found = measure(target(), DATA, Options(("evasion", "poison")), tmp_path, run=run)
    assert [one["check"] for one in found.report["evasion"]["warnings"]] == ["stopped-answering"]
    assert not found.trusted and found.not_measured == {"poison": "http://x breaks off, after 5 tries"}


def test_errors_of_libraries_are_known_and_told_without_what_they_say() -> None:
    assert {pa.ArrowException, struct.error, zlib.error} <= set(broken())
    assert "not enough memory" in ended(MemoryError()) and no_memory(ValueError("std::bad_alloc"))
    assert (
        ended(ModuleNotFoundError("", name="torch.nn")) == "it needs torch, which is not installed: pip install torch"
    )
    assert "a row" not in ended(ValueError("a row"))


def test_more_memory_than_there_is_is_one_sentence() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(UsageError, match="needs more memory than the"), bounded_memory():
        np.ones(1 << 45, np.uint8)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
