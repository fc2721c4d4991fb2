"""Densities of an Erdős–Rényi start: a connection of layer k exists with p = ε (n_k + n_(k−1)) / (n_k · n_(k−1)).

ε is solved so that the whole model has the wanted density; a layer that would exceed 1 stays dense and the others share
the rest. For convolutions n is the number of channels.

Reference: Mocanu et al. 2018, eq. 3, https://doi.org/10.1038/s41467-018-04316-3, whose ε is given instead of solved.
"""

from __future__ import annotations

from search_spaces.transforms.masks.layers import Layer, Layers


def densities(layers: Layers, density: float) -> dict[str, float]:
    """Return the density of every layer for an overall `density` of weights, in [0, 1]."""
    epsilon = _epsilon(layers, density)
    return {name: min(1.0, epsilon * _rate(layer)) for name, layer in layers.items()}


def _epsilon(layers: Layers, density: float) -> float:
    """Return the ε whose densities leave the wanted number of weights: one pass per layer that turns out dense."""
    sizes = {name: layer.weight.numel() for name, layer in layers.items()}
    rates = {name: _rate(layer) for name, layer in layers.items()}
    wanted, dense = density * sum(sizes.values()), set[str]()
    while len(dense) < len(layers):
        free = [name for name in layers if name not in dense]
        left = wanted - sum(sizes[name] for name in dense)
        epsilon = left / sum(sizes[name] * rates[name] for name in free)
        full = {name for name in free if epsilon * rates[name] > 1}
        if not full:
            return epsilon
        dense |= full
    return 1 / min(rates.values())


def _rate(layer: Layer) -> float:
    n_out, n_in = layer.weight.shape[:2]
    return (n_in + n_out) / (n_in * n_out)
