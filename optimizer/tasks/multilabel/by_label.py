"""By label: the drop of every label's own F1, stored with a verified member."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from objectives.measurement import Measurement, Source
from objectives.metrics import METRICS
from objectives.statistics import bootstrap_drop
from optimizer.views.member import LabelView

if TYPE_CHECKING:
    from optimizer.tasks.multilabel.labelling import Labelling  # with torch, which views do without

DROP = "label_drop"  # the quantity
F1 = METRICS["f1"]


def label_drops(
    task: Labelling, labels: NDArray[np.generic], dense: NDArray[np.generic], pruned: NDArray[np.generic]
) -> Iterator[Measurement]:
    """Yield the drop of each label's F1 with its paired interval, from labels and predictions `(n, labels)`.

    `n` of a measurement counts the examples that have the label; without one its F1 is 0.
    """
    for index, name in enumerate(task.names):
        column = labels[:, index], dense[:, index], pruned[:, index]
        drop = bootstrap_drop(F1, *column[1:], column[0], seed=0)
        yield Measurement(
            quantity=DROP,
            value=drop.value,
            unit="1",
            source=Source.MEASURED,
            n=int(column[0].sum()),
            interval=drop.interval,
            conditions={"label": name, "dense": F1.value(column[1], column[0])},
        )


def label_views(measurements: Iterable[Measurement]) -> tuple[LabelView, ...]:
    """Return the views of the labels among a member's measurements; the last of a label counts."""
    views = (
        LabelView(
            label=str(each.conditions["label"]),
            n=each.n or 0,
            dense_f1=(dense := float(str(each.conditions["dense"]))),
            f1=dense - each.value,
            drop=each.value,
            interval=(each.interval.lower, each.interval.upper),
        )
        for each in measurements
        if each.quantity == DROP and each.interval
    )
    return tuple({view.label: view for view in views}.values())
