"""Gaussian processes are those of the literature: scikit-learn's, of the same kernel, say the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from optimizer.samplers.kriging import Kernel, Process, _misfit, fitted

rng = np.random.default_rng(0)
POINTS, ASKED = rng.random((20, 3)), rng.random((7, 3))
VALUES = np.sin(4 * POINTS[:, 0]) + POINTS[:, 1] ** 2
VALUES -= VALUES.mean()
KERNEL = Kernel(np.array([0.4, 0.8, 2.0]), 1e-3)
NOWHERE = np.empty((0, 3))


def test_it_expects_what_scikit_learn_expects() -> None:
    process = Process(KERNEL, POINTS, VALUES, NOWHERE)
    variance = VALUES @ np.linalg.solve(KERNEL.among(POINTS), VALUES) / len(VALUES)
    kernel = ConstantKernel(variance) * Matern(KERNEL.widths, nu=2.5)
    theirs = GaussianProcessRegressor(kernel, alpha=variance * KERNEL.noise, optimizer=None).fit(POINTS, VALUES)
    for ours, expected in zip(process(ASKED), theirs.predict(ASKED, return_std=True), strict=True):
        assert ours == pytest.approx(expected, rel=1e-6)


def test_it_is_surer_near_what_is_pending_and_expects_the_same() -> None:
    alone, believing = Process(KERNEL, POINTS, VALUES, NOWHERE), Process(KERNEL, POINTS, VALUES, ASKED[:2])
    means, deviations = zip(alone(ASKED), believing(ASKED), strict=True)
    assert means[0] == pytest.approx(means[1])
    assert np.all(deviations[1][:2] < deviations[0][:2] / 2)
    assert np.all(deviations[1] <= deviations[0] * (1 + 1e-9))


def test_the_slope_of_the_misfit_is_its_own() -> None:
    where = np.log([0.3, 0.7, 1.5, 0.01])

    def misfit(at: NDArray[np.float64]) -> float:
        return _misfit(POINTS, VALUES, at)[0]

    assert approx_fprime(where, misfit) == pytest.approx(_misfit(POINTS, VALUES, where)[1], abs=1e-4)


def test_axes_that_do_not_matter_become_wide() -> None:
    widths = fitted(POINTS, VALUES).widths
    assert widths[2] > 2 * max(widths[:2])


def test_values_that_are_all_equal_say_nothing() -> None:
    kernel = fitted(POINTS, np.zeros(20))
    assert np.allclose(kernel.widths, 0.25 * math.sqrt(3))
    mean, deviation = Process(kernel, POINTS, np.zeros(20), NOWHERE)(ASKED)
    assert np.all(mean == 0)
    assert np.all((deviation > 0) & (deviation < 1))
