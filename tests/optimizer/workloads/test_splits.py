from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import InputError
from optimizer.workloads.data import Table
from optimizer.workloads.splits import cut, table_hash


def table(n: int, start: int = 0, classes: int = 2) -> Table:
    names = tuple(map(str, range(classes)))
    return Table(tuple((f"text {i}",) for i in range(start, start + n)), np.arange(n) % classes, names)


SPLITS = {
    "three": {"train": table(500), "validation": table(100, 1000), "test": table(80, 2000)},
    "no validation": {"train": table(500), "test": table(80, 2000)},
    "no test": {"train": table(500), "validation": table(100, 1000)},
    "no train": {"validation": table(100, 1000), "test": table(80, 2000)},
    "one": {"train": table(500)},
}


def texts(part: Table) -> set[tuple[str, ...]]:
    return set(part.texts)


@pytest.mark.parametrize("name", sorted(SPLITS))
def test_the_roles_are_disjoint_stratified_and_the_same_every_time(name: str) -> None:
    splits, again = cut(SPLITS[name], calibration=50), cut(SPLITS[name], calibration=50)
    roles = [splits.calibration, splits.search, splits.verification, splits.train]
    assert sum(map(len, roles)) == len(set().union(*map(texts, roles)))
    for role, same in zip(roles, [again.calibration, again.search, again.verification, again.train], strict=True):
        assert table_hash(role) == table_hash(same)
        if len(role):
            assert abs(float(np.mean(role.labels)) - 0.5) <= 1 / len(role)


def test_each_combination_of_splits_gets_the_roles_that_are_promised() -> None:
    three = cut(SPLITS["three"], calibration=50)
    assert texts(three.search) == texts(SPLITS["three"]["validation"])
    assert texts(three.verification) == texts(SPLITS["three"]["test"])
    halves = cut(SPLITS["no test"], calibration=50)
    assert len(halves.search) == len(halves.verification) == 50
    lone = cut(SPLITS["one"], calibration=1000)
    assert (len(lone.calibration), len(lone.search), len(lone.verification)) == (100, 240, 160)
    from_train = cut(SPLITS["no validation"], calibration=50)
    assert texts(from_train.search) < texts(SPLITS["no validation"]["train"])
    assert not texts(from_train.search) & texts(from_train.train)
    assert any("cut from train" in note for note in from_train.notes)


def test_a_text_in_two_splits_leaves_train_first_search_second_verification_never() -> None:
    shared = Table((("  Text  2000 ",),), np.zeros(1, dtype=int), ("0", "1"))
    test = table(80, 2000)
    train = Table((*table(50).texts, *shared.texts), np.append(table(50).labels, 0), ("0", "1"))
    search = Table(
        (*table(40, 1000).texts, ("text 2001",), ("text 3",)), np.append(table(40).labels, [1, 0]), ("0", "1")
    )
    splits = cut({"train": train, "validation": search, "test": test}, calibration=1000)
    assert len(splits.verification) == 80
    assert ("text 2001",) not in texts(splits.search)
    assert ("text 3",) in texts(splits.search)
    assert len(splits.calibration) == 49
    assert len(splits.notes) == 2


@given(st.integers(1, 100), st.integers(1, 80))
def test_sizes_asked_for_are_kept(search: int, verification: int) -> None:
    splits = cut(SPLITS["three"], calibration=10, search=search, verification=verification)
    assert (len(splits.search), len(splits.verification), len(splits.calibration)) == (search, verification, 10)


@pytest.mark.parametrize(
    ("sizes", "option"), [({"search": 101}, "--search-examples"), ({"verification": 81}, "--verification-examples")]
)
def test_more_than_there_are_is_refused_by_name(sizes: dict[str, int], option: str) -> None:
    with pytest.raises(InputError, match=option):
        cut(SPLITS["three"], calibration=10, **sizes)


def test_calibration_texts_are_as_long_as_the_search_texts() -> None:
    rng = np.random.default_rng(0)
    pool = Table(tuple(("x" * n + str(i),) for i, n in enumerate(rng.integers(1, 200, 5000))), np.zeros(5000, int), ())
    like = Table(tuple(("y" * n,) for n in rng.integers(100, 150, 300)), np.zeros(300, int), ())
    splits = cut({"train": pool, "validation": like, "test": Table((("z",),), np.zeros(1, int), ())}, calibration=200)
    drawn, wanted = (np.sort([len(texts[0]) for texts in t.texts]) for t in (splits.calibration, splits.search))
    assert np.abs(drawn - np.quantile(wanted, (np.arange(200) + 0.5) / 200)).max() <= 5
    assert len({*splits.calibration.texts, *splits.train.texts}) == 5000


def test_where_no_text_is_long_enough_the_longest_calibrate() -> None:
    pool = Table(tuple(("x" * n,) for n in range(1, 101)), np.zeros(100, int), ())
    like = Table((("y" * 500,),), np.zeros(1, int), ())
    splits = cut({"train": pool, "validation": like, "test": Table((("z",),), np.zeros(1, int), ())}, calibration=10)
    assert [len(texts[0]) for texts in splits.calibration.texts] == list(range(91, 101))
