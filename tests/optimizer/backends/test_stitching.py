"""ONNX Runtime: models that compression makes are stitched into graphs, and answer there as torch does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_encoders import tiny, tokens
from torch import Tensor, nn

from objectives.latency import run_conditions
from optimizer.backends.backend import OnnxInputs, in_batches, runner_of
from optimizer.backends.compiled import Timed
from optimizer.backends.running import Backends
from optimizer.backends.table import backend_of
from optimizer.spec import StudySpec
from search_spaces.layouts.modeling_pruned import map_tokens
from search_spaces.layouts.named import named_layout
from search_spaces.layouts.stored import store
from search_spaces.layouts.surgery import share_structure, sliced
from search_spaces.transforms.bits.rounding import rounded
from search_spaces.transforms.rank.layers import with_rank

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from optimizer.backends.onnxruntime.session import session_of_file

FREE = ("batch", "length")
NONE = Timed(lambda: [])


def padded() -> dict[str, Tensor]:
    request = tokens(3, 9)
    request["attention_mask"][1, 4:] = 0
    return request


def inputs() -> OnnxInputs:
    return OnnxInputs(requests=[tokens(2, 7), padded(), tokens(1, 5)], free=FREE)


@pytest.fixture(scope="module")
def dense() -> nn.Module:
    return tiny("distilbert", layers=1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def backend(dense: nn.Module, cache: Path):
    return backend_of("onnxruntime", dense=dense, inputs=inputs(), timed=NONE, cache_dir=cache)


@pytest.fixture(scope="module")
def session(backend, dense: nn.Module) -> nn.Module:
    return backend.runs(dense)


def largest(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max())


def of_units(dense: nn.Module, kept: list[int]) -> nn.Module:
    layout = named_layout(dense)
    return sliced(dense, layout, {g.name: torch.arange(n) for g, n in zip(layout.groups, kept, strict=True)})


def of_rank(dense: nn.Module) -> nn.Module:
    made = share_structure(dense)
    for path in ("distilbert.transformer.layer.0.ffn.lin1", "distilbert.embeddings.word_embeddings"):
        with_rank(made.get_submodule(path), 4)
    return made


def of_few_tokens(dense: nn.Module) -> nn.Module:
    made = share_structure(dense)
    table = made.get_submodule("distilbert.embeddings.word_embeddings")
    table.weight = nn.Parameter(table.weight[:20])
    map_tokens(table, (torch.arange(50) % 20).to(torch.int32))
    return made


def of_bits(model: nn.Module, bits: int, kinds: tuple[type, ...] = (nn.Linear, nn.Embedding)) -> nn.Module:
    made = share_structure(model)
    for layer in made.modules():
        if isinstance(layer, kinds) and min(layer.weight.shape) > 3:
            store(layer, rounded(layer.weight.detach(), bits))
    return made


MADE: dict[str, Callable[[nn.Module], nn.Module]] = {
    "units": lambda dense: of_units(dense, [3, 20]),
    "no heads": lambda dense: of_units(dense, [0, 48]),
    "no neurons": lambda dense: of_units(dense, [4, 0]),
    "rank": of_rank,
    "few tokens": of_few_tokens,
    "4 bits": lambda dense: of_bits(dense, 4),
    "16 bits": lambda dense: of_bits(dense, 16),
    "table of 8 bits": lambda dense: of_bits(dense, 8, (nn.Embedding,)),
    "4 bits of rank": lambda dense: of_bits(of_rank(dense), 4),
}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_a_smaller_model_is_stitched_and_answers_as_in_torch(made: Callable, backend, dense: nn.Module) -> None:
    small = made(dense).eval()
    assert largest(*(model(**padded()).logits.detach() for model in (small, dense))) > 1e-6  # it is another model
    with torch.inference_mode():
        assert largest(backend.runs(small)(**padded()).logits, small(**padded()).logits) < 1e-7
    assert backend.exported == 0


def each_alone(session: nn.Module, request: dict[str, Tensor]) -> Tensor:
    pairs = zip(request["input_ids"], request["attention_mask"].bool(), strict=True)
    return torch.cat([session(input_ids=row[None, mask]).logits for row, mask in pairs])


def test_integers_answer_the_same_whatever_their_neighbours(backend, dense: nn.Module) -> None:
    small = of_bits(of_units(dense, [3, 20]), 8)
    session, request = backend.runs(small), padded()
    alone = each_alone(session, request)
    assert largest(session(**request).logits, alone) < 1e-6
    loud = tokens(3, 9) | {"attention_mask": request["attention_mask"]}
    loud["input_ids"] = request["input_ids"].clone()
    loud["input_ids"][0] = 49 - loud["input_ids"][0]  # another text in the place of the first one
    assert largest(session(**loud).logits[1:], alone[1:]) < 1e-6
    assert run_conditions(session)["dtype"] == "int8"
    assert run_conditions(session)["scales"] == "by-token"
    with torch.inference_mode():
        assert 0 < largest(session(**request).logits, small(**request).logits) < 1e-3  # torch has float activations


class Bag(nn.Module):
    """A classifier that shares nothing with the dense model."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(50, 8), nn.Linear(8, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.head((self.table(input_ids) * attention_mask[..., None]).mean(1)))


