"""Criteria: which units of a group matter most. One table of names; each criterion is one small file."""

from __future__ import annotations

from collections.abc import Mapping

from search_spaces.transforms.units.criteria.activation import Activation
from search_spaces.transforms.units.criteria.gradient import Fisher, Taylor
from search_spaces.transforms.units.criteria.knowledge import Knowledge
from search_spaces.transforms.units.criteria.magnitude import Magnitude
from search_spaces.transforms.units.criteria.obs import OptimalBrainSurgeon
from search_spaces.transforms.units.criteria.shuffled import Shuffled
from search_spaces.transforms.units.evidence import Criterion

CRITERIA: Mapping[str, Criterion] = {
    "obs": OptimalBrainSurgeon(),
    "fisher": Fisher(),
    "taylor": Taylor(),
    "knowledge": Knowledge(),
    "activation": Activation(),
    "magnitude-l1": Magnitude(order=1),
    "magnitude-l2": Magnitude(order=2),
    "random": Shuffled(seed=0),
}
OF_CHANNELS: Mapping[str, Criterion] = {**CRITERIA, "obs": OptimalBrainSurgeon(share=1 / 32, remaining=True)}
"""Of readers of images, which have fewer channels and are ranked in finer steps towards the end."""
