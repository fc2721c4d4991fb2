"""The executor of this process keeps the contract, and lets an interrupt through."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from executor_contract import ExecutorContract, Scripted, asked

from optimizer.evaluation.rivals import Rival
from optimizer.executors.executor import Evaluating, Executor
from optimizer.executors.inprocess import InProcess
from search_spaces.config import Config
from studies.records import Outcome


class TestInProcess(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor[Evaluating]:
        return InProcess(Scripted())


def test_an_interrupt_is_nobody_s_answer() -> None:
    class Interrupted(Scripted):
        def evaluate(self, config: Config, rivals: Sequence[Rival]) -> Outcome:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        InProcess(Interrupted()).submit(asked())