def test_what_multiplies_integers_answers_for_a_model_that_it_changes(dense: nn.Module, cache: Path, backend) -> None:
    fields = {"model": "m", "task": "t", "epsilon": 0.1, "transforms": ("units", "bits")}
    workload = SimpleNamespace(model=dense, family=SimpleNamespace(onnx_inputs=inputs))
    both, alone = (
        Backends(StudySpec(**fields, backends=names), workload, cache)
        for names in (("torch", "onnxruntime"), ("torch",))
    )
    small = of_bits(dense, 8)
    assert runner_of(both.answering(small)) == "onnxruntime"
    assert both.runs(small).keys() == {"onnxruntime"}, "torch does not give these answers"
    assert both.answering(dense) is dense
    assert both.runs(dense).keys() == {"torch", "onnxruntime"}
    assert alone.answering(small) is small
    assert backend.exported == 0


class Relus(Bag):
    """A classifier with layers of 8 bits, the second of which reads nothing but zeros for some tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(8, 16, bias=False), nn.Linear(16, 8)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        read = self.outer(self.inner(self.table(input_ids)).relu()) * attention_mask[..., None]
        return SimpleNamespace(logits=self.head(read.sum(1)))


@pytest.mark.parametrize(("has", "exact"), [(["avx2"], "1"), (["avx2", "avx512_vnni"], None)])
def test_codes_become_unsigned_where_products_of_signed_ones_overflow(
    has: list[str], exact: str | None, backend, dense: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = padded()
    wanted = backend.runs(of_bits(dense, 8))(**before).logits
    monkeypatch.setattr("optimizer.backends.onnxruntime.session.vector_instructions", lambda: has)
    session = backend.runs(of_bits(dense, 8))
    assert largest(session(**before).logits, wanted) < 1e-6  # the sums are the same integers
    options = session._on(torch.get_num_threads()).get_session_options()
    if exact is None:
        with pytest.raises(RuntimeError, match="does not have"):
            options.get_session_config_entry("session.x64quantprecision")
    else:
        assert options.get_session_config_entry("session.x64quantprecision") == exact


def test_a_token_of_zeros_stays_zeros_as_integers(tmp_path: Path) -> None:
    model = Relus().eval()
    with torch.no_grad():
        model.table.weight[:25] = 0
        model.outer.weight += torch.eye(8, 16)
    made = of_bits(model, 8, (nn.Linear,))
    asked = OnnxInputs(requests=[tokens(2, 7), padded(), tokens(1, 5)], free=FREE)
    session = backend_of("onnxruntime", dense=model, inputs=asked, timed=NONE, cache_dir=tmp_path).runs(made)
    request = padded() | {"input_ids": torch.arange(27).reshape(3, 9)}  # most of them are zeros
    with torch.inference_mode():
        assert largest(session(**request).logits, made(**request).logits) < 0.01


def test_files_whose_integers_have_one_scale_for_a_batch_answer_one_by_one(tmp_path: Path) -> None:
    session = session_of_file(scaled_by_batch(tmp_path / "model.onnx"))
    batched = in_batches(session)
    assert batched is not None
    assert in_batches(batched) is None
    assert run_conditions(session)["answers"] == "one by one"
    request = {"input_ids": torch.tensor([[1, 2, 3], [40, 50, 60]]), "attention_mask": torch.ones(2, 3).long()}
    alone = torch.cat([session(**{name: tensor[i : i + 1] for name, tensor in request.items()}).logits for i in (0, 1)])
    assert torch.equal(session(**request).logits, alone)
    assert largest(batched(**request).logits, alone) > 0


def scaled_by_batch(path: Path) -> Path:
    """Write a graph as older versions did."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    given = [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "t"]) for n in ("input_ids", "attention_mask")]
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("DynamicQuantizeLinear", ["floats"], ["values", "scale", "zero"]),
        helper.make_node("MatMulInteger", ["values", "codes", "zero"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["products"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["products", "scale"], ["logits"]),
    ]
    codes = numpy_helper.from_array(np.array([[1, 2], [3, 4], [5, 6]], dtype=np.uint8), "codes")
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", 2])
    graph = helper.make_graph(nodes, "old", given, [logits], [codes])
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_a_model_of_another_shape_is_exported_alone_and_that_is_said(backend) -> None:
    other, before = Bag().eval(), backend.exported
    session = backend.runs(other)
    assert run_conditions(session)["graph"] == "exported alone"
    assert backend.exported == before + 1
    with torch.inference_mode():
        assert largest(session(**padded()).logits, other(**padded()).logits) < 1e-6


class Circular(Bag):
    """A classifier with a convolution that ONNX has no operator for."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        read = self.table(input_ids) * attention_mask[..., None]
        return SimpleNamespace(logits=self.head(self.turn(read[:, None])[:, 0].mean(1)))


def test_what_a_backend_cannot_run_is_timed_in_the_others_and_noted(dense: nn.Module, cache: Path, backend) -> None:
    other = Circular().eval()
    workload = SimpleNamespace(model=dense, family=SimpleNamespace(onnx_inputs=inputs))
    spec = StudySpec(model="m", task="t", epsilon=0.1, backends=("torch", "onnxruntime"))
    backends = Backends(spec, workload, cache)
    assert backends.refusals == []
    assert backends.runs(other) == {"torch": other}
    (note,) = backends.refusals
    assert note.startswith("some members have no figures in onnxruntime: ")
    assert "padding with circular" in note


def test_a_session_fills_in_what_transformers_does(session: nn.Module, dense: nn.Module) -> None:
    only = {"input_ids": padded()["input_ids"]}
    with torch.inference_mode():
        assert largest(session(**only).logits, dense(**only).logits) < 1e-5


def test_the_graph_of_the_dense_model_is_kept(backend, dense: nn.Module, session: nn.Module) -> None:
    (kept,) = (backend._cache / "graphs").iterdir()
    before = kept.stat().st_mtime_ns
    again = backend_of("onnxruntime", dense=dense, inputs=inputs(), timed=NONE, cache_dir=backend._cache).runs(dense)
    assert torch.equal(again(**padded()).logits, session(**padded()).logits)
    assert kept.stat().st_mtime_ns == before
    assert kept.stat().st_size < 200_000  # no weights


def test_conditions_name_the_backend_and_how_it_is_set(session: nn.Module, dense: nn.Module) -> None:
    found = run_conditions(session)
    assert found["backend"] == "onnxruntime"
    assert found["dtype"] == "float32"
    assert found["graph_optimization"] == "all"
    assert found["threads"] == torch.get_num_threads()
    assert "backend" not in run_conditions(dense)


def test_torch_runs_the_model_itself(dense: nn.Module, tmp_path: Path) -> None:
    assert backend_of("torch", dense=dense, inputs=inputs(), timed=NONE, cache_dir=tmp_path).runs(dense) is dense


class Residual(nn.Module):
    """A network with what convolutions of networks have behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.second, self.head = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 3)
        for tensor in (self.norm.weight, self.norm.bias, self.norm.running_mean):
            nn.init.normal_(tensor)  # some factors of channels are negative

    def forward(self, pixel_values: Tensor) -> SimpleNamespace:
        hidden = self.norm(self.first(pixel_values)).relu()
        return SimpleNamespace(logits=self.head((hidden + self.second(hidden).relu()).mean((2, 3))))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return Residual().eval()


