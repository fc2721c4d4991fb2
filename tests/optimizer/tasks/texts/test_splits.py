from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import InputError
from optimizer.tasks.texts.held_out import held_out
from optimizer.tasks.texts.splits import HELD_OUT, cut
from optimizer.tasks.texts.table import Table, table_hash


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
    ("sizes", "option"), [({"search": 101}, "search_examples"), ({"verification": 81}, "verification_examples")]
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


def labelled(texts: list[str], labels: list[int]) -> Table:
    return Table(tuple((text,) for text in texts), np.array(labels), ("0", "1"))


def test_a_split_of_repeats_is_cut_into_its_distinct_texts() -> None:
    once = table(1000)
    splits = cut({"train": Table(once.texts * 5, np.tile(once.labels, 5), once.names)}, calibration=50)
    roles = [splits.calibration, splits.search, splits.verification, splits.train]
    assert sum(map(len, roles)) == len(set().union(*map(texts, roles))) == 1000
    assert "train examples: 4000 repeats set aside" in splits.notes


def test_copies_of_other_labels_are_outvoted_or_set_aside_in_every_role() -> None:
    test = labelled(["a", " A", "a", "b", "B ", "c"], [1, 1, 0, 0, 1, 0])
    validation = labelled(["d", "d", "e"], [0, 0, 1])
    train = labelled(["f", "g", "F", "f", "h", "h"], [0, 1, 1, 1, 0, 1])
    splits = cut({"train": train, "validation": validation, "test": test}, calibration=1)
    assert dict(zip(splits.verification.texts, splits.verification.labels.tolist(), strict=True)) == {
        ("a",): 1,
        ("c",): 0,
    }
    assert splits.search.texts == (("d",), ("e",))
    assert {text.lower() for (text,) in splits.calibration.texts + splits.train.texts} == {"f", "g"}
    assert [*splits.calibration.labels, *splits.train.labels] == [1, 1]
    assert sorted(splits.notes) == [
        "test examples: 1 kept with the label that most of their copies have",
        "test examples: 2 repeats set aside",
        "test examples: 2 set aside because as many of their copies have another label",
        "train examples: 1 kept with the label that most of their copies have",
        "train examples: 2 repeats set aside",
        "train examples: 2 set aside because as many of their copies have another label",
        "validation examples: 1 repeats set aside",
    ]


def test_pairs_are_repeats_where_both_texts_are() -> None:
    pairs = Table((("a", "b"), ("A", "b"), ("b", "a"), ("a", "c")), np.array([0, 0, 0, 0]), ("0", "1"))
    splits = cut({"validation": table(20), "train": table(20, 50), "test": pairs}, calibration=5)
    assert splits.verification.texts == (("a", "b"), ("b", "a"), ("a", "c"))


GOLDEN = {
    "three": ["89225d65", "4b97089b", "f8bffb9b", "99685998"],
    "no validation": ["f03a2d70", "6d646823", "f8bffb9b", "6e1f6516"],
    "no test": ["89225d65", "1f34154e", "e6f0c9b3", "99685998"],
    "no train": ["4d2ab27a", "39cad551", "f8bffb9b", "e3b0c442"],
    "one": ["cde136a9", "3494bde2", "9fa9fb8e", "80d56961"],
}


@pytest.mark.parametrize("name", sorted(SPLITS))
def test_the_roles_of_data_without_repeats_stay_those_of_earlier_studies(name: str) -> None:
    splits = cut(SPLITS[name], calibration=50)
    roles = (splits.calibration, splits.search, splits.verification, splits.train)
    assert [table_hash(role)[:8] for role in roles] == GOLDEN[name]


def test_splits_of_the_same_texts_are_refused_with_what_became_of_them() -> None:
    same = {"train": table(50), "test": table(50)}
    with pytest.raises(InputError, match=r"no .* example is left .*: .*40 set aside because their text is among"):
        cut(same, calibration=20)


@pytest.mark.parametrize("name", ["no validation", "no test", "one"])
def test_examples_that_share_a_text_have_the_same_role(name: str) -> None:
    asked = {
        split: replace(each, texts=tuple((*text, f"{split} {i // 7}") for i, text in enumerate(each.texts)), shared=1)
        for split, each in SPLITS[name].items()
    }
    splits, alone = cut(asked, calibration=50), cut(SPLITS[name], calibration=50)
    search, held, rest = (
        {context for _, context in part}
        for part in (splits.search.texts, splits.verification.texts, splits.train.texts + splits.calibration.texts)
    )
    assert not (search & held or search & rest or held & rest)
    assert abs(len(splits.search) - len(alone.search)) <= 7
    assert abs(len(splits.verification) - len(alone.verification)) <= 7


