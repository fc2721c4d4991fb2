from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from digit_networks import ResidualCnn, Trained, images_of, summed_loss
from torch import Tensor, nn

from search_spaces.config import Config, Form
from search_spaces.layouts.layout import Layout
from search_spaces.layouts.traced.discover import discover_channels
from search_spaces.transforms.transform import Dense
from search_spaces.transforms.units.bank import UnitBank
from search_spaces.transforms.units.criteria import OF_CHANNELS
from search_spaces.transforms.units.criteria.shuffled import Shuffled
from search_spaces.transforms.units.evidence import Criterion
from search_spaces.transforms.units.materialize import materialize
from search_spaces.transforms.units.positions import collect
from search_spaces.transforms.units.recalibrate import recalibrate


def bank_of(root: Path, dense: Trained, space: Layout, criterion: Criterion) -> UnitBank:
    known = Dense(
        model=dense.model,
        find_layout=lambda: space,
        weights_hash="w",
        examples_hash="e",
        batches=lambda: dense.calibration,  # type: ignore[arg-type,return-value]  # pairs, as its loss takes them
        loss=summed_loss,  # type: ignore[arg-type]
        answers=summed_loss,  # type: ignore[arg-type]  # channels need none
    )
    return UnitBank(known, root, criterion)


_SPACES: dict[nn.Module, Layout] = {}
_AT_RANDOM: dict[tuple[nn.Module, Form], float] = {}


def space_of(dense: Trained) -> Layout:
    """The channels of a network, discovered once."""
    if dense.model not in _SPACES:
        _SPACES[dense.model] = discover_channels(dense.model, dense.images[:1])
    return _SPACES[dense.model]


def halves(space: Layout, form: Form) -> Config:
    return Config.of({g.name: g.nearest_level(g.units / 2) for g in space.groups}, form)


def logit_error(small: nn.Module, dense: Trained) -> float:
    with torch.no_grad():
        return float((small(dense.images) - dense.model(dense.images)).square().mean().sqrt())


def error_at_half(root: Path, dense: Trained, criterion: Criterion, form: Form) -> float:
    space = space_of(dense)
    bank = bank_of(root, dense, space, criterion)
    small = materialize(dense.model, space, halves(space, form), bank, share_weights=True)
    return logit_error(recalibrate(small, images_of(dense.calibration)), dense)


def random_error(root: Path, dense: Trained, form: Form) -> float:
    """The mean error over six draws of channels, which depends on nothing else."""
    if (dense.model, form) not in _AT_RANDOM:
        draws = [error_at_half(root, dense, Shuffled(seed=seed), form) for seed in range(6)]
        _AT_RANDOM[dense.model, form] = sum(draws) / len(draws)
    return _AT_RANDOM[dense.model, form]


