"""Image networks: channels and neurons from the dependency graph, costs of whole configs, requests of images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from torch import Tensor, nn

from objectives.flops import UncountableModelError
from objectives.measurement import Measurement
from objectives.networks import flops_by_layer
from objectives.size import measure_size, size_bytes
from optimizer.costs import Cost
from optimizer.errors import InputError
from optimizer.families.family import Bank, Execution
from optimizer.families.networks.image import ImageFamily
from optimizer.families.networks.network import Network
from optimizer.families.subject import Subject
from optimizer.latency.layers import LayerLatency, layer_latency
from optimizer.latency.proposed import add_proposed_costs
from optimizer.tasks.images.examples import PIXELS
from optimizer.tasks.task import summed_loss
from search_spaces.allocation import FloatArray
from search_spaces.config import Config, Form
from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout, UnprunableModelError
from search_spaces.transforms.units.bank.key import BankKey
from search_spaces.transforms.units.channels.bank import ChannelBank
from search_spaces.transforms.units.channels.costs import network_flops_cost, network_parameters_cost
from search_spaces.transforms.units.channels.criteria import CHANNEL_CRITERIA
from search_spaces.transforms.units.channels.materialize import materialize_channels, outline_channels
from search_spaces.transforms.units.channels.recalibrate import recalibrate
from search_spaces.transforms.units.damping import DAMPING

if TYPE_CHECKING:
    from optimizer.spec import CriterionName, StudySpec

CALIBRATION_BATCH = 64
RECALIBRATION_BATCHES = 4  # batch norms need a mean and a variance per channel, not the finer moments of the bank


class NetworkFamily(ImageFamily):
    """`Family` of image networks pruned by channels and neurons; `space` is that of the dense network."""

    def __init__(self, network: Network, space: Layout, subject: Subject) -> None:
        super().__init__(network, subject)
        self.space = space

    @staticmethod
    def space_of(network: Network, model: nn.Module) -> Layout:
        """Find the prunable groups of a network.

        Raises `InputError` naming the layer that cannot be traced or whose arithmetic cannot be counted.
        """
        try:
            space = network.channels_of(model)
            flops_by_layer(model, network.example(model))
        except UnprunableModelError as error:
            raise InputError("model", str(error)) from error
        except UncountableModelError as error:
            raise InputError("model", f"{error}; build it from linear layers, convolutions and matmul") from error
        return space

    @property
    def notes(self) -> tuple[str, ...]:
        """The hidden layers that stay dense, with the reasons."""
        reasons = "; ".join(f"{path} ({reason})" for path, reason in self.space.dense.items())
        return (f"layers that stay dense: {reasons}",) if reasons else ()

    def groups(self) -> tuple[Group, ...]:
        """Return the groups of channels."""
        return self.space.groups

    def bank(self, groups: Sequence[Group], criterion: CriterionName, root: Path) -> Bank:
        """Return the channel bank."""
        examples = self._subject.calibration
        ranking = CHANNEL_CRITERIA[criterion]
        key = BankKey(
            weights=self._subject.weights_hash,
            examples=examples.hash,
            criterion=ranking.name,
            damping=DAMPING,
            dtype=str(next(self._subject.model.parameters()).dtype),
        )
        return ChannelBank(
            root,
            key,
            model=self._subject.model,
            space=self.space,
            criterion=ranking,
            calibration=lambda: examples.batches(batch_size=CALIBRATION_BATCH, device=self._subject.device),
            loss=summed_loss(self._subject.task),
        )

    def materialize(self, groups: Sequence[Group], config: Config, bank: Bank, *, share_weights: bool) -> nn.Module:
        """Return the smaller network; its batch norms are recalibrated unless weights are only sliced."""
        source = cast("ChannelBank[Mapping[str, Tensor]]", bank)
        model: nn.Module = self._subject.model
        small = materialize_channels(model, self.space, config, source, share_weights=share_weights)
        return small if config.form is Form.SLICED else recalibrate(small, self._recalibration())

    def outline(self, groups: Sequence[Group], config: Config) -> nn.Module:
        """Return a network with a config's shapes."""
        model: nn.Module = self._subject.model
        return outline_channels(model, self.space, config)

    def costs(self, groups: Sequence[Group]) -> dict[str, Cost]:
        """Return FLOPs, parameters and size."""
        model: nn.Module = self._subject.model
        parameters = network_parameters_cost(model, self.space)
        return {
            "flops": network_flops_cost(self.space, flops_by_layer(model, self._network.example(model))),
            "parameters": parameters,
            "size": Bytes(parameters, float(size_bytes(model)), next(model.parameters()).element_size()),
        }

    def sizes(self, model: nn.Module) -> tuple[Measurement, ...]:
        """Return the number of parameters and the bytes of the file."""
        return measure_size(model)

    def execution(self, model: nn.Module, spec: StudySpec) -> Execution:
        """Return the network unchanged: it is smaller and runs on dense kernels."""
        return Execution(model, {})

    def with_proposed_costs(
        self,
        costs: Mapping[str, Cost],
        spec: StudySpec,
        *,
        groups: tuple[Group, ...],
        cache_dir: Path,
    ) -> dict[str, Cost]:
        """Return the costs with latency and energy from a table of the network's layers."""
        return add_proposed_costs(costs, spec, self._subject.device, partial(self.latency, spec, cache_dir))

    def latency(self, spec: StudySpec, cache_dir: Path) -> LayerLatency:
        """Return the seconds of a request, from a table of the layers that is built where the cache has none."""
        return layer_latency(
            spec,
            self._subject.model,
            self.space,
            request=self.request(),
            conditions=self.conditions(),
            cache_dir=cache_dir,
        )

    def _recalibration(self) -> Iterator[dict[str, Tensor]]:
        calibration = self._subject.calibration
        few = calibration.subset(range(min(len(calibration), RECALIBRATION_BATCHES * CALIBRATION_BATCH)))
        for batch in few.batches(batch_size=CALIBRATION_BATCH, device=self._subject.device):
            yield {PIXELS: batch[PIXELS]}


class Bytes:
    """The size of a network in bytes: its parameters and a constant part."""

    def __init__(self, parameters: Cost, dense: float, bytes_each: int) -> None:
        self._parameters, self.dense, self._each = parameters, dense, bytes_each

    def total(self, config: Config) -> float:
        """Return the bytes of a config."""
        return self.dense - self._each * (self._parameters.dense - self._parameters.total(config))

    def ratio(self, config: Config) -> float:
        """Return the bytes as a ratio to the dense network's."""
        return self.total(config) / self.dense

    def of_levels(self, group: Group) -> FloatArray:
        """Return the cost of each of the group's levels with all other groups dense, up to a constant: `(levels,)`."""
        return self._each * self._parameters.of_levels(group)
