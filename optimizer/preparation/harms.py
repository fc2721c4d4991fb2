"""Harms: how far single levels, and combinations of levels, change the model's answers. Each is measured once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from torch import nn

from optimizer.backends.names import BY_TOKEN, TORCH
from optimizer.costs.combined import measure_combinations
from optimizer.costs.sensitivity import harm_table, measure_sensitivity, remembered
from optimizer.evaluation.evaluate import FLOAT32, DenseAnswers
from optimizer.pipeline import Pipeline
from optimizer.progress import Report
from search_spaces.allocation import FloatArray
from search_spaces.combinations import Correction
from search_spaces.config import Config, Form
from search_spaces.groups import dense_config
from search_spaces.priced import PricedBlock


@dataclass(frozen=True)
class Harms:
    """The harms of a study's levels, on the screening examples; `build` makes the model of a config."""

    pipeline: Pipeline
    build: Callable[[Config], nn.Module]
    dense: DenseAnswers
    form: Form
    answered_by: str = TORCH  # where a level has answers of its own there

    def of_groups(self, report: Report) -> Mapping[str, FloatArray]:
        """Return the harm of every level by group; each transform's are kept beside what it computed."""
        harms: dict[str, FloatArray] = {}
        for step in self.pipeline.steps:
            groups = [group for group in self.pipeline.groups if group.under == step.under]
            passes = remembered(step.source.folder / f"sensitivity-{self._name}", self._of_level)
            measured = measure_sensitivity(groups, passes, progress=report)
            harms |= {group.name: harm_table(group, measured[group.name]) for group in groups}
        return harms

    def of_combinations(self, priced: Sequence[PricedBlock], report: Report) -> list[Correction]:
        """Return the correction of the harms of every block; what is measured is kept beside the last transform's."""
        steps = self.pipeline.steps
        sources = sha256(" ".join(step.source.folder.name for step in steps).encode()).hexdigest()[:12]
        known: dict[str, Mapping[str, int]] = {}
        path = steps[-1].source.folder / f"combinations-{sources}-{self._name}"
        passes = remembered(path, lambda name, _: self._of(known[name]))

        def divergence_of(levels: Mapping[str, int]) -> float:
            name = " ".join(f"{group}={level}" for group, level in levels.items())
            known[name] = levels
            return passes(name, 0)

        return measure_combinations(priced, divergence_of, progress=report)

    @property
    def _name(self) -> str:
        screening, dense = self.dense.screening, self.dense
        elsewhere = "" if self.answered_by == TORCH else f"-{self.answered_by}-{BY_TOKEN}"
        halves = "" if dense.precision == FLOAT32 else f"-{dense.precision}"
        return f"{self.form.value}-{len(screening)}-{screening.hash[:12]}{elsewhere}{halves}.json"

    def _of_level(self, group: str, level: int) -> float:
        return self._of({group: level})

    def _of(self, levels: Mapping[str, int]) -> float:
        config = dense_config(self.pipeline.groups).in_form(self.form).replaced(levels)
        return self.dense.divergence_of(self.dense.screened(self.dense.answering(self.build(config)), config))
