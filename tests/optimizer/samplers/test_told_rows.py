"""What was told as matrices: the numbers and shapes that numpy gives."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from optimizer.samplers.rows import rows

NUMBERS = st.floats(allow_nan=False)
VECTORS = st.integers(0, 4).flatmap(lambda width: st.lists(st.tuples(*[NUMBERS] * width), min_size=1, max_size=5))


@given(VECTORS)
def test_rows_are_the_vectors(vectors: list[tuple[float, ...]]) -> None:
    found = rows(vectors)
    assert found.dtype == np.float64
    assert found.shape == (len(vectors), len(vectors[0]))
    assert list(map(tuple, found.tolist())) == vectors