@pytest.mark.parametrize("name", sorted(SPLITS))
def test_verification_data_verify_alone_and_without_a_text_of_the_other_splits(name: str) -> None:
    more = table(60, 480 if "train" in SPLITS[name] else 1080)  # 20 of them are known
    splits = cut({**SPLITS[name], "verification": more}, calibration=50)
    known = {text for part in SPLITS[name].values() for text in part.texts}
    assert texts(more) - known <= texts(splits.verification)
    assert len(splits.verification) == 40 + (80 if "test" in SPLITS[name] else 0)
    assert not texts(splits.verification) & (texts(splits.search) | texts(splits.calibration) | texts(splits.train))
    assert "verification data: 20 set aside because their text is among the other examples" in splits.notes
    with pytest.raises(InputError, match="verification_data: has no text that the other examples lack"):
        cut({**SPLITS[name], "verification": more.take(np.arange(20))}, calibration=50)


def test_verification_data_whose_copies_contradict_each_other_say_so() -> None:
    torn = Table((("new text",), ("new text",)), np.arange(2), ("0", "1"))
    with pytest.raises(InputError, match=r"verification_data: has no usable example: .* have another label"):
        cut({**SPLITS["three"], "verification": torn}, calibration=50)


def test_a_lone_test_split_beside_verification_data_is_searched_on() -> None:
    splits = cut({"test": table(100), "verification": table(40, 500)}, calibration=10)
    assert texts(splits.verification) == texts(table(40, 500))
    assert len(splits.search) == 80


def test_of_a_train_that_a_head_learns_from_whole_sources_verify_up_to_five_thousand() -> None:
    sentences = [f"a {i} b {i} c {i}" for i in range(9000)]
    phrases = [f"b {i} c" for i in range(0, 9000, 3)] + ["a", "c", "b 17 c 17"]
    train = Table(tuple((text,) for text in sentences + phrases), np.arange(12_003) % 2, ("0", "1"))
    tables = {"train": train, "validation": table(100, 20_000)}
    splits = cut(tables, calibration=50, hold_out=held_out)
    held = {text for (text,) in splits.verification.texts if text.startswith("a ")}
    assert len(held) == 3000  # a third of the sources
    left = [text for (text,) in splits.train.texts + splits.calibration.texts]
    assert not any(f" {text} " in f" {' '.join(sorted(held))} " for text in ("a", "c") if text in left)
    whole = {int(text.split()[1]) for text in held}
    assert not whole & {int(text.split()[1]) for text in left}
    assert any("3000 train examples verify instead" in note for note in splits.notes)
    assert len(cut(tables, calibration=50).verification) == 50  # a trained head has seen all of train


def test_a_train_that_cannot_be_cut_by_source_is_searched_on_and_validation_verifies() -> None:
    grouped = replace(
        table(HELD_OUT), texts=tuple((f"question {i}", f"page {i // 4}") for i in range(HELD_OUT)), shared=1
    )
    beside = replace(table(40), texts=tuple((f"question {i}", f"page {i}") for i in range(9000, 9040)), shared=1)
    tables = {"train": grouped, "validation": beside}
    splits = cut(tables, calibration=50, hold_out=held_out)
    assert texts(splits.verification) == texts(beside)
    pages = [{page for _, page in part.texts} for part in (splits.search, splits.train, splits.calibration)]
    assert not pages[0] & (pages[1] | pages[2])
    assert len(splits.search) == 1000
    assert len(cut(tables, calibration=50).verification) == 20  # a head trained elsewhere has seen all of train


def test_where_a_head_has_few_sources_to_learn_from_none_are_held_out() -> None:
    assert held_out(table(HELD_OUT - 1), 10) is None
    same = Table(tuple((f"{i % 9} x {i % 8}",) for i in range(HELD_OUT)), np.zeros(HELD_OUT, dtype=int), ("0", "1"))
    assert held_out(Table((*same.texts, (" ".join(t for (t,) in same.texts),)), np.zeros(HELD_OUT + 1), ()), 10) is None
