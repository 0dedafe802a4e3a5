"""The register that the tests keep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from registry import Registry

from bartizan.store.state import State as Store
from bartizan.vault import MasterKey, Vault


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    store = Store.open(tmp_path)
    yield Registry(store, Vault.open(store, MasterKey(b"m" * 32, "test")))
    store.close()
