from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from digit_networks import ResidualCnn, mlp
from torch import Tensor, nn

from search_spaces.config import Config, ConfigError
from search_spaces.groups import GroupKind, channel_levels
from search_spaces.layouts.layout import Axis, Layout, UnprunableModelError
from search_spaces.layouts.surgery import sliced
from search_spaces.layouts.traced.discover import discover_channels
from search_spaces.transforms.units.materialize import outline


def entries(space: Layout, group: str, side: tuple[str, Axis]) -> dict[int, list[int]]:
    """Unit -> its entries on one side of a layer."""
    (link,) = (link for link in space.links[group] if link.side == side)
    return {unit: link.entries[link.units == unit].sort().values.tolist() for unit in range(int(link.units.max()) + 1)}


def sides(space: Layout, group: str) -> set[tuple[str, Axis]]:
    return {link.side for link in space.links[group]}


def test_a_residual_stream_is_one_group_and_its_branches_are_others() -> None:
    space = discover_channels(ResidualCnn(8), torch.randn(1, 1, 8, 8))
    assert [group.name for group in space.groups] == ["stem", "block1.conv1", "widen", "block2.conv1"]
    assert sides(space, "stem") == {
        ("stem", Axis.ROWS),
        ("bn", Axis.CHANNELS),
        ("block1.conv1", Axis.COLUMNS),
        ("block1.conv2", Axis.ROWS),
        ("block1.bn2", Axis.CHANNELS),
        ("widen", Axis.COLUMNS),
    }
    assert all(group.kind is GroupKind.CHANNELS for group in space.groups)
    assert space.groups[0].producers == ("stem", "block1.conv2")


def test_a_flattened_channel_owns_all_its_positions() -> None:
    space = discover_channels(ResidualCnn(8), torch.randn(1, 1, 8, 8))
    assert entries(space, "widen", ("head", Axis.COLUMNS)) == {u: list(range(4 * u, 4 * u + 4)) for u in range(16)}


def test_neurons_of_an_mlp_are_groups_but_its_answers_are_not() -> None:
    space = discover_channels(mlp(), torch.randn(2, 1, 8, 8))
    assert [(group.name, group.units) for group in space.groups] == [("1", 128), ("3", 64)]


class Concatenation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(1, 3, 1), nn.Conv2d(1, 5, 1)
        self.reader = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.reader(torch.cat((self.left(x), self.right(x)), dim=1)).mean(dim=(2, 3))


def test_concatenated_channels_are_read_at_their_offsets() -> None:
    space = discover_channels(Concatenation(), torch.randn(1, 1, 4, 4), round_to=1)
    assert entries(space, "left", ("reader", Axis.COLUMNS)) == {0: [0], 1: [1], 2: [2]}
    assert entries(space, "right", ("reader", Axis.COLUMNS)) == {u: [u + 3] for u in range(5)}


def test_depthwise_layers_norms_and_activations_follow_their_producer() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 8, 1),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.GroupNorm(1, 8),
        nn.PReLU(8),
        nn.PReLU(),
        nn.Conv2d(8, 2, 1),
    )
    space = discover_channels(model, torch.randn(1, 1, 4, 4), round_to=1)
    assert sides(space, "0") == {
        ("0", Axis.ROWS),
        ("1", Axis.CHANNELS),
        ("2", Axis.CHANNELS),
        ("3", Axis.CHANNELS),
        ("5", Axis.COLUMNS),
    }


def test_channels_of_one_convolution_group_or_norm_group_go_together() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 12, 1), nn.Conv2d(12, 12, 3, groups=4), nn.GroupNorm(2, 12), nn.Conv2d(12, 8, 1), nn.GELU(),
        nn.GroupNorm(4, 8), nn.Conv2d(8, 2, 1),
    )  # fmt: skip
    space = discover_channels(model, torch.randn(1, 1, 4, 4), round_to=1)
    assert [(group.name, group.units, group.unit_size) for group in space.groups] == [("0", 2, 6), ("3", 4, 2)]
    assert entries(space, "0", ("1", Axis.CHANNELS)) == {0: [*range(6)], 1: [*range(6, 12)]}
    small = sliced(model, space, {"0": torch.tensor([1]), "3": torch.tensor([0, 3])})
    assert (small[1].groups, small[1].out_channels, small[2].num_groups, small[5].num_groups) == (2, 6, 1, 2)


