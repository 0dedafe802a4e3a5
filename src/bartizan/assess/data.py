"""The rows a model is measured with: what it was trained on, what it is tested on, and candidates for membership."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from bartizan.assess.target import Array


class Form(StrEnum):
    """What a row is: it decides which attacks make sense."""

    IMAGES = "images"  # (n, channels, height, width) or (n, height, width), float32 in [0, 1]
    TABLE = "table"  # (n, columns) numbers
    TEXT = "text"  # (n,) str


@dataclass(frozen=True, slots=True)
class Data:
    """Rows and integer labels, each part None where it was not given. `digest` is the sha256 of the file(s), hex."""

    form: Form
    digest: str
    x_train: Array | None = None
    y_train: Array | None = None
    x_test: Array | None = None
    y_test: Array | None = None
    x_pool: Array | None = None  # candidate rows, some of them trained on
    y_pool: Array | None = None
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()  # names of the labels 0, 1, …
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by column: names of the codes 0, 1, …
    notes: list[str] = field(default_factory=list)  # what was noticed and the report must say