@pytest.fixture(scope="module")
def of_images(network: nn.Module, tmp_path_factory: pytest.TempPathFactory):
    images = torch.randn(8, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    asked = OnnxInputs(
        requests=[{"pixel_values": images[:2]}, {"pixel_values": images[:5]}],
        free=("batch",),
        calibration=lambda: [{"pixel_values": images}],
    )
    return backend_of(
        "onnxruntime", dense=network, inputs=asked, timed=NONE, cache_dir=tmp_path_factory.mktemp("cache")
    )


@pytest.mark.parametrize("bits", [32, 16])
def test_convolutions_answer_as_in_torch(bits: int, of_images, network: nn.Module) -> None:
    made = of_bits(network, bits, (nn.Conv2d,)) if bits < 32 else network
    images = torch.randn(4, 1, 6, 6)
    with torch.inference_mode():
        assert largest(of_images.runs(made)(pixel_values=images).logits, made(images).logits) < 1e-5


def test_convolutions_of_8_bits_have_scales_that_calibration_gave(of_images, network: nn.Module) -> None:
    made = share_structure(network)
    for layer in (made.first, made.second):
        store(layer, rounded(layer.weight.detach(), 8))
    graph = of_images.graph(made)
    kinds = [node.op_type for node in graph.built.nodes]
    assert kinds.count("Conv") == 2
    assert "BatchNormalization" not in kinds  # it is in the scales of the convolution
    assert kinds.count("QuantizeLinear") == 3  # of the image and behind either ReLU
    images = torch.randn(4, 1, 6, 6, generator=torch.Generator().manual_seed(2)).clamp(-2, 2)
    answers = graph.session(pixel_values=images).logits
    assert torch.equal(answers[:1], graph.session(pixel_values=images[:1]).logits)  # neighbours change nothing
    with torch.inference_mode():
        assert 0 < largest(answers, made(images).logits) < 0.05
    assert run_conditions(graph.session)["scales"] == "fixed"
