"""The store in memory keeps the contract."""

from __future__ import annotations

import pytest
from store_contract import StoreContract

from studies.memory import MemoryStore


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