def test_a_convolution_group_that_reads_two_layers_stays_dense() -> None:
    class Across(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 6, 1)
            self.grouped, self.head, self.last = nn.Conv2d(8, 8, 1, groups=2), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.head(self.grouped(torch.cat((self.left(x), self.right(x)), dim=1))))

    space = discover_channels(Across(), torch.randn(1, 1, 4, 4))
    assert [group.name for group in space.groups] == ["head"]
    assert space.dense["left"] == "grouped: a group of its channels comes from several layers"


class Shuffled(nn.Module):
    """Mixes its channels by reshaping, which no dependency graph follows: smaller, it would compute something else."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 8, 1), nn.Conv2d(8, 8, 1)
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.first(x).reshape(len(x), 2, -1, *x.shape[2:]).transpose(1, 2).flatten(1, 2)
        return self.last(F.relu(self.second(mixed)))


def test_a_group_whose_smaller_network_would_compute_something_else_stays_dense() -> None:
    assert [group.name for group in discover_channels(Shuffled(), torch.randn(1, 1, 4, 4)).groups] == ["second"]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.attend, self.up = (
            nn.Linear(4, 8),
            nn.MultiheadAttention(8, 2, batch_first=True),
            nn.Linear(8, 16),
        )
        self.down = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.embed(x)
        return self.down(F.relu(self.up(self.attend(hidden, hidden, hidden)[0])))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.recur = nn.Linear(4, 8), nn.GRU(8, 8, batch_first=True)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.relu(self.up(self.recur(self.embed(x))[0])))


@pytest.mark.parametrize("model", [Attention(), Recurrent()])
def test_what_attention_or_recurrence_reads_stays_dense_while_the_rest_is_pruned(model: nn.Module) -> None:
    space = discover_channels(model, torch.randn(1, 5, 4))
    assert [group.name for group in space.groups] == ["up"]
    assert "embed" in space.dense


class Chaotic(nn.Module):
    """Doubles every rounding error twenty times."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down, self.head = nn.Linear(4, 16), nn.Linear(16, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.down(F.relu(self.up(x))).sigmoid()
        for _ in range(20):
            hidden = 4 * hidden * (1 - hidden)
        return self.head(hidden)


def test_what_rounding_alone_changes_is_pruned_nevertheless() -> None:
    assert [group.name for group in discover_channels(Chaotic(), torch.randn(8, 4)).groups] == ["up", "down"]


class Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale, self.viewed_as = nn.Parameter(torch.rand(8)), (8, 1, 1)  # as timm's layer scales keep their shape

    def forward(self, x: Tensor) -> Tensor:
        return self.scale.view(self.viewed_as) * x


def test_a_parameter_that_no_layer_owns_follows_too_and_so_do_the_numbers_of_its_owner() -> None:
    model = nn.Sequential(nn.Conv2d(1, 8, 1), Scale(), nn.Conv2d(8, 2, 1))
    space = discover_channels(model, torch.randn(1, 1, 8, 8), round_to=4)  # as many rows and columns as channels
    assert ("1.scale", Axis.PARAMETER) in sides(space, "0")
    assert space.dims() == {"1.scale": 0}
    assert sliced(model, space, {"0": torch.arange(4)})(torch.randn(1, 1, 8, 8)).shape == (1, 2, 8, 8)


def test_ignored_layers_keep_their_outputs() -> None:
    names = [g.name for g in discover_channels(ResidualCnn(8), torch.randn(1, 1, 8, 8), ignored=["block1"]).groups]
    assert names == ["widen", "block2.conv1"]


