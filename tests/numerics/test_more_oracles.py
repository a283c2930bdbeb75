"""Oracle: formats that `test_formats_oracle` leaves out, and AdaptivFloat over its whole range."""

from __future__ import annotations

import numpy as np
import pytest
from gfloat import Domain, FormatInfo, decode_ndarray
from gfloat import formats as gformats

from edgesim.numerics import AdaptivFloat, parse_format

NUM_VALUES = 1_000_000
WHOLE_RANGE = [(n, e) for n in range(2, 17) for e in range(1, min(5, n - 1) + 1)]


def gfloat_adaptive(bits: int, exponent_bits: int, bias: int) -> np.ndarray:
    """Values of all codes without the zero slot, which the paper puts over the smallest one."""
    precision = bits - exponent_bits
    oracle = FormatInfo(
        name="x", k=bits, precision=precision, bias=-bias, domain=Domain.Finite, has_nz=False,
        num_high_nans=0, has_subnormals=False, is_signed=True, is_twos_complement=False,
    )  # fmt: skip
    table = decode_ndarray(oracle, np.arange(2**bits))
    table[[0, 2 ** (bits - 1)]] = 0
    return np.asarray(table)


def nearest_distance(table: np.ndarray, values: np.ndarray) -> np.ndarray:
    levels = np.unique(table)
    right = np.clip(np.searchsorted(levels, values), 1, len(levels) - 1)
    return np.minimum(np.abs(values - levels[right - 1]), np.abs(values - levels[right]))


def spread_values(table: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Normal and log-uniform values over and past the range of a table."""
    rng = np.random.default_rng(seed)
    top, low = table.max(), np.min(table[table > 0])
    half = count // 2
    wide = np.exp(rng.uniform(np.log(low / 8), np.log(top * 4), half)) * rng.choice([-1, 1], half)
    return np.concatenate([rng.normal(0, top / 3, half), wide])


def check(name: str, parameter: object, table: np.ndarray, count: int) -> None:
    number_format = parse_format(name)
    values = spread_values(table, count, len(name))
    got = number_format.quantize(values, parameter)
    assert np.isin(got, table).all()
    clamped = np.clip(values, table.min(), table.max())
    assert np.allclose(np.abs(clamped - got), nearest_distance(table, clamped), rtol=1e-12, atol=0)
    codes = number_format.encode(values, parameter)
    assert np.array_equal(number_format.decode(codes, parameter), got)


@pytest.mark.parametrize(("bits", "exponent_bits"), WHOLE_RANGE)
def test_adaptivfloat_is_gfloat_s_over_all_codes_and_goes_to_the_nearest(
    bits: int, exponent_bits: int
) -> None:
    number_format = AdaptivFloat(bits, exponent_bits)
    table = number_format.code_table(-3)
    if number_format.mantissa_bits:  # without a mantissa gfloat has no such format
        assert np.array_equal(table, gfloat_adaptive(bits, exponent_bits, -3))
    check(number_format.name, -3, table, 20_000)


@pytest.mark.parametrize("name", ["adaptivfloat<8,3>", "adaptivfloat<4,3>", "fp4_e3m0", "fp8_e4m3"])
def test_a_million_values_go_to_the_nearest_code(name: str) -> None:
    check(name, -6, parse_format(name).code_table(-6), NUM_VALUES)


def test_block_floating_point_is_gfloat_s_int8_times_the_shared_power() -> None:
    """OCP's int8 is in 64ths; its most negative code is never written."""
    table = decode_ndarray(gformats.format_info_ocp_int8, np.arange(256))
    for exponent in (-9, 0, 5):
        assert np.array_equal(parse_format("bfp<8>").code_table(exponent), table * 2.0**exponent)
    check("bfp<8>", -3, np.delete(table, 128) / 8, NUM_VALUES)
    check("bfp<5>", 2, np.arange(-15, 16) / 2.0, NUM_VALUES)


@pytest.mark.parametrize("bits", [4, 8])
def test_symmetric_integers_go_to_the_nearest_level_of_any_scale(bits: int) -> None:
    top = 2 ** (bits - 1) - 1
    check(f"int{bits}", 0.37, np.arange(-top, top + 1) * 0.37, NUM_VALUES)


def test_ternary_goes_to_the_nearest_of_its_three_levels() -> None:
    check("ternary", 0.7, np.array([-0.7, 0, 0.7]), NUM_VALUES)


def test_binary_takes_the_nearer_of_its_two_levels() -> None:
    check("binary", 0.7, np.array([-0.7, 0.7]), NUM_VALUES)


@pytest.mark.parametrize("name", ["adaptivfloat<8,3>/vector16", "bfp<8>/vector16", "int8/row"])
def test_groups_go_to_the_nearest_code_of_their_own_table(name: str) -> None:
    number_format = parse_format(name)
    x = np.random.default_rng(4).normal(size=(2500, 32)) * np.logspace(-3, 3, 2500)[:, None]
    got, parameters = number_format.quantize(x), number_format.parameter_for(x).reshape(-1)
    length = x.size // len(parameters)
    groups, rounded = x.reshape(-1, length), got.reshape(-1, length)
    for index in range(0, len(parameters), 97):
        table = number_format.code_table(parameters[index])
        if name.startswith(("bfp", "int")):
            table = np.delete(table, 128)
        clamped = np.clip(groups[index], table.min(), table.max())
        distance = nearest_distance(table, clamped)
        assert np.allclose(np.abs(rounded[index] - clamped), distance, rtol=1e-9, atol=1e-15)
