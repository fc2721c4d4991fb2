from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.config import Config, ConfigError, Form, Recipe

RECIPES = st.builds(
    Recipe, schedule=st.text("ab-"), scope=st.text("ab:2"), swap_share=st.none() | st.floats(0, 1).map(lambda x: x + 0)
)
CONFIGS = st.builds(
    lambda kept, form, recipe, more: replace(Config.of(kept, form), recipe=recipe, more=more),
    st.dictionaries(st.text("abc.019", min_size=1, max_size=8), st.integers(0, 4096)),
    st.sampled_from(Form),
    st.none() | RECIPES,
    st.sampled_from([(), (("rank", (("x", 4), ("w", 2))),), (("rank", (("x", 4),)), ("bits", (("y", 8),)))]),
)


@given(CONFIGS)
def test_canonical_json_round_trips_up_to_the_order_of_groups(config: Config) -> None:
    back = Config.from_json(config.canonical_json())
    assert back.as_dict() == config.as_dict()
    assert back.form is config.form
    assert back.recipe == config.recipe
    assert back.transforms == config.transforms
    assert Config.from_json(config.canonical_json(), [*config.levels]) == config
    assert back.canonical_json() == config.canonical_json()
    assert back.digest == config.digest


def test_a_config_without_a_recipe_is_written_as_before_there_were_any() -> None:
    config = Config.of({"b": 2, "a": 1}, Form.SLICED)
    assert config.canonical_json() == '{"form":"sliced","kept":{"a":1,"b":2}}'
    assert config.digest == "980dc453e92f83f6"


def test_a_recipe_stays_with_its_config_and_makes_another_one_of_it() -> None:
    plain = Config.of({"a": 1}, Form.MASKED)
    recipe = Recipe(schedule="set", scope="uniform", swap_share=0.2)
    config = replace(plain, recipe=recipe)
    assert config != plain
    assert config.digest != plain.digest
    assert config.replaced({"a": 2}).in_form(Form.FINETUNED).recipe == recipe
    assert recipe.in_words() == "set, uniform, 20% swapped"


def test_levels_of_further_transforms_change_as_those_of_the_first_and_make_another_config() -> None:
    plain = Config.of({"a": 1})
    config = replace(plain, more=(("rank", (("a.rank", 4),)), ("bits", (("a.bits", 8),))))
    assert config.digest != plain.digest
    assert config.levels == {"a": 1, "a.rank": 4, "a.bits": 8}
    assert config.replaced({"a.rank": 2, "a": 0}).levels == {"a": 0, "a.rank": 2, "a.bits": 8}
    assert config.part("") == plain
    assert config.part("rank").as_dict() == {"a.rank": 4}
    with pytest.raises(ConfigError, match="names every group once"):
        replace(plain, more=(("rank", (("a", 4),)),))


def test_equal_counts_in_another_form_are_another_config() -> None:
    config = Config.of({"a": 1})
    assert config != config.in_form(Form.FINETUNED)
    assert config == Config.of({"a": 1})
    assert len({config, Config.of({"a": 1}), config.replaced({"a": 2})}) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"kept": 3, "form": "sliced"}',
        '{"kept": {"a": 1}, "form": "no"}',
        '{"kept": {"a": 1}, "form": "masked", "recipe": {"schedule": "set"}}',
    ],
)
def test_other_text_is_no_config(text: str) -> None:
    with pytest.raises(ConfigError):
        Config.from_json(text)


def test_negative_counts_and_repeated_groups_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot keep -1"):
        Config.of({"a": -1})
    with pytest.raises(ConfigError, match="once"):
        Config((("a", 1), ("a", 2)))
