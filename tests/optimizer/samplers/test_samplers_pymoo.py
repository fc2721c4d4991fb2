"""pymoo's NSGA-II keeps the contract, and a generation is a list of children."""

from __future__ import annotations

from sampler_contract import GeneticContract, LearnerContract, told_at_random


class TestPymooNsga3(GeneticContract):
    name, margin = "pymoo-nsga3", 1.1


class TestPymooUnsga3(GeneticContract):
    name, margin = "pymoo-unsga3", 1.1


class TestPymooSmsEmoa(GeneticContract):
    name, margin = "pymoo-smsemoa", 1.15


class TestPymooCtaea(LearnerContract):
    """Its second archive spreads without the constraints, so children come from bad places, too."""

    name, margin = "pymoo-ctaea", 1.1


class TestPymooNsga2(GeneticContract):
    name, margin = "pymoo-nsga2", 1.15

    def test_the_children_of_a_generation_all_differ(self) -> None:
        history = told_at_random(16, objectives=2, constraints=1)
        children = [self.make(history[:told]).ask(told) for told in range(8, 16)]
        assert len(set(children)) == 8
        assert children == [self.make(history[:8]).ask(number) for number in range(8, 16)]
