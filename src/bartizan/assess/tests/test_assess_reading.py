"""Rows from every kind of file, and one sentence for what cannot be read."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from bartizan.assess.data import Form
from bartizan.assess.formats import arrays, tables
from bartizan.assess.reading import of_arrays, read_data
from bartizan.core.errors import UsageError

CHANCE = np.random.default_rng(0)
IMAGES = CHANCE.random((60, 1, 4, 4)).astype(np.float32)
LABELS = np.arange(60) % 3


def npz(path: Path, **parts: np.ndarray) -> Path:
    np.savez(path, allow_pickle=True, **parts)
    return path


def test_an_archive_is_read_as_it_is(tmp_path: Path) -> None:
    path = npz(tmp_path / "d.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:50], y_test=LABELS[:50].astype(float))
    data = read_data([path])
    assert (data.form, data.notes, len(data.digest)) == (Form.IMAGES, [], 64)
    assert data.x_test is not None and data.y_test is not None and data.x_pool is None
    np.testing.assert_array_equal(data.x_train, IMAGES)
    assert data.y_test.dtype == np.int64


def test_one_pair_is_split_and_bytes_become_shares(tmp_path: Path) -> None:
    path = npz(tmp_path / "d.npz", x=(IMAGES * 255).astype(np.uint8), y=np.eye(3)[LABELS])
    data = read_data([path])
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_array_equal(data.y_test, LABELS[order[42:]])
    assert data.x_train is not None
    assert data.x_train.dtype == np.float32 and data.x_train.max() <= 1
    assert len(data.notes) == 3


def test_names_of_labels_are_kept() -> None:
    data = of_arrays({"x_train": IMAGES[:, 0, 0], "y_train": np.array(["b", "a", "c"])[LABELS], "x_test": None})
    assert (data.form, data.classes) == (Form.TABLE, ("a", "b", "c"))
    np.testing.assert_array_equal(data.y_train, np.array([1, 0, 2])[LABELS])
    assert "sorted order: a, b, c" in data.notes[0]


def test_numbers_that_are_written_as_text_are_numbers() -> None:
    """In the order of texts 10 stands before 2, and of some labels the least need not be 0."""
    numbers = np.arange(60) % 12
    data = of_arrays({"x_train": IMAGES, "y_train": numbers[:, None].astype(str),
                      "x_test": IMAGES[3:6], "y_test": np.array([b"3", b"4", b"5"])})  # fmt: skip
    np.testing.assert_array_equal(data.y_train, numbers)
    np.testing.assert_array_equal(data.y_test, [3, 4, 5])
    assert data.notes == []


def test_of_an_array_too_large_the_first_rows_are_read(tmp_path: Path) -> None:
    notes: list[str] = []
    found = arrays.read_npz(npz(tmp_path / "d.npz", x=IMAGES), notes, held=64 * 10)
    np.testing.assert_array_equal(found["x"], IMAGES[:10])
    assert "first 10 of 60 rows" in notes[0]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"x_train": IMAGES}, "no y_train"),
        ({"a": IMAGES}, "none of x_train and x_test"),
        ({"x_test": IMAGES, "y_test": LABELS[:9]}, "60 rows and 9 labels"),
        ({"x_test": IMAGES, "y_test": LABELS + 0.5}, "whole numbers"),
        ({"x_test": IMAGES, "y_test": LABELS, "x_train": IMAGES[:, :, 1:], "y_train": LABELS}, "different shapes"),
        ({"x_test": IMAGES[:, None], "y_test": LABELS}, "neither columns nor images"),
        ({"x_test": IMAGES[:, 0, 0, 0], "y_test": LABELS}, "one number"),
        ({"x_test": IMAGES * 1j, "y_test": LABELS}, "not complex64"),
        ({"x_test": np.array([{}] * 3, object), "y_test": LABELS[:3]}, "could run code"),
    ],
)
def test_an_archive_that_does_not_fit_is_refused(tmp_path: Path, parts: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_data([npz(tmp_path / "d.npz", **parts)])


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "d.npz", x_test=IMAGES, y_test=LABELS)
    path.write_bytes(path.read_bytes()[:900])
    for name, raw in {
        "d.npz": path.read_bytes(),
        "d.csv": b"a,b\n\xff,1\n",
        "d.parquet": b"PAR1",
        "d.bin": b"x",
    }.items():
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(UsageError, match=name):
            read_data([tmp_path / name])
    with pytest.raises(UsageError, match="there is no data"):
        read_data([tmp_path / "nothing.csv"])


def table(path: Path, rows: int = 100) -> Path:
    lines = [
        f"{at},{'red' if at % 3 else '?'},{at / 7 if at % 5 else ''},{'yes' if at % 2 else 'no'}" for at in range(rows)
    ]
    path.write_text("\ufeffage,colour,size,bought\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_table_has_names_codes_and_missing_values(tmp_path: Path) -> None:
    data = read_data([table(tmp_path / "d.csv")])
    assert (data.form, data.columns, data.classes) == (Form.TABLE, ("age", "colour", "size"), ("no", "yes"))
    assert data.categories == {"colour": ("?", "red")}
    assert data.x_train is not None and data.x_test is not None and data.y_test is not None
    assert (len(data.x_train), len(data.x_test)) == (70, 30)
    np.testing.assert_array_equal(data.x_test[:, 0] % 2, data.y_test)
    assert np.isnan(data.x_test[data.x_test[:, 0] % 5 == 0, 2]).all()
    other = read_data([table(tmp_path / "d.csv")], label="colour")
    assert (other.columns, other.classes) == (("age", "size", "bought"), ("?", "red"))


def test_two_tables_train_and_test_and_share_their_codes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("c;label\nx;3\ny;4\nx;3\n")
    (tmp_path / "b.csv").write_text("c;label\nz;4\ny;3\n")
    data = read_data([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert (data.categories, data.classes) == ({"c": ("x", "y", "z")}, ("3", "4"))
    np.testing.assert_array_equal(data.x_test, [[2], [1]])
    np.testing.assert_array_equal(data.y_train, [0, 1, 0])


def test_a_packed_table_and_parquet_say_the_same(tmp_path: Path) -> None:
    plain = table(tmp_path / "d.csv")
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    rows = tables.read_csv(plain, 0, [])
    columns = dict(zip(rows.columns, map(list, zip(*rows.rows, strict=True)), strict=True))
    columns["age"] = [int(one) for one in columns["age"]]
    columns["size"] = [float(one) if one else None for one in columns["size"]]
    parquet.write_table(pyarrow.table(columns), tmp_path / "d.parquet")
    first = read_data([plain])
    for name in ("p.csv.gz", "d.parquet"):
        other = read_data([tmp_path / name])
        np.testing.assert_array_equal(other.x_train, first.x_train)
        assert (other.categories, other.classes) == (first.categories, first.classes)


def test_of_more_rows_than_fit_a_sample_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 40)
    data = read_data([table(tmp_path / "d.csv")])
    assert data.x_train is not None and data.x_test is not None
    assert len(data.x_train) + len(data.x_test) == 40
    assert "of the 100 rows of d.csv a random 40 were read" in data.notes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n1\n", "one column"),
        ("a,b\n1,2,3\n", "row 2 has 3 values"),
        ("a,a\n1,2\n", "same name"),
        ("a,b\n", "no rows"),
        ("a,b\n1,\n2,1\n", "no label"),
        ("a,b\n" + "".join(f"1,{at / 7}\n" for at in range(50)), "no classes"),
        ("", "empty"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_data([tmp_path / "d.csv"])


def test_texts_stay_texts(tmp_path: Path) -> None:
    lines = [
        f'{{"text": "hello number {at}, and more", "label": "{"spam" if at % 4 == 0 else "ham"}"}}' for at in range(80)
    ]
    (tmp_path / "d.jsonl").write_text("\n".join(lines))
    data = read_data([tmp_path / "d.jsonl"])
    assert (data.form, data.classes, data.columns) == (Form.TEXT, ("ham", "spam"), ())
    assert data.x_test is not None and data.x_test.dtype == object and data.x_test.shape == (24,)
    (tmp_path / "d.csv").write_text("text,label\n" + "".join(f'"a, {at} b",{at % 2}\n' for at in range(20)))
    assert read_data([tmp_path / "d.csv"]).form is Form.TEXT
    for line, said in (("[1]", "not a JSON object"), ('{"text": "a"}', "other keys")):
        (tmp_path / "e.jsonl").write_text(lines[0] + "\n" + line)
        with pytest.raises(UsageError, match=said):
            read_data([tmp_path / "e.jsonl"])


def test_idx_files_join_by_their_names(tmp_path: Path) -> None:
    pixels = (IMAGES[:, 0] * 255).astype(np.uint8)
    for part, rows in (("train", slice(0, 40)), ("t10k", slice(40, 60))):
        head = struct.pack(">4B3I", 0, 0, 8, 3, len(pixels[rows]), 4, 4)
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + pixels[rows].tobytes()))
        head = struct.pack(">4BI", 0, 0, 8, 1, len(pixels[rows]))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(head + LABELS[rows].astype(np.uint8).tobytes())
    data = read_data([tmp_path])
    assert data.x_test is not None
    assert (data.form, data.x_test.shape) == (Form.IMAGES, (20, 4, 4))
    np.testing.assert_array_equal(data.y_train, LABELS[:40])
    short = tmp_path / "train-labels-idx1-ubyte"
    short.write_bytes(short.read_bytes()[:-1])
    with pytest.raises(UsageError, match="ends before"):
        read_data([tmp_path])


def test_folders_are_classes(tmp_path: Path) -> None:
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for at in range(10):
            Image.fromarray(np.full((3, 5, 3), 100 * label + at, np.uint8)).save(tmp_path / name / f"{at}.png")
    data = read_data([tmp_path])
    assert data.x_train is not None and data.x_test is not None and data.y_train is not None
    assert (data.x_train.shape, data.classes, data.form) == ((14, 3, 3, 5), ("cat", "dog"), Form.IMAGES)
    np.testing.assert_array_equal(data.x_train[:, 0, 0, 0] > 0.3, data.y_train)
    Image.new("RGB", (4, 4)).save(tmp_path / "cat" / "odd.png")
    with pytest.raises(UsageError, match="differ in size"):
        read_data([tmp_path])
    (tmp_path / "cat" / "odd.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"odd\.png"):
        read_data([tmp_path])
