"""The numba kernels of the number formats against their numpy twins."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from edgesim.numerics import AdaptivFloat, parse_format

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
