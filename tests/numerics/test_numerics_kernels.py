"""The numba kernels of the number formats against their numpy twins."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from edgesim.numerics import AdaptivFloat, lookup, parse_format, protocol

FORMATS = [(8, 3), (8, 4), (6, 3), (5, 2), (4, 2), (4, 3), (2, 1)]


def difficult_values(number_format: AdaptivFloat, bias: int) -> np.ndarray:
    """Every code's value, the points half-way between neighbours, and their float32 neighbours."""
    table = np.unique(number_format.code_table(bias))
    exact = np.concatenate([table, (table[:-1] + table[1:]) / 2]).astype(np.float32)
    near = [np.nextafter(exact, np.float32(side)) for side in (-np.inf, np.inf)]
    noise = np.random.default_rng(3).normal(0, table.max() / 3, 4096).astype(np.float32)
    return np.concatenate([exact, *near, noise, np.float32([-0.0, 1e-38, 3e38, -3e38])])


@pytest.mark.parametrize("pair", FORMATS, ids=str)
@pytest.mark.parametrize("bias", [-20, -7, 0, 5])
def test_the_float32_kernel_equals_algorithm_1_in_float64(pair: tuple[int, int], bias: int) -> None:
    number_format = AdaptivFloat(*pair)
    values = difficult_values(number_format, bias)
    fast = number_format.quantize(values, bias)
    assert fast.dtype == np.float32
    assert np.array_equal(fast, number_format.quantize_reference(values, bias))
    assert np.array_equal(np.signbit(fast), np.signbit(values))


FLOATS = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("pair", [*FORMATS, (16, 5), (12, 3), (3, 1)], ids=str)
def test_adaptivfloat_codes_of_the_kernel_are_those_of_the_reference(
    pair: tuple[int, int], dtype: type
) -> None:
    number_format = AdaptivFloat(*pair)
    for bias in (-20, -7, 5):
        values = difficult_values(number_format, bias).astype(dtype)
        expected = number_format.encode_reference(values, bias)
        assert np.array_equal(number_format.encode(values, bias), expected)
        assert np.array_equal(
            number_format.quantize(values, bias), number_format.quantize_reference(values, bias)
        )


@pytest.mark.parametrize("dtype", FLOATS)
def test_one_bias_per_row_equals_rows_one_by_one(dtype: type) -> None:
    number_format = AdaptivFloat(8, 3)
    x = (np.random.default_rng(4).normal(size=(7, 33)) * np.logspace(-4, 4, 7)[:, None]).astype(
        dtype
    )
    biases = number_format.parameter_for(x, axis=-1)
    for i, row in enumerate(x):
        assert biases[i, 0] == number_format.bias_for(row)
        assert np.array_equal(number_format.encode(x, biases)[i], number_format.encode(row))
        assert np.array_equal(number_format.quantize(x, biases)[i], number_format.quantize(row))


@pytest.mark.parametrize("name", ["int8", "int4", "fixed<8,6>", "fixed<16,3>", "bfp<6>"])
def test_scaled_codes_of_the_kernel_are_those_of_the_reference(name: str) -> None:
    number_format = parse_format(name)
    x = np.random.default_rng(5).normal(0, 2, (9, 101)).astype(np.float32)
    ties = (np.arange(-40, 41) + 0.5) / 64
    parameter = number_format.parameter_for(x)
    for values in (x, x.astype(np.float64), ties, np.float64([-1e300, 1e300, -0.0])):
        assert np.array_equal(
            number_format.encode(values, parameter),
            number_format.encode_reference(values, parameter),
        )


@pytest.mark.parametrize("name", ["affine<8>", "affine<3>", "ternary"])
def test_other_codes_of_a_kernel_are_those_of_the_reference(name: str) -> None:
    number_format = parse_format(name)
    x = np.random.default_rng(6).normal(0.2, 2, (9, 101)).astype(np.float32)
    for axis in (None, -1):
        parameter = number_format.parameter_for(x, axis)
        for values in (x, x.astype(np.float64), np.full((9, 101), -1e300)):
            assert np.array_equal(
                number_format.encode(values, parameter),
                number_format.encode_reference(values, parameter),
            )