@pytest.mark.parametrize("criterion", OF_CHANNELS)
@pytest.mark.parametrize("network", ["digits_mlp", "digits_cnn"])
def test_reconstruction_beats_plain_slicing_at_half_the_channels(
    network: str, criterion: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    dense = request.getfixturevalue(network)
    sliced, solved = (
        error_at_half(tmp_path, dense, OF_CHANNELS[criterion], form) for form in (Form.SLICED, Form.RECONSTRUCTED)
    )
    assert solved < 0.8 * sliced


def test_obs_beats_random_where_the_network_is_reconstructed(
    tmp_path: Path, digits_mlp: Trained, digits_cnn: Trained
) -> None:
    for dense in (digits_mlp, digits_cnn):
        obs = error_at_half(tmp_path / "obs", dense, OF_CHANNELS["obs"], Form.RECONSTRUCTED)
        assert obs < 0.9 * random_error(tmp_path / dense.model._get_name(), dense, Form.RECONSTRUCTED)


@pytest.mark.parametrize("criterion", ["fisher", "taylor"])
def test_gradient_criteria_beat_random_where_channels_are_only_cut_out(
    criterion: str, tmp_path: Path, digits_mlp: Trained, digits_cnn: Trained
) -> None:
    for dense in (digits_mlp, digits_cnn):
        error = error_at_half(tmp_path / criterion, dense, OF_CHANNELS[criterion], Form.SLICED)
        assert error < random_error(tmp_path / dense.model._get_name(), dense, Form.SLICED)


def test_candidates_of_one_order_are_nested(tmp_path: Path, digits_cnn: Trained) -> None:
    space = space_of(digits_cnn)
    bank = bank_of(tmp_path, digits_cnn, space, OF_CHANNELS["obs"])
    for group in space.groups:
        assert bank.order(group).sort().values.tolist() == list(range(group.units))
        kept = [set(bank.kept_units(group, level).tolist()) for level in group.levels]
        assert all(smaller < larger for smaller, larger in pairwise(kept))


class Doubled(nn.Module):
    """Every second channel is twice the one before it: what is removed can be told from what is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3)
        self.second = nn.Conv2d(8, 4, 3)
        self.head = nn.Linear(4 * 4 * 4, 10)
        with torch.no_grad():
            self.first.weight[1::2] = 2 * self.first.weight[::2]
            self.first.bias[1::2] = 2 * self.first.bias[::2]  # type: ignore[index]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x).relu()).flatten(1))


def test_what_the_kept_channels_can_tell_is_made_up_for_entirely(tmp_path: Path, digits_cnn: Trained) -> None:
    torch.manual_seed(0)
    dense = Trained(Doubled().eval(), digits_cnn.calibration, digits_cnn.images, digits_cnn.labels)
    space = discover_channels(dense.model, dense.images[:1], round_to=1, ignored=["second"])
    bank = bank_of(tmp_path, dense, space, OF_CHANNELS["obs"])
    (group,) = space.groups
    pairs = sorted(unit // 2 for unit in bank.kept_units(group, 4).tolist())
    assert pairs == [0, 1, 2, 3], "of every pair one channel stays"
    errors = {
        form: logit_error(materialize(dense.model, space, Config.of({"first": 4}, form), bank), dense)
        for form in (Form.SLICED, Form.RECONSTRUCTED)
    }
    assert errors[Form.RECONSTRUCTED] < 0.05 * errors[Form.SLICED]


class Joined(nn.Module):
    """Reads two groups side by side, as every layer of a dense block does."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(1, 8, 3), nn.Conv2d(1, 8, 3)
        self.head = nn.Conv2d(16, 10, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat((self.left(x).relu(), self.right(x).relu()), dim=1)).flatten(1)


def test_a_reader_of_two_groups_is_solved_for_both_and_not_kept_on_disk(tmp_path: Path, digits_mlp: Trained) -> None:
    torch.manual_seed(0)
    dense = Trained(Joined().eval(), digits_mlp.calibration, digits_mlp.images, digits_mlp.labels)
    space = discover_channels(dense.model, dense.images[:1], round_to=4)
    bank = bank_of(tmp_path, dense, space, OF_CHANNELS["obs"])
    errors = {
        form: logit_error(materialize(dense.model, space, halves(space, form), bank), dense)
        for form in (Form.SLICED, Form.RECONSTRUCTED)
    }
    bank.fill_for(halves(space, Form.RECONSTRUCTED))
    assert errors[Form.RECONSTRUCTED] < 0.8 * errors[Form.SLICED]
    assert not [path for path in bank.folder.iterdir() if "columns" in path.name]


def test_constant_channels_move_into_the_bias(tmp_path: Path, digits_mlp: Trained) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    with torch.no_grad():
        model[1].weight[4:] = 0
        model[1].bias[4:] = 3
        model[1].weight[:4] *= 3
    dense = Trained(model.eval(), digits_mlp.calibration, digits_mlp.images, digits_mlp.labels)
    space = discover_channels(model, dense.images[:1], round_to=1)
    bank = bank_of(tmp_path, dense, space, OF_CHANNELS["obs"])
    assert bank.kept_units(space.groups[0], 4).tolist() == [0, 1, 2, 3]
    small = materialize(model, space, Config.of({"1": 4}), bank)
    assert logit_error(small, dense) < 1e-2


def test_mask_gradients_are_those_of_silencing_a_unit_in_all_its_readers(digits_cnn: Trained) -> None:
    model = digits_cnn.model
    space = discover_channels(model, digits_cnn.images[:1])
    images, labels = digits_cnn.images[:3], digits_cnn.labels[:3]
    batches = [(images[i : i + 1], labels[i : i + 1]) for i in range(3)]
    together = collect(model, space, [(images, labels)], summed_loss).gradients
    one_by_one = collect(model, space, batches, summed_loss).gradients
    stem = space.groups[0]
    mask = torch.ones(stem.units, requires_grad=True)
    handles = [
        model.get_submodule(path).register_forward_pre_hook(lambda _, seen: (seen[0] * mask[:, None, None],))
        for path in stem.consumers
    ]
    gradients = [torch.autograd.grad(summed_loss(model, batch), mask)[0] for batch in batches]
    for handle in handles:
        handle.remove()
    expected = torch.stack(gradients)
    for found in (together, one_by_one):
        torch.testing.assert_close(found["stem"].absolute, expected.abs().mean(dim=0), rtol=1e-3, atol=1e-6)
        torch.testing.assert_close(found["stem"].squared, expected.square().mean(dim=0), rtol=1e-3, atol=1e-6)


class Windows(nn.Module):
    """Its layers see the four quarters of every digit as examples of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down, self.head = nn.Linear(16, 24), nn.Linear(24, 8), nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        quarters = images.reshape(-1, 16)
        return self.head(self.down(F.relu(self.up(quarters))).reshape(len(images), 32))


def test_the_windows_of_an_example_count_as_one(digits_mlp: Trained) -> None:
    torch.manual_seed(0)
    model, images, labels = Windows().eval(), digits_mlp.images[:3], digits_mlp.labels[:3]
    space = discover_channels(model, images)
    together = collect(model, space, [(images, labels)], summed_loss).gradients["up"]
    mask = torch.ones(3, 1, 24, requires_grad=True)
    model.down.register_forward_pre_hook(lambda _, seen: ((seen[0].reshape(3, 4, 24) * mask).reshape(-1, 24),))
    (expected,) = torch.autograd.grad(summed_loss(model, (images, labels)), mask)
    torch.testing.assert_close(together.squared, expected[:, 0].square().mean(dim=0), rtol=1e-3, atol=1e-6)


def test_readings_are_the_moments_of_what_a_layer_reads(digits_cnn: Trained) -> None:
    model = digits_cnn.model
    space = discover_channels(model, digits_cnn.images[:1])
    readings = collect(model, space, digits_cnn.calibration, summed_loss).readings
    seen: list[Tensor] = []
    handle = model.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    for images, _ in digits_cnn.calibration:
        model(images)
    handle.remove()
    rows = torch.cat(seen).reshape(-1, 64, 4).transpose(1, 2).flatten(0, 1)  # four positions to a channel
    torch.testing.assert_close(readings["head"].mean, rows.mean(dim=0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(readings["head"].covariance, rows.T.cov(correction=0), rtol=1e-3, atol=1e-4)
    assert readings["block1.conv2"].norm == "block1.bn2" and readings["widen"].norm is None


def test_a_second_bank_computes_nothing_anew(tmp_path: Path, digits_cnn: Trained) -> None:
    space = space_of(digits_cnn)
    config = halves(space, Form.RECONSTRUCTED)
    first = bank_of(tmp_path, digits_cnn, space, OF_CHANNELS["obs"])
    first.fill()
    first.fill_for(config)
    written = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    untouched = Trained(digits_cnn.model, [], digits_cnn.images, digits_cnn.labels)  # a pass would find no example
    second = bank_of(tmp_path, untouched, space, OF_CHANNELS["obs"])
    models = [materialize(digits_cnn.model, space, config, bank) for bank in (first, second)]
    assert all(torch.equal(a, b) for a, b in zip(*(m.state_dict().values() for m in models), strict=True))
    assert {path: path.stat().st_mtime_ns for path in first.folder.iterdir()} == written


def test_a_bank_without_examples_is_refused(tmp_path: Path, digits_mlp: Trained) -> None:
    space = discover_channels(digits_mlp.model, digits_mlp.images[:1])
    empty = Trained(digits_mlp.model, [], digits_mlp.images, digits_mlp.labels)
    with pytest.raises(ValueError, match="calibration: no example"):
        bank_of(tmp_path, empty, space, OF_CHANNELS["fisher"]).order(space.groups[0])


def test_recalibrated_norms_hold_the_statistics_of_the_batches(digits_cnn: Trained) -> None:
    model = digits_cnn.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = digits_cnn.images[:128]
    fresh = recalibrate(model, [images[:64], images[64:]])
    assert isinstance(fresh, ResidualCnn) and not any(module.training for module in fresh.modules())
    with torch.no_grad():
        halves_seen = [model.stem(images[:64]), model.stem(images[64:])]
    mean = torch.stack([seen.mean(dim=(0, 2, 3)) for seen in halves_seen]).mean(dim=0)
    torch.testing.assert_close(fresh.bn.running_mean, mean, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    assert fresh.stem.weight is model.stem.weight
    assert fresh.bn.momentum == model.bn.momentum


def test_a_network_without_norms_needs_no_recalibration(digits_mlp: Trained) -> None:
    assert recalibrate(digits_mlp.model, []) is digits_mlp.model


def test_recalibration_without_batches_is_refused(digits_cnn: Trained) -> None:
    with pytest.raises(ValueError, match="recalibrate: give at least one batch"):
        recalibrate(digits_cnn.model, [])
