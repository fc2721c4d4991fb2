"""Exported encoders load in transformers' own way, without this package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import cycle
from pathlib import Path

import pytest
import torch
from prunable_models import bank_of, possible
from safetensors.torch import save_file
from test_handover import KEPT, MEMBER, logits, texts
from tiny_checkpoints import tokenizer
from tiny_encoders import OF_EVERY_PART
from tiny_vision import SIDE, VISION, tiny_vision
from torch import nn

from objectives.flops import flop_count
from optimizer import load_pruned, torchvision_ops
from optimizer.costs.costs import flops_cost
from optimizer.errors import InputError
from optimizer.families.encoders.checkpoint import inspect_checkpoint
from optimizer.families.encoders.loading import load_model
from optimizer.families.encoders.stock import save_stock
from optimizer.families.encoders.storage import Storage
from optimizer.families.networks.names import check_image_directory
from optimizer.families.networks.origins import SavedModel
from optimizer.families.networks.processor import plain_processor
from optimizer.handover.loading import WEIGHTS
from optimizer.manifest import FILE, Manifest, file_hash
from optimizer.tasks.images.data import Normalisation
from search_spaces.config import Config
from search_spaces.layouts.modeling_pruned import give_rank
from search_spaces.layouts.named import named_layout, row_of
from search_spaces.layouts.proof import prove
from search_spaces.layouts.requests import noise_requests, token_requests
from search_spaces.layouts.stored import bits_by_layer, store
from search_spaces.transforms.bits.layers import can_store
from search_spaces.transforms.bits.rounding import rounded
from search_spaces.transforms.rank.split import plain_split
from search_spaces.transforms.units.materialize import materialize, outline
from search_spaces.transforms.vocabulary.transform import Ranked, Tokens

TEACHER = "DeiTForImageClassificationWithTeacher"


def small_encoder(family: str, kept: dict[str, int], root: Path) -> nn.Module:
    """Return a tiny encoder of which these units are kept, and the embeddings of 30 tokens."""
    model, groups, bank = bank_of(root, family)
    small = materialize(model, bank.layout, Config.of(possible(groups, kept)), bank)
    words = next(name for name, _ in small.named_parameters() if name.endswith(row_of(small).words))
    order = torch.tensor([1, 0, 2, 3, *range(49, 3, -1)])
    rows = Config.of({words.removesuffix(".weight"): 30})
    return Tokens().apply(small, rows, Ranked(root, order, unknown=1), share_weights=False, stays={}).eval()


def split(small: nn.Module) -> nn.Module:
    """Give the linear layers of an encoder, and the embedding of its tokens, a rank of 4, in place."""
    words = next(name for name, _ in small.named_parameters() if name.endswith(row_of(small).words))
    for path, layer in [*small.named_modules()]:
        if isinstance(layer, nn.Embedding) and path == words.removesuffix(".weight"):
            outer, inner = plain_split(layer.weight.detach().T).at(4)
            give_rank(layer, inner.T.contiguous(), outer, None)
        elif isinstance(layer, nn.Linear) and "layer" in path and min(layer.weight.shape) > 4:
            outer, inner = plain_split(layer.weight.detach()).at(4)
            give_rank(layer, inner, outer, layer.bias)
    return small


def rounded_to_few_bits(small: nn.Module) -> nn.Module:
    """Store the weights of an encoder in 4, 8, 16 bits and as they are in turn, in place."""
    layers = [layer for layer in small.modules() if can_store(layer)]
    for layer, bits in zip(layers, cycle([4, 8, 16, None]), strict=False):
        if bits:
            store(layer, rounded(layer.weight.detach(), bits))
    return small


def write(small: nn.Module, place: Path, dtype: torch.dtype = torch.float32) -> Path:
    """Write what an export of the encoder holds."""
    place.mkdir()
    storage = Storage(dtype)
    save_stock(small, place, dtype=storage.name)
    save_file({n: t.clone() for n, t in storage.tensors(small).items()}, place / WEIGHTS, metadata={"format": "pt"})
    tokenizer().save_pretrained(place)
    manifest = Manifest(
        model_type=small.config.model_type,
        config={},
        transforms={"units": {}, "bits": {}} if bits_by_layer(small) else None,
        form="reconstructed",
        layers=(),
        weights_sha256=file_hash(place / WEIGHTS),
        study="s",
        task="t",
        metric="accuracy",
        epsilon=0.01,
        member=MEMBER,
    )
    (place / FILE).write_text(manifest.model_dump_json())
    return place


def small_vision(name: str, kept: dict[str, int], **changes: object) -> nn.Module:
    """Return a tiny vision encoder of which these units are kept."""
    model = tiny_vision(name, **changes)
    layout = named_layout(model)
    return outline(model, layout, Config.of(possible(layout.groups, kept))).eval()


def pixels(channels: int = 1) -> dict[str, torch.Tensor]:
    return {"pixel_values": torch.randn(3, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(0))}


def seen(model: nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        answer: torch.Tensor = model(**pixels()).logits
    return answer


def test_every_kind_of_part_loads_without_this_package_and_answers_as_with_it(tmp_path: Path) -> None:
    places = []
    types = cycle([torch.float32, torch.float16, torch.bfloat16])
    for index, (family, kept, dtype) in enumerate(zip(OF_EVERY_PART, cycle(KEPT), types, strict=False)):
        small = small_encoder(family, kept, tmp_path / "bank" / str(index))
        small = split(small) if index % 3 else small
        small = rounded_to_few_bits(small) if index % 3 == 1 else small
        places.append(write(small, tmp_path / str(index), dtype))
        given = texts()
        save_file({**given, "logits": logits(load_pruned(places[-1]))}, places[-1].with_suffix(".asked"))
    for name, kept, dtype in zip(VISION, cycle(KEPT), cycle((torch.bfloat16, torch.float32)), strict=False):
        places.append(write(small_vision(name, kept), tmp_path / name.replace(" ", "_"), dtype))
        save_file({**pixels(), "logits": seen(load_pruned(places[-1]))}, places[-1].with_suffix(".asked"))
    images = write(small_vision("deit", KEPT[0], num_channels=3, architectures=[TEACHER]), tmp_path / "images")
    processor = plain_processor(Normalisation((100.0,) * 3, (50.0,) * 3), (3, SIDE, SIDE))
    assert processor is not None
    processor.save(images)
    operators = str(torchvision_ops.__file__)
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("stranger.py")), operators, str(images), *map(str, places)],
        env={**os.environ, "HF_HOME": str(tmp_path / "hub"), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_is_loaded_here_saves_compiles_and_exports_as_other_models_do(tmp_path: Path) -> None:
    small = rounded_to_few_bits(split(small_encoder("mpnet", KEPT[0], tmp_path / "bank")))
    model = load_pruned(write(small, tmp_path / "out"))
    assert bits_by_layer(model) == bits_by_layer(small)
    assert torch.equal(logits(model), logits(small))
    model.save_pretrained(tmp_path / "again")
    with pytest.raises(InputError, match="made by 'rank': its layers are split"):
        inspect_checkpoint("mine", tmp_path / "again")
    assert {"modeling_pruned.py", "config.json"} <= {path.name for path in (tmp_path / "again").iterdir()}
    wanted = logits(model)
    torch.testing.assert_close(logits(torch.compile(model, backend="eager", fullgraph=True)), wanted)
    graph = torch.export.export(model, (), texts()).module()
    torch.testing.assert_close(graph(**texts()).logits, wanted)


def test_shapes_that_do_not_fit_the_weights_are_refused(tmp_path: Path) -> None:
    place = write(small_encoder("bert", KEPT[0], tmp_path / "bank"), tmp_path / "out")
    config = json.loads((place / "config.json").read_text())
    for damage in ({"no.such.layer": {}}, {"encoder.layer.0.output.dense": {"tensors": {"weight": [32, 3]}}}):
        (place / "config.json").write_text(json.dumps(config | {"pruned": damage}))
        with pytest.raises(ValueError, match="do not fit"):
            load_pruned(place)


@pytest.mark.parametrize("family", OF_EVERY_PART)
def test_what_is_left_of_an_export_can_be_pruned_again(family: str, tmp_path: Path) -> None:
    small = small_encoder(family, KEPT[1], tmp_path / "bank")
    place = write(small, tmp_path / "out", torch.float16)
    checkpoint = inspect_checkpoint("mine", place)
    model = load_model(checkpoint, outputs=3, device=torch.device("cpu"))
    torch.testing.assert_close(logits(model), logits(load_pruned(place)), atol=0, rtol=0)
    assert Storage.of(checkpoint).usual is torch.float16
    layout = named_layout(model)
    prove(model, layout, token_requests(50, torch.device("cpu")))
    least = Config(tuple((group.name, group.levels[0]) for group in layout.groups))
    smallest = outline(model, layout, least).eval()
    cost = flops_cost(layout, lambda config: flop_count(outline(model, layout, config)), [7])
    assert cost.total(least) == flop_count(smallest).mean([7])
    again = write(smallest, tmp_path / "again")
    torch.testing.assert_close(logits(load_pruned(again)), logits(smallest), atol=0, rtol=0)


@pytest.mark.parametrize("name", ["beit with one table", "dinov2 with gates", "clip"])
def test_what_is_left_of_a_vision_encoder_can_be_pruned_again(name: str, tmp_path: Path) -> None:
    place = write(small_vision(name, KEPT[1]), tmp_path / "out", torch.float16)
    check_image_directory(place)
    dense = SavedModel(place).dense((1, SIDE, SIDE), 3)
    torch.testing.assert_close(seen(dense.net), seen(load_pruned(place)), atol=0, rtol=0)
    assert dense.storage.usual is torch.float16
    layout = named_layout(dense.net)
    prove(dense.net, layout, noise_requests("pixel_values", (1, SIDE, SIDE), torch.device("cpu")))
    smallest = outline(dense.net, layout, Config(tuple((group.name, group.levels[0]) for group in layout.groups)))
    again = write(smallest.eval(), tmp_path / "again")
    torch.testing.assert_close(seen(load_pruned(again)), seen(smallest), atol=0, rtol=0)


def test_an_export_is_recognised_by_its_weights_or_by_the_very_same_code(tmp_path: Path) -> None:
    place = write(small_encoder("bert", KEPT[0], tmp_path / "bank"), tmp_path / "out")
    load_pruned(place).save_pretrained(tmp_path / "saved")
    inspect_checkpoint("mine", tmp_path / "saved")
    (place / "modeling_pruned.py").write_text("raise SystemExit")  # never run
    inspect_checkpoint("mine", place)
    (tmp_path / "saved" / "modeling_pruned.py").write_text("raise SystemExit")
    with pytest.raises(InputError, match=r"model: .*custom model code, which is never run"):
        inspect_checkpoint("theirs", tmp_path / "saved")
    other = small_encoder("bert", KEPT[1], tmp_path / "bank")
    save_file({n: t.clone() for n, t in other.state_dict().items()}, place / WEIGHTS)
    with pytest.raises(InputError, match=r"model: .*is not the file that was exported"):
        inspect_checkpoint("mine", place)
    with pytest.raises(InputError, match=r"model: .*exported by an earlier version"):
        inspect_checkpoint("old", Path(__file__).parents[2] / "golden" / "old_export")