@pytest.mark.parametrize("name", ["int8", "int3", "fixed<8,6>", "bfp<6>"])
def test_scaled_rounding_of_the_kernel_is_that_of_the_reference(name: str) -> None:
    number_format = parse_format(name)
    x = np.random.default_rng(7).normal(0, 2, (9, 101)).astype(np.float32)
    for axis in (None, -1):
        parameter = number_format.parameter_for(x, axis)
        for values in (x, x.astype(np.float64)):
            assert np.array_equal(
                number_format.quantize(values, parameter),
                number_format.quantize_reference(values, parameter),
            )


@pytest.mark.parametrize(
    "name",
    ["posit<8,0>", "posit<8,1>", "posit<8,2>", "posit<4,0>", "posit<5,3>", "posit<11,1>",
     "float<8,4>", "float<4,3>", "float<6,2>", "float8_e4m3fn", "float8_e5m2", "bfloat16"],
)  # fmt: skip
def test_looking_values_up_equals_rounding_them_one_by_one(name: str) -> None:
    """Borders, their float32 neighbours and noise of every size, more than the table needs."""
    number_format = parse_format(name)
    table = number_format.code_table()
    table = np.unique(table[np.isfinite(table)])
    borders = np.concatenate([table, (table[1:] + table[:-1]) / 2])
    borders = np.clip(borders, -3e38, 3e38).astype(np.float32)
    near = [np.nextafter(borders, np.float32(side)) for side in (-3e38, 3e38)]
    rng = np.random.default_rng(8)
    noise = rng.integers(0, 2**32, 300_000, dtype=np.uint32).view(np.float32)
    noise = noise[np.isfinite(noise)]
    values = np.concatenate([borders, *near, noise, np.float32([0.0, -0.0])])
    assert values.size > lookup.SMALLEST_SIZE
    codes, rounded = number_format.encode(values), number_format.quantize(values)
    assert np.array_equal(codes, number_format.encode_reference(values))
    assert np.array_equal(rounded, number_format.quantize_reference(values))


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_largest_of_a_row_is_numpy_s(dtype: type) -> None:
    x = np.random.default_rng(9).normal(size=(5, 17)).astype(dtype)
    x[3, 4], x[4, 0] = np.nan, -np.inf
    got = protocol.largest(x, -1)
    assert np.array_equal(got[:3], np.abs(x).max(axis=1, keepdims=True)[:3])
    assert not np.isfinite(got[3:]).any()


def test_shape_and_strides_of_the_input_do_not_matter() -> None:
    number_format = AdaptivFloat(8, 3)
    values = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    assert np.array_equal(number_format.quantize(values.T), number_format.quantize(values).T)
    assert np.array_equal(
        number_format.quantize(values[::2, ::3], -7), number_format.quantize(values, -7)[::2, ::3]
    )


def test_the_kernel_stays_in_bounds() -> None:
    """Compiled again in a fresh process with numba's bounds checks on."""
    program = (
        "import numpy as np; from edgesim.numerics import AdaptivFloat as A\n"
        "x = np.random.default_rng(1).normal(size=1001).astype(np.float32)\n"
        "f = A(8, 3); b = f.bias_for(x)\n"
        "assert np.array_equal(f.quantize(x), f.quantize_reference(x, b))\n"
        "assert np.array_equal(f.encode(x), f.encode_reference(x, b))\n"
        "assert f.quantize(x[:0]).size == f.encode(x[:0]).size == 0\n"
        "from edgesim.numerics import Integer; i = Integer(8)\n"
        "assert np.array_equal(i.encode(x), i.encode_reference(x))\n"
    )
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
