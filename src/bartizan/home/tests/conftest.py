"""A home of its own for every test that wants one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.config import load
from bartizan.home import Home


@pytest.fixture
def opened_home(tmp_path: Path) -> Iterator[Home]:
    with Home.open(config=load(environ={}, cwd=tmp_path), environ={}) as found:
        yield found
