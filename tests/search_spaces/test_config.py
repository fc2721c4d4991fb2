from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.config import Config, ConfigError, Form

CONFIGS = st.builds(
    Config.of, st.dictionaries(st.text("abc.019", min_size=1, max_size=8), st.integers(0, 4096)), st.sampled_from(Form)
)


@given(CONFIGS)
def test_canonical_json_round_trips_up_to_the_order_of_groups(config: Config) -> None:
    back = Config.from_json(config.canonical_json())
    assert back.as_dict() == config.as_dict()
    assert back.form is config.form
    assert back.canonical_json() == config.canonical_json()
    assert back.digest == config.digest


def test_equal_counts_in_another_form_are_another_config() -> None:
    config = Config.of({"a": 1})
    assert config != config.in_form(Form.FINETUNED)
    assert config == Config.of({"a": 1})
    assert len({config, Config.of({"a": 1}), config.replaced({"a": 2})}) == 2


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kept": 3, "form": "sliced"}', '{"kept": {"a": 1}, "form": "no"}'])
def test_other_text_is_no_config(text: str) -> None:
    with pytest.raises(ConfigError):
        Config.from_json(text)


def test_negative_counts_and_repeated_groups_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot keep -1"):
        Config.of({"a": -1})
    with pytest.raises(ConfigError, match="once"):
        Config((("a", 1), ("a", 2)))
