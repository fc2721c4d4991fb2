"""Whole text encoders whose linear layers multiply in bfloat16 in torch, beside float32 in torch and ONNX Runtime.

    python -m benchmarks.halves --model DIR --task sst2 --data DIR [--batches 1 32] [--tokens 24 128]

`each layer` makes bfloat16 of what a layer reads and float32 of what it writes, as layers of a precision of their own
must; `whole` computes everything in bfloat16. Ratios are of the median of thread CPU time on one thread, all in turn
in every round, to float32 in torch. Divergence (KL) from float32 is the mean over the search examples.
"""

from __future__ import annotations

import argparse
import copy
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from benchmarks.kernels import timed
from benchmarks.workload import add_workload_options, spec_of
from objectives.device import vector_instructions
from optimizer.backends.onnxruntime.backend import OnnxRuntime
from optimizer.families.encoders.load import load_workload
from optimizer.predict import predict
from optimizer.workload import Workload

HALF = torch.bfloat16


class OfHalves(nn.Linear):
    """A linear layer that multiplies in bfloat16 between tensors of float32."""

    def forward(self, values: Tensor) -> Tensor:
        """Return `(…, rows)` of `(…, columns)`."""
        return nn.functional.linear(values.to(HALF), self.weight, self.bias).float()


def main() -> None:
    """Print a Markdown table, a row for every shape of a request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--tokens", type=int, nargs="+", default=[24, 128])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as scratch:
        workload = load_workload(spec_of(options), cache_dir=Path(scratch), progress=lambda *_: None)
        forms = _forms(workload, Path(scratch))
        print(f"torch {torch.__version__}, {' '.join(vector_instructions())}\n")
        print(f"| batch | tokens | {' | '.join(forms)} |\n|--:|--:|{'--:|' * len(forms)}")
        for batch in options.batches:
            for tokens in options.tokens:
                ids = torch.randint(1000, 20_000, (batch, tokens), generator=torch.Generator().manual_seed(0))
                request = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
                runs = {name: torch.inference_mode()(partial(form, **request)) for name, form in forms.items()}
                seconds = timed(runs, options.rounds, max(1, 8 // batch))
                whole = seconds["torch float32"]
                ratios = (f"{each / whole:.2f}" for each in seconds.values())
                print(f"| {batch} | {tokens} | {' | '.join(ratios)} |", flush=True)
        answers = {name: predict(form, workload.search, workload.task) for name, form in forms.items()}
        apart = (workload.task.divergence(answers["torch float32"], each) for each in answers.values())
        print(f"| divergence | | {' | '.join(f'{each:.5f}' for each in apart)} |")


def _forms(workload: Workload, cache: Path) -> dict[str, nn.Module]:
    model = workload.model
    each = copy.deepcopy(model)
    for path, layer in list(each.named_modules()):
        if type(layer) is nn.Linear:
            made = OfHalves(layer.in_features, layer.out_features, layer.bias is not None)
            made.load_state_dict(layer.state_dict())
            each.set_submodule(path, made.to(HALF).eval())
    return {
        "torch float32": model,
        "torch bfloat16, each layer": each,
        "torch bfloat16, whole": copy.deepcopy(model).to(HALF),
        "ONNX Runtime float32": OnnxRuntime(model, workload.family.onnx_inputs(), cache).runs(model),
    }


if __name__ == "__main__":
    main()
