"""Factors of channels."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.recover.layers.channels import balanced


def test_factors_move_a_share_of_the_range_from_activations_to_weights() -> None:
    activations, weights = np.array([8.0, 2.0, 1.0]), np.array([1.0, 1.0, 1.0])
    assert balanced(activations, weights, 1.0) * activations == pytest.approx(np.full(3, 16 ** (1 / 3)))
    assert balanced(activations, weights, 0.0) == pytest.approx(np.ones(3))


def test_a_channel_that_no_weight_reads_is_scaled_to_the_largest_of_the_others() -> None:
    activations, weights = np.array([300.0, 2.0, 1.0, 0.0]), np.array([0.0, 1.0, 1.0, 1.0])
    factor = balanced(activations, weights, 0.5)
    assert (factor * activations)[0] == pytest.approx((factor * activations)[1:].max())
    assert factor[3] == 1.0


def test_a_small_channel_that_no_weight_reads_is_left_alone() -> None:
    assert balanced(np.array([0.1, 2.0]), np.array([0.0, 1.0]), 0.5)[0] == 1.0