def test_levels_are_multiples_up_to_dense_and_never_none() -> None:
    assert channel_levels(20, 8) == (8, 16, 20)
    assert channel_levels(3, 8) == (3,)
    assert channel_levels(4096, 8)[:2] == (128, 256) and channel_levels(4096, 8)[-1] == 4096
    with pytest.raises(ConfigError, match="round_to"):
        channel_levels(8, 0)


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)).detach()


class FlattenedTogether(nn.Module):
    """Flattens two maps at once: torch-pruning takes the second for the first."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Conv2d(1, 8, 1), nn.Conv2d(1, 8, 1), nn.Linear(16 * 16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat((self.left(x), self.right(x)), dim=1).flatten(1))


@pytest.mark.parametrize(
    ("model", "inputs", "named"),
    [
        (FlattenedTogether(), torch.randn(1, 1, 4, 4), r"left \(.* does not run"),
        (mlp(), torch.randn(1, 1, 9, 9), r"1: the model cannot be traced \(RuntimeError"),
        (Detached(), torch.randn(1, 4), "head: the model cannot be traced .* detach"),
        (nn.Sequential(nn.Linear(4, 2)), torch.randn(1, 4), "no layer has channels"),
    ],
)
def test_a_model_that_cannot_be_pruned_is_refused_with_the_layer_and_a_remedy(
    model: nn.Module, inputs: Tensor, named: str
) -> None:
    with pytest.raises(UnprunableModelError, match=named):
        discover_channels(model, inputs)


class Twice(nn.Module):
    """Concatenates channels with themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.twice, self.head = nn.Conv2d(1, 4, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return self.head(torch.cat((y, y), dim=1) + self.twice(torch.cat((y, y), dim=1)))


def test_a_channel_that_occurs_twice_goes_in_both_places() -> None:
    space = discover_channels(Twice(), torch.randn(1, 1, 4, 4), round_to=1)
    assert entries(space, "body", ("twice", Axis.COLUMNS)) == {unit: [unit, unit + 4] for unit in range(4)}
    assert entries(space, "body", ("head", Axis.COLUMNS)) == {unit: [unit, unit + 4] for unit in range(4)}


class Windows(nn.Module):
    """Partitions an image into windows by reshaping, as Swin does."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix = nn.Linear(3, 8), nn.Linear(8, 8)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.embed(x)
        windows = hidden.reshape(len(x), 2, 2, 2, 2, 8).transpose(2, 3).reshape(-1, 4, 8)
        mixed = self.mix(windows).reshape(len(x), 2, 2, 2, 2, 8).transpose(2, 3).reshape(len(x), 4, 4, 8)
        return self.down(F.relu(self.up(hidden + mixed)))


class TwoAnswers(nn.Module):
    """Returns its features beside its classes."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.features, self.head = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.features(F.relu(self.body(x)))
        return {"logits": self.head(features), "features": features}


def test_every_output_of_a_model_keeps_its_shape() -> None:
    assert [group.name for group in discover_channels(TwoAnswers(), torch.randn(1, 4)).groups] == ["body"]


class HalfRead(nn.Module):
    """Reads the first half of its channels only, by a number in its code."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.last = nn.Conv2d(1, 8, 1), nn.Conv2d(4, 8, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.head(self.body(x)[:, :4]))


class Mirrored(nn.Module):
    """Adds the first half of its channels to the second, so that no channel can go alone."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.last = nn.Conv2d(1, 8, 1), nn.Conv2d(4, 8, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.body(x).split(4, dim=1)
        return self.last(self.head(first + second))


@pytest.mark.parametrize("model", [HalfRead(), Mirrored()])
def test_channels_that_the_code_counts_stay_dense(model: nn.Module) -> None:
    assert [group.name for group in discover_channels(model, torch.randn(1, 1, 4, 4)).groups] == ["head"]


def test_reshapes_into_windows_end_the_search_instead_of_running_forever() -> None:
    assert "up" in [group.name for group in discover_channels(Windows(), torch.randn(1, 4, 4, 3)).groups]


def test_an_ignored_path_that_is_no_layer_is_refused() -> None:
    with pytest.raises(UnprunableModelError, match="ignored: no layer is called 'stam'"):
        discover_channels(ResidualCnn(8), torch.randn(1, 1, 8, 8), ignored=["stam"])


def test_the_model_is_left_as_it_was() -> None:
    model = ResidualCnn(8).train().requires_grad_(False)
    discover_channels(model, torch.randn(1, 1, 8, 8))
    assert all(module.training for module in model.modules())
    assert not any(p.requires_grad or p.grad is not None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_inputs_may_be_a_sequence_or_a_mapping() -> None:
    image = torch.randn(1, 1, 8, 8)
    for inputs in ((image,), {"x": image}):
        assert len(discover_channels(ResidualCnn(8), inputs).groups) == 4


class NormedAttention(nn.Module):
    """Heads of four channels each: with eight of sixteen channels it runs, and heads are made of halves of two."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Linear(4, 16), nn.LayerNorm(16)
        self.q, self.k, self.v, self.out = (nn.Linear(16, 16) for _ in range(4))
        self.up, self.down, self.head = nn.Linear(16, 32), nn.Linear(32, 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.embed(x)
        normed = self.norm(hidden)
        q, k, v = (layer(normed).unflatten(-1, (-1, 4)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        mixed = (q @ k.transpose(2, 3)).softmax(-1) @ v
        hidden = hidden + self.out(mixed.transpose(1, 2).flatten(2))
        return self.head(hidden + self.down(F.relu(self.up(hidden))))


def test_a_norm_over_all_channels_excuses_no_group_and_attention_is_never_pruned_across_heads() -> None:
    torch.manual_seed(0)
    space = discover_channels(NormedAttention(), torch.randn(2, 5, 4))
    assert [group.name for group in space.groups] == ["embed", "up"]
    assert {*space.dense} & {"q", "k", "v"}


class Responding(nn.Module):
    """Global response normalisation, as in ConvNeXt-V2: a mean over all channels."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.rand(16)), nn.Parameter(torch.rand(16))

    def forward(self, x: Tensor) -> Tensor:
        response = x.norm(dim=(1, 2), keepdim=True)
        return self.scale * (x * response / response.mean(dim=-1, keepdim=True)) + self.shift + x


def test_modules_that_look_at_all_channels_are_compared_on_those_that_are_kept() -> None:
    model = nn.Sequential(nn.Linear(4, 16), Responding(), nn.Linear(16, 2))
    assert [group.name for group in discover_channels(model, torch.randn(2, 3, 3, 4)).groups] == ["0"]


class Hidden(nn.Module):
    """A branch that shuffles its channels, behind a layer scale that lets next to nothing of it through."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch, self.scale = nn.Conv2d(1, 8, 1), Shuffled(), nn.Parameter(torch.full((2, 1, 1), 1e-7))
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.relu(self.stem(x))) + self.scale * self.branch(x)


def test_a_layer_scale_near_zero_hides_no_branch_from_the_proof() -> None:
    space = discover_channels(Hidden(), torch.randn(1, 1, 4, 4))
    assert [group.name for group in space.groups] == ["stem", "branch.second"]


def test_a_network_pruned_when_fewer_groups_were_known_is_rebuilt_by_those_alone() -> None:
    space = discover_channels(ResidualCnn(8), torch.randn(1, 1, 8, 8)).only({"widen", "block2.conv1"})
    small = outline(ResidualCnn(8), space, Config.of({"widen": 8, "block2.conv1": 16}))
    assert (small.stem.out_channels, small.widen.out_channels, small.head.in_features) == (8, 8, 32)
