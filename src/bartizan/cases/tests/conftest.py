"""The desk that the tests of cases sit at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from office import Office

from bartizan.store.state import State as Store
from bartizan.vault import MasterKey, Vault


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    store = Store.open(tmp_path)
    yield Office(store, Vault.open(store, MasterKey(b"m" * 32, "test")))
    store.close()
