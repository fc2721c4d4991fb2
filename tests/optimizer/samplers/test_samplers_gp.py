"""Optuna's Gaussian processes keep the contract, at fewer candidates: an ask takes a quarter of a second."""

from __future__ import annotations

from sampler_contract import SamplerContract


class TestGp(SamplerContract):
    name = "gp"
    minds = True
    examples, length, told, attempts = 2, 12, 11, 5
