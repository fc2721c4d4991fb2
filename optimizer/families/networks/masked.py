"""Masked image networks: single weights are pruned by a training recipe, dead neurons removed, fastest kernels used."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from torch import nn

from objectives.latency import measure_latency
from objectives.measurement import Interval, Measurement
from objectives.size import count_parameters, size_bytes
from objectives.sparse_size import measure_sparse_size, stored_bytes
from optimizer.costs import AdditiveCost, Cost, linear_cost
from optimizer.errors import InputError
from optimizer.families.family import Bank, Execution
from optimizer.families.networks.channels import NetworkFamily
from optimizer.families.networks.classifier import ImageClassifier
from optimizer.families.networks.image import ImageFamily
from optimizer.families.networks.kernels import COMPRESSED_ROWS, DENSE_KERNELS, REMOVED
from optimizer.families.networks.network import Network
from optimizer.families.networks.trained_masks import MaskTraining, TrainedNetworks, mask_training
from optimizer.families.subject import Subject
from optimizer.tasks.images.examples import ImageExamples
from search_spaces.config import Config
from search_spaces.groups import Group
from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.masks.csr import SPARSE_ENOUGH, with_sparse_kernels
from search_spaces.transforms.masks.dead import without_dead_neurons
from search_spaces.transforms.masks.groups import mask_groups
from search_spaces.transforms.masks.layers import MaskError, maskable_layers, weights_per_unit

if TYPE_CHECKING:
    from optimizer.spec import CriterionName, StudySpec

CONTROL = "control"
REMOVED_ENOUGH = 0.9  # of the parameters kept: copies of one network differ by some 5 %, more than a smaller gain
CHOICE_S = 2.0  # of rounds in which the forms of one network are compared


def image_family(
    spec: StudySpec, network: Network, model: ImageClassifier, pool: ImageExamples, *, learning_rate: float | None
) -> Callable[[Subject], NetworkFamily | MaskedFamily]:
    """Return what makes the family for a spec's structure; the network is not yet trained on the pool.

    `learning_rate` is that of its training; None for a network that was already trained. Raises `InputError`.
    """
    if spec.structure == "units":
        return partial(NetworkFamily, network, NetworkFamily.space_of(network, model))
    return partial(MaskedFamily, network, mask_training(spec, model, pool, learning_rate=learning_rate))


class MaskedFamily(ImageFamily):
    """`Family` of image networks pruned by single weights and filters; every candidate is trained with `training`."""

    def __init__(self, network: Network, training: MaskTraining, subject: Subject) -> None:
        super().__init__(network, subject)
        self.training = training
        self.notes = (
            f"every masked candidate but a one-shot one is trained for {training.settings.epochs} epochs on the "
            f"{len(training.images)} images that the dense network learns from",
            "the drop also includes the effect of retraining without masks: Adam at a constant rate, and more epochs "
            "where gradual pruning starts from the trained network; with an undertrained baseline it looks better than "
            "it is",
            "sizes are those of the smallest storage; a file of dense tensors is larger",
        )

    def groups(self) -> tuple[Group, ...]:
        """Return the layers that can be masked. Raises `InputError` for a network without any."""
        try:
            return mask_groups(self._subject.model)
        except MaskError as error:
            raise InputError("structure", str(error)) from error

    def bank(self, groups: Sequence[Group], criterion: CriterionName, root: Path) -> TrainedNetworks:
        """Return the networks trained so far."""
        return TrainedNetworks(
            root,
            dense=self._subject.model,
            weights_hash=self._subject.weights_hash,
            training=self.training,
        )

    def materialize(self, groups: Sequence[Group], config: Config, bank: Bank, *, share_weights: bool) -> nn.Module:
        """Return the network trained under the config's masks, without the neurons that died."""
        return without_dead_neurons(cast("TrainedNetworks", bank).network_of(config))

    def outline(self, groups: Sequence[Group], config: Config) -> nn.Module:
        """Return a network with the dense network's shapes, which masks keep."""
        return share_structure(self._subject.model)

    def costs(self, groups: Sequence[Group]) -> dict[str, Cost]:
        """Return the kept parameters and the size in the smallest storage; FLOPs depend on which neurons die."""
        model: nn.Module = self._subject.model
        layers = maskable_layers(model)
        per_unit = {group.name: float(weights_per_unit(layers[group.name])) for group in groups}
        size = size_bytes(model)
        stored = {
            group.name: {level: float(_bytes_of(layers[group.name], level)) for level in group.levels}
            for group in groups
        }
        rest = size - sum(layers[group.name].weight.nbytes for group in groups)
        return {
            "parameters": linear_cost(groups, per_unit, float(count_parameters(model))),
            "size": AdditiveCost(float(rest), stored, float(size)),
        }

    def with_proposed_costs(
        self,
        costs: Mapping[str, Cost],
        spec: StudySpec,
        *,
        groups: tuple[Group, ...],
        cache_dir: Path,
    ) -> dict[str, Cost]:
        """Return the costs unchanged: latency and energy are unknown before training."""
        return dict(costs)

    def sizes(self, model: nn.Module) -> tuple[Measurement, ...]:
        """Return the number of nonzero parameters and the bytes of their smallest storage."""
        return measure_sparse_size(model)

    def execution(self, model: nn.Module, spec: StudySpec) -> Execution:
        """Return the network in the fastest form that beats dense kernels at the first batch size, else in dense ones.

        A form beats dense kernels where the interval of its ratio is below 1 and below that of a control, a copy of the
        dense network: copies differ by the memory addresses of their weights. The form is chosen in rounds that are not
        reported, because the fastest of several looks too good in the rounds that chose it. Dense kernels take the same
        time for zeros as for weights, so they are timed on the dense network.
        """
        forms = _smaller_forms(self._subject.model, model)
        if not forms:
            return Execution(model, {"kernels": DENSE_KERNELS})
        timed = measure_latency(
            {DENSE_KERNELS: share_structure(self._subject.model), CONTROL: copy.deepcopy(self._subject.model), **forms},
            self.request(),
            dense=DENSE_KERNELS,
            batch=spec.batch_sizes[0],
            rng=np.random.default_rng(spec.seed),
            seconds=CHOICE_S,
            threads=spec.threads,
        )
        bar = min(1.0, _interval(timed[CONTROL].ratio).lower)
        winning = {name: timed[name].ratio.value for name in forms if _interval(timed[name].ratio).upper < bar}
        fastest = min(winning, key=lambda name: winning[name], default=DENSE_KERNELS)
        return Execution(forms.get(fastest, model), {"kernels": fastest})


def _smaller_forms(dense: nn.Module, model: nn.Module) -> dict[str, nn.Module]:
    """Return the forms that skip pruned weights, where the network is sparse enough for them."""
    forms: dict[str, nn.Module] = {}
    if count_parameters(model) < REMOVED_ENOUGH * count_parameters(dense):
        forms[REMOVED] = model
    if any(_sparsity(layer) > SPARSE_ENOUGH for layer in model.modules() if isinstance(layer, nn.Linear)):
        forms[COMPRESSED_ROWS] = with_sparse_kernels(model, above=SPARSE_ENOUGH)
    return forms


def _interval(ratio: Measurement) -> Interval:
    return ratio.interval or Interval(lower=ratio.value, upper=ratio.value)


def _bytes_of(layer: nn.Linear | nn.Conv2d, kept: int) -> int:
    weight = layer.weight
    per_unit, each = weights_per_unit(layer), weight.element_size()
    return stored_bytes(tuple(weight.shape), kept, weights_per_unit=per_unit, bytes_each=each)


def _sparsity(layer: nn.Linear) -> float:
    return float((layer.weight == 0).float().mean())
