"""A preset of networks pruned by lists: the lists, and what the published table says of every network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from optimizer.reproduce.claims import Frozen, Quantity
from optimizer.reproduce.presets import Preset, Scale, ScaleName

KIND = "listed"
UNPRUNED = "UNPRUNED"  # the label of the network that the others are compared with
AT = 50  # the overall ratio, in percent, that the lists are written for


class Pruning(NamedTuple):
    """How a network was pruned: a distribution, and its overall ratio in percent."""

    distribution: str
    ratio: int

    @property
    def label(self) -> str:
        """The name of such a configuration, as in names of files."""
        return f"{self.distribution}_GPR-{self.ratio}"


class Series(Frozen):
    """A network's figures under one distribution: by ratio, those of energy and throughput by batch size before that.

    `removed_at_50` are percents of the filters of each convolution at an overall ratio of 50 %.
    """

    distribution: str
    removed_at_50: tuple[int, ...]
    macs: tuple[int, ...]
    parameters: tuple[int, ...]
    energy_j: tuple[tuple[float, ...], ...]
    fps: tuple[tuple[float, ...], ...]


class Network(Frozen):
    """An architecture of torchvision: the unpruned one's figures, those of energy and throughput by batch size.

    Where at most `mapless` filters of the first convolution are removed, the second one has no map of biases.
    """

    name: str
    macs: int
    parameters: int
    energy_j: tuple[float, ...]
    fps: tuple[float, ...]
    mapless: int = 0
    series: tuple[Series, ...]

    def of(self, distribution: str) -> Series:
        """Return the figures under a distribution."""
        return next(series for series in self.series if series.distribution == distribution)


class ListedScale(Scale):
    """How much of the experiment is run: every network is counted, those of `timed_models` that `timed` matches timed.

    `seconds` are spent on the rounds of one pruned network and the unpruned one, per batch size.
    """

    batch_sizes: tuple[int, ...] = Field(min_length=1)
    timed_models: tuple[str, ...] | None = None
    timed: tuple[str, ...] = ("*",)
    seconds: float = Field(gt=0)

    def timed_of(self, model: str) -> tuple[str, ...]:
        """Return the patterns of the configurations of a network that are timed."""
        return self.timed if self.timed_models is None or model in self.timed_models else ()


class ListedPreset(Preset):
    """A published table of networks pruned by lists. `ratios` are overall ones in percent."""

    quantities: ClassVar[Mapping[str, Quantity]] = {}
    kind: Literal["listed"]
    ratios: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    pruning_seed: int
    scales: Mapping[ScaleName, ListedScale]
    networks: tuple[Network, ...]
    remarks: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _every_pruning_is_a_configuration(cls, content: Any) -> Any:  # Any: the content of a file
        names = dict.fromkeys(series["distribution"] for network in content["networks"] for series in network["series"])
        labels = [UNPRUNED, *(Pruning(name, ratio).label for name in names for ratio in content["ratios"])]
        return {**content, "configurations": [{"label": label} for label in labels]}

    @property
    def prunings(self) -> tuple[Pruning, ...]:
        """Every distribution at every ratio."""
        names = dict.fromkeys(series.distribution for network in self.networks for series in network.series)
        return tuple(Pruning(name, ratio) for name in names for ratio in self.ratios)

    def pruning(self, label: str) -> Pruning | None:
        """Return how a configuration is pruned, None for the unpruned network."""
        return next((each for each in self.prunings if each.label == label), None)

    def network(self, model: str) -> Network:
        """Return what is published of a network."""
        return next(network for network in self.networks if network.name == model)

    @model_validator(mode="after")
    def _lists_fit(self) -> Self:
        for network in self.networks:
            of_series = [figures for series in network.series for figures in (series.energy_j, series.fps)]
            counts = [count for series in network.series for count in (series.macs, series.parameters)]
            by_batch = {len(figures) for figures in (network.energy_j, network.fps, *of_series)}
            by_ratio = {len(figures) for figures in (*counts, *(each for some in of_series for each in some))}
            if by_batch != {len(self.batch_sizes)} or by_ratio != {len(self.ratios)}:
                raise ValueError(f"{network.name}: its figures must be by batch size and by ratio")
        return self
