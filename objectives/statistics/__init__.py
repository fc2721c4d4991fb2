"""How sure a drop or a ratio is: intervals, one-sided bounds and p-values, each naming its method.

A drop is `dense − candidate`, positive is worse; everything is paired, since both models saw the same examples.
"""

from __future__ import annotations

from objectives.statistics.bootstrap import DropBootstrap, bootstrap_drop
from objectives.statistics.bought import Disagreements, bought_upper, certifies, log_wealth
from objectives.statistics.bounded import MeanDrop, largest_certifiable_mean_drop
from objectives.statistics.exact import allowed_losses, within_epsilon
from objectives.statistics.multiple import holm
from objectives.statistics.paired import paired_drop_interval, paired_drop_p_value, paired_drop_upper
from objectives.statistics.power import describe_power, largest_certifiable_drop, smallest_certifying_n
from objectives.statistics.predicted import PredictedDrops, predicted_drops
from objectives.statistics.score import SCORED, DropScore, score_drop
from objectives.statistics.shrinkage import Observed, ShrunkenDrop, shrunken_drops

__all__ = [
    "SCORED",
    "Disagreements",
    "DropBootstrap",
    "DropScore",
    "MeanDrop",
    "Observed",
    "PredictedDrops",
    "ShrunkenDrop",
    "allowed_losses",
    "bootstrap_drop",
    "bought_upper",
    "certifies",
    "describe_power",
    "holm",
    "largest_certifiable_drop",
    "largest_certifiable_mean_drop",
    "log_wealth",
    "paired_drop_interval",
    "paired_drop_p_value",
    "paired_drop_upper",
    "predicted_drops",
    "score_drop",
    "shrunken_drops",
    "smallest_certifying_n",
    "within_epsilon",
]
