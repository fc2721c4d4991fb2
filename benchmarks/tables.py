"""What proposed latency is worth: random narrow networks, predicted from the table of layers and then really timed.

    python -m benchmarks.tables [--models resnet18:1,resnet18:64,vgg11:8,resnet50:4] [--threads 2] [--configs 12]

Each is a model and its batch. Ratios are to the dense network; a rank correlation of 1 is the true order.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.stats import spearmanr

from objectives.latency import measure_latency
from optimizer.families.encoders.load import load_workload
from optimizer.spec import StudySpec
from search_spaces.config import Config
from search_spaces.transforms.units.materialize import outline

DENSE = "dense"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="resnet18:1,resnet18:64,vgg11:8,resnet50:4")
    parser.add_argument("--task", default="digits", help="whose images they read; their weights are random")
    parser.add_argument("--data", help="as for optimize")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--configs", type=int, default=12)
    options = parser.parse_args()
    for chosen in options.models.split(","):
        name, _, batch = chosen.partition(":")
        fields = {"model": name, "task": options.task, "data": options.data, "batch_sizes": [int(batch)]}
        spec = StudySpec.model_validate(
            {**fields, "epsilon": 0.01, "threads": options.threads, "allow_untrained": True}
        )
        print(f"{name}, batch {batch}: {predicted_and_timed(spec, options.configs)}", flush=True)


def predicted_and_timed(spec: StudySpec, configs: int) -> str:
    """Return how well the table, and FLOPs alone, foretell the latency ratios of random configs."""
    rng, threads = np.random.default_rng(0), spec.threads or 1
    with TemporaryDirectory() as place:
        workload = load_workload(spec, cache_dir=Path(place), progress=lambda *_: None)
        family, layout = workload.family, workload.family.dense("obs").layout
        latency = family.latency(spec, Path(place))
    flops = family.costs()["flops"]
    drawn = [Config.of({group.name: int(rng.choice(group.levels)) for group in layout.groups}) for _ in range(configs)]
    networks = {str(index): outline(workload.model, layout, config) for index, config in enumerate(drawn)}
    timed = measure_latency(
        {DENSE: workload.model, **networks},
        family.request(),
        dense=DENSE,
        batch=spec.batch_sizes[0],
        rng=rng,
        seconds=4.0 * configs,
        threads=threads,
    )
    truth = np.array([timed[key].ratio.value for key in networks])
    said = []
    for cost, name in ((latency, "table"), (flops, "FLOPs")):
        proposed = np.array([cost.ratio(config) for config in drawn])
        low, middle, high = np.quantile(proposed / truth, [0.0, 0.5, 1.0])
        order = spearmanr(proposed, truth).statistic
        said.append(f"{name} / timed {middle:.2f} [{low:.2f} … {high:.2f}], rank correlation {order:.2f}")
    return "; ".join(said)


if __name__ == "__main__":
    main()
