"""Sessions: every model once, the dense one in all, and no more convolutions than are kept compiled."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from objectives.sessions import sessions_of

MOST = 12


def network(convolutions: int) -> nn.Module:
    return nn.Sequential(*(nn.Conv2d(1, 1, 1) for _ in range(convolutions)), nn.Linear(1, 1))


@given(dense=st.integers(0, 15), others=st.lists(st.integers(0, 15), max_size=8))
def test_sessions_hold_every_model_beside_the_dense_one_and_stay_small(dense: int, others: list[int]) -> None:
    models = {"dense": network(dense), **{str(index): network(size) for index, size in enumerate(others)}}
    sizes = {"dense": dense, **{str(index): size for index, size in enumerate(others)}}
    sessions = sessions_of(models, dense=["dense"], most=MOST)
    assert all("dense" in session for session in sessions)
    assert [key for session in sessions for key in session if key != "dense"] == list(models)[1:]
    for session in sessions:
        is_alone = len(session) == 2
        assert is_alone or sum(sizes[key] for key in session) <= MOST or len(session) == 1
    assert all(len(session) > 1 for session in sessions) or not others


def test_models_without_convolutions_share_one_session() -> None:
    models = {index: nn.Linear(2, 2) for index in range(100)}
    assert sessions_of(models, dense=[0]) == [models]
