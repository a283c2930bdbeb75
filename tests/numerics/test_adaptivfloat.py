"""AdaptivFloat against the paper's example, gfloat's code table, and its own invariants."""

from __future__ import annotations

import numpy as np
import pytest
from gfloat import Domain, FormatInfo, decode_float
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgesim.errors import InputError
from edgesim.numerics import AdaptivFloat

FORMATS = [(8, 3), (8, 4), (8, 2), (7, 3), (6, 3), (5, 2), (4, 2), (4, 3), (3, 1), (2, 1)]
unhurried = settings(deadline=None)  # the first call compiles a kernel
formats = st.sampled_from(FORMATS).map(lambda pair: AdaptivFloat(*pair))
tensors = npst.arrays(
    np.float32,
    npst.array_shapes(max_dims=2, max_side=12),
    elements=st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
)


def gfloat_table(number_format: AdaptivFloat, bias: int) -> np.ndarray:
    """Every code's value by an independent implementation (Graphcore's gfloat).

    gfloat drops its zero when there is no mantissa, so the paper's zero slot is put in there.
    """
    info = FormatInfo(
        name="adaptivfloat", k=number_format.bits, precision=number_format.mantissa_bits + 1,
        bias=-bias, domain=Domain.Finite, has_nz=True, num_high_nans=0, has_subnormals=False,
        is_signed=True, is_twos_complement=False,
    )  # fmt: skip
    table = np.array([decode_float(info, code).fval for code in range(2**number_format.bits)])
    if number_format.mantissa_bits == 0:
        table[[0, len(table) // 2]] = 0.0
    return table


def test_the_paper_s_example_is_reproduced_value_by_value() -> None:
    """Golden: Tambe et al., DAC 2020, figure 3, <4,2> with exponent bias -2."""
    weights = np.array(
        [[-1.17, 2.71, -1.60, 0.43], [-1.14, 2.05, 1.01, 0.07],
         [0.16, -0.03, -0.89, -0.87], [-0.04, -0.39, 0.64, -2.89]]
    )  # fmt: skip
    expected = np.array(
        [[-1, 3, -1.5, 0.375], [-1, 2, 1, 0], [0, 0, -1, -0.75], [0, -0.375, 0.75, -3]]
    )
    number_format = AdaptivFloat(4, 2)
    assert number_format.bias_for(weights) == -2
    assert np.array_equal(number_format.quantize(weights), expected)
    levels = np.unique(np.abs(number_format.code_table(-2)))
    assert levels.tolist() == [0, 0.375, 0.5, 0.75, 1, 1.5, 2, 3]


@pytest.mark.parametrize("pair", FORMATS, ids=str)
@pytest.mark.parametrize("bias", [-10, -2, 0, 3])
def test_the_code_table_is_that_of_gfloat(pair: tuple[int, int], bias: int) -> None:
    number_format = AdaptivFloat(*pair)
    assert np.array_equal(number_format.code_table(bias), gfloat_table(number_format, bias))


@pytest.mark.parametrize("pair", FORMATS, ids=str)
def test_rounding_goes_to_the_nearest_value_of_gfloat_s_table(pair: tuple[int, int]) -> None:
    number_format = AdaptivFloat(*pair)
    rng = np.random.default_rng(7)
    values = np.concatenate([rng.normal(0, 0.05, 4000), rng.uniform(-0.3, 0.3, 1000)])
    bias = number_format.bias_for(values)
    table = np.unique(gfloat_table(number_format, bias))
    distance = np.abs(values[:, None] - table[None, :])
    got = number_format.quantize(values, bias)
    assert np.isin(got, table).all()
    assert np.allclose(np.abs(values - got), distance.min(axis=1), rtol=0, atol=1e-15)


@unhurried
@given(formats, tensors)
def test_rounding_twice_changes_nothing(number_format: AdaptivFloat, x: np.ndarray) -> None:
    once = number_format.quantize(x)
    bias = number_format.bias_for(x)
    assert np.array_equal(number_format.quantize(once, bias), once)


@unhurried
@given(formats, tensors)
def test_codes_decode_to_the_rounded_values(number_format: AdaptivFloat, x: np.ndarray) -> None:
    bias = number_format.bias_for(x)
    codes = number_format.encode(x, bias)
    assert np.array_equal(number_format.decode(codes, bias), number_format.quantize(x, bias))


@unhurried
@given(formats, st.integers(-30, 30))
def test_every_code_but_minus_zero_survives_a_round_trip(
    number_format: AdaptivFloat, bias: int
) -> None:
    codes = np.arange(2**number_format.bits)
    minus_zero = 2 ** (number_format.bits - 1)
    back = number_format.encode(number_format.decode(codes, bias), bias)
    assert np.array_equal(back, np.where(codes == minus_zero, 0, codes))


@unhurried
@given(formats, tensors)
def test_rounding_is_odd_and_keeps_order(number_format: AdaptivFloat, x: np.ndarray) -> None:
    bias = number_format.bias_for(x)
    assert np.array_equal(number_format.quantize(-x, bias), -number_format.quantize(x, bias))
    assert (np.diff(number_format.quantize(np.sort(x, axis=None), bias)) >= 0).all()


@unhurried
@given(tensors, st.integers(-20, 20))
def test_a_power_of_two_moves_the_bias_and_no_code(x: np.ndarray, shift: int) -> None:
    number_format = AdaptivFloat(8, 3)
    values = x.astype(np.float64)
    if not values.any():
        return
    scaled = np.ldexp(values, shift)
    assert number_format.bias_for(scaled) == number_format.bias_for(values) + shift
    assert np.array_equal(number_format.encode(scaled), number_format.encode(values))


def test_half_the_smallest_value_rounds_up_and_anything_less_to_zero() -> None:
    number_format = AdaptivFloat(8, 3)
    smallest = 2.0**-7 * (1 + 2.0**-4)
    half = smallest / 2
    values = np.array([half, np.nextafter(half, 0), -half, np.nextafter(smallest, 0)])
    assert number_format.quantize(values, -7).tolist() == [smallest, 0, -smallest, smallest]


def test_a_tie_goes_to_the_even_mantissa() -> None:
    number_format = AdaptivFloat(8, 3)
    step = 2.0**-4
    values = np.array([1 + step / 2, 1 + 3 * step / 2, 1 + 5 * step / 2])
    assert number_format.quantize(values, -7).tolist() == [1, 1 + 2 * step, 1 + 2 * step]


def test_a_mantissa_that_rounds_up_to_two_carries_but_never_past_the_top() -> None:
    number_format = AdaptivFloat(8, 3)
    assert number_format.quantize(np.array([0.999]), -7).tolist() == [1.0]
    assert number_format.quantize(np.array([1.999, 5.0, -9.0]), -7).tolist() == [
        1.9375, 1.9375, -1.9375,
    ]  # fmt: skip


def test_a_tensor_of_zeros_has_a_bias_and_stays_zero() -> None:
    number_format = AdaptivFloat(8, 3)
    zeros = np.zeros((2, 3), dtype=np.float32)
    assert number_format.bias_for(zeros) == -7
    assert not number_format.quantize(zeros).any()
    assert number_format.bias_for(np.zeros(0)) == -7


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match="NaN or infinite"):
        AdaptivFloat(8, 3).bias_for(np.array([1.0, bad]))


def test_nan_is_refused_at_a_given_bias_too() -> None:
    values = np.array([1.0, np.nan], dtype=np.float32)
    for call in (AdaptivFloat(8, 3).quantize, AdaptivFloat(8, 3).encode):
        with pytest.raises(InputError, match="NaN"):
            call(values, -7)


@pytest.mark.parametrize("pair", [(1, 1), (17, 3), (8, 0), (8, 8), (8, 6)])
def test_impossible_formats_are_refused(pair: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="bits must be 2 to 16"):
        AdaptivFloat(*pair)


@pytest.mark.parametrize("code", [-1, 256])
def test_codes_outside_the_format_are_refused(code: int) -> None:
    with pytest.raises(InputError, match="codes must lie in 0 … 255"):
        AdaptivFloat(8, 3).decode(np.array([code]), 0)
