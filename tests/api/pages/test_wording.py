"""Wording: a page shows the parameters that a text names, and nothing of a text becomes markup."""

from __future__ import annotations

from api.pages.wording import worded


def test_a_named_parameter_is_code_and_the_rest_is_escaped() -> None:
    assert worded("data: <b> is empty; give `label_column` & more") == (
        "data: &lt;b&gt; is empty; give <code>label_column</code> &amp; more"
    )
    assert worded("`<script>` alone `") == "<code>&lt;script&gt;</code> alone `"
