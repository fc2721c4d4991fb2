"""A preset of pretrained networks: settings, configurations, and what a paper reports of each network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from optimizer.reproduce.claims import Claim, Frozen, Published, Quantity
from optimizer.reproduce.presets import Configuration, ScaleName, TrainingPreset, TrainingScale

KIND = "pretrained"
BASELINE, DENSE = "baseline", "pretrained"  # the dense network trained again, and as it came
Reading = Literal["absolute", "relative"]
BitsName = Literal["once", "held", "after", "executed"]

QUANTITIES: Mapping[str, Quantity] = {
    "accuracy": Quantity.scaled("accuracy", 100, "{:.2f} %", near=0.01),
    "bits": Quantity.scaled("bits zeroed", 1, "{:.0f}", near=0.5),
    "compression": Quantity.scaled("compression", 100, "{:.2f} %", near=0.02),
    "layer_min": Quantity.scaled("least pruned layer", 100, "{:.2f} %", near=0.05),
    "layer_max": Quantity.scaled("most pruned layer", 100, "{:.2f} %", near=0.05),
    "rank_min": Quantity.scaled("lowest rank", 1, "{:.0f}", share=0.25),
    "rank_max": Quantity.scaled("highest rank", 1, "{:.0f}", share=0.25),
    "rank_mean": Quantity.scaled("mean rank", 1, "{:.2f}", share=0.25),
    "epochs": Quantity.scaled("epochs", 1, "{:.1f}"),
    "training_time_change": Quantity.scaled("training time against baseline", 100, "{:+.1f} %"),
    "training_energy_change": Quantity.scaled("training energy against baseline", 100, "{:+.1f} %"),
    "epoch_energy_change": Quantity.scaled("energy of an epoch against baseline", 100, "{:+.1f} %"),
}
"""Changes of time and energy are judged by their intervals alone."""


class PretrainedConfiguration(Configuration):
    """One row of the experiment; without any technique it is the dense network.

    `bits`: "once" zeroes the lowest bits before the training, "held" after each of its steps as well, "after" at its
    end alone, "executed" computes in bfloat16, whose 16 bits are the only ones below 32 that a float kernel runs.
    """

    bits: BitsName | None = None
    pruned: bool = False
    low_rank: bool = False
    trains: bool = True


class PretrainedScale(TrainingScale):
    """How much of the experiment is run. `epochs` bound a training that does not stop by itself.

    `test_examples` are halved: one half to choose and to stop by, the other to report. A network without weights of its
    own is first trained for `base_epochs`. Ranks are tried in `rank_steps` steps of a layer's full rank, None: all of
    them; low ranks are raised at most `rank_rounds` times. `step_seconds` are spent on timing steps of one run.
    """

    test_examples: int | None = Field(None, ge=2)
    image_size: int | None = Field(None, ge=1)
    base_epochs: int = Field(4, ge=1)
    rank_steps: int | None = Field(None, ge=2)
    rank_rounds: int = Field(ge=1)
    step_seconds: float = Field(5.0, gt=0)


class Network(Frozen):
    """What the paper prints of a network. Accuracies, rates and compressions are fractions."""

    name: str
    parameters: float
    depth: int
    baseline_t6: float
    baseline_text: float | None = None
    baseline_low_rank: float | None = None
    bits: int
    bits_compression: float
    bits_accuracy: float
    pruned: float
    pruned_layer_min: float
    pruned_layer_max: float
    pruned_accuracy: float
    rank_min: int
    rank_max: int
    rank_mean: float
    lowrank_compression: float
    lowrank_accuracy: float


class Place(NamedTuple):
    """Where a printed number of a network belongs."""

    field: str
    configurations: tuple[str, ...]
    metric: str
    where: str


ONCE_OR_HELD = ("bits-once", "bits-held")  # the paper does not say whether bits stay zero in training
PLACES = (
    Place("baseline_t6", (BASELINE,), "accuracy", "table 6"),
    Place("baseline_text", (BASELINE,), "accuracy", "section 3.2"),
    Place("baseline_low_rank", (BASELINE,), "accuracy", "section 3.4"),
    Place("bits", ONCE_OR_HELD, "bits", "section 3.2"),
    Place("bits_compression", ONCE_OR_HELD, "compression", "table 6"),
    Place("bits_accuracy", ONCE_OR_HELD, "accuracy", "table 6"),
    Place("pruned", ("pruned",), "compression", "table 7"),
    Place("pruned_layer_min", ("pruned",), "layer_min", "table 7"),
    Place("pruned_layer_max", ("pruned",), "layer_max", "table 7"),
    Place("pruned_accuracy", ("pruned",), "accuracy", "table 7"),
    Place("rank_min", ("low-rank",), "rank_min", "table 8"),
    Place("rank_max", ("low-rank",), "rank_max", "table 8"),
    Place("rank_mean", ("low-rank",), "rank_mean", "table 8"),
    Place("lowrank_compression", ("low-rank",), "compression", "table 8"),
    Place("lowrank_accuracy", ("low-rank",), "accuracy", "table 8"),
)


class ClaimOfNetworks(Claim):
    """A bound in words, of the networks that are named, or of all but those that `but` names."""

    models: tuple[str, ...] = ()
    but: tuple[str, ...] = ()

    def is_of(self, model: str) -> bool:
        """Whether the paper claims it of this network."""
        return model in self.models if self.models else model not in self.but


class Order(Frozen):
    """A configuration whose metric the text has below that of `others`, of every network but those of `but`."""

    lowest: str
    others: tuple[str, ...]
    metric: str
    but: tuple[str, ...] = ()
    where: str


class PretrainedPreset(TrainingPreset):
    """A published experiment on pretrained networks.

    Training stops after `patience` epochs in a row whose loss on the search images is not below the best one by
    `min_delta`: in units of the loss, or as a share of the best, as `reading` says. `tolerance` is the accepted drop.
    """

    quantities: ClassVar[Mapping[str, Quantity]] = QUANTITIES
    kind: Literal["pretrained"]
    learning_rate: float = Field(gt=0)
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    patience: int = Field(ge=1)
    min_delta: float = Field(gt=0, lt=1)
    reading: Reading
    tolerance: float = Field(gt=0, lt=1)
    pue: float = Field(ge=1)
    scales: Mapping[ScaleName, PretrainedScale]
    configurations: tuple[PretrainedConfiguration, ...]
    networks: tuple[Network, ...] = ()
    bounds: tuple[ClaimOfNetworks, ...] = ()
    orders: tuple[Order, ...] = ()
    remarks: tuple[str, ...] = ()

    def configuration(self, label: str) -> PretrainedConfiguration:
        """Return the configuration of a label."""
        return next(configuration for configuration in self.configurations if configuration.label == label)

    def network(self, model: str) -> Network | None:
        """Return what the paper prints of a network, None where it has none of this name."""
        return next((network for network in self.networks if network.name == model), None)

    def printed(self, model: str) -> Iterator[Published]:
        """Yield the printed numbers of a network, each with its configurations and its place."""
        network = self.network(model)
        for place in PLACES if network else ():
            value = getattr(network, place.field)
            if value is not None:
                yield Published(
                    datasets=self.datasets,
                    models=(model,),
                    configurations=place.configurations,
                    metric=place.metric,
                    value=value,
                    where=place.where,
                )

    def claims(self) -> tuple[Claim, ...]:
        """Return everything that is claimed of configurations."""
        return (*self.published, *self.bounds, *(claim for model in self.models for claim in self.printed(model)))

    def labels_named(self) -> tuple[str, ...]:
        """Return the labels that orders name, and the baseline."""
        return (BASELINE, *(label for order in self.orders for label in (order.lowest, *order.others)))
