"""Half of the products give the whole."""

from __future__ import annotations

import pytest
import torch

from search_spaces.transforms.units.products import BLOCK, add_products, mirrored


@pytest.mark.parametrize("width", [BLOCK, 2 * BLOCK + 7])
def test_the_sum_is_that_of_whole_products(width: int) -> None:
    rows = torch.randn(2, 50, width, generator=torch.Generator().manual_seed(0))
    halves, whole = torch.zeros(width, width), torch.zeros(width, width)
    for some in rows:
        add_products(halves, some)
        whole.addmm_(some.T, some)
    torch.testing.assert_close(mirrored(halves), whole, rtol=1e-5, atol=1e-5)
    assert torch.equal(mirrored(halves), mirrored(halves).T)
