"""Elementwise functions are told apart over the whole range of float32, bends included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.lowering.pointwise import (
    IDENTITY,
    Elementwise,
    binary,
    identify,
    is_identity,
    scale_factor,
    unary,
)

CLAMP = "aten.clamp.default"


@given(st.floats(-4, 4).filter(lambda f: abs(f) > 1e-3))
def test_a_scaled_identity_is_known_by_its_factor(factor: float) -> None:
    scaled = binary(IDENTITY, factor, "aten.mul.Tensor")
    assert scale_factor(scaled) == pytest.approx(factor)
    assert is_identity(scaled) == (factor == 1.0)
    assert identify(scaled) is None


def test_functions_close_to_a_known_one_are_not_taken_for_it() -> None:
    assert identify(Elementwise(lambda x: np.maximum(x, 0))) == "relu"
    assert identify(Elementwise(np.tanh)) == "tanh"
    assert identify(Elementwise(lambda x: np.where(x > 0, x, 0.01 * x))) is None
    assert identify(Elementwise(lambda x: np.clip(x, -1, 1))) is None
    assert identify(Elementwise(lambda x: x / (1 + np.exp(-1.702 * x)))) is None
    assert scale_factor(Elementwise(lambda x: x + 1e-6)) is None


@pytest.mark.parametrize("bound", [1e-3, 6.0, 20.0, 1e4, 65504.0, 1e30])
def test_a_clamp_that_usual_values_never_reach_is_still_a_clamp(bound: float) -> None:
    assert identify(unary(IDENTITY, CLAMP, 0, bound)) is None
    for activation in ("aten.relu.default", "aten.gelu.default"):
        assert identify(unary(unary(IDENTITY, activation), CLAMP, None, bound)) is None
    assert scale_factor(unary(binary(IDENTITY, 0.125, "aten.mul.Tensor"), CLAMP, -bound, bound)) \
        is None  # fmt: skip


def test_a_clamp_that_changes_no_value_leaves_the_function() -> None:
    assert identify(unary(IDENTITY, CLAMP, 0, None)) == "relu"
    assert identify(unary(IDENTITY, CLAMP, min=0, max=None)) == "relu"
    assert identify(unary(unary(IDENTITY, "aten.tanh.default"), CLAMP, -1, 1)) == "tanh"
    assert is_identity(unary(IDENTITY, CLAMP, -3.4028235e38, 3.4028235e38))


@given(st.floats(0.01, 1e6), st.floats(1e-5, 1e-3))
def test_a_bump_between_two_neighbouring_points_is_found(place: float, width: float) -> None:
    """relu(x) plus 1000·(x - place) within a stretch that no fixed grid would meet."""
    low, high = place, place * (1 + width)
    bump = binary(unary(IDENTITY, CLAMP, low, high), -low, "aten.add.Tensor")
    back = binary(unary(IDENTITY, CLAMP, high, 2 * high - low), -high, "aten.add.Tensor")
    inner = binary(binary(bump, back, "aten.sub.Tensor"), 1000.0 / (high - low), "aten.mul.Tensor")
    changed = binary(unary(IDENTITY, "aten.relu.default"), inner, "aten.add.Tensor")
    assert identify(unary(IDENTITY, "aten.relu.default")) == "relu"
    assert identify(changed) is None
