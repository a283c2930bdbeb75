"""Oracle: every format against code tables written by others, over all codes and many values."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import torch
from gfloat import Domain, FormatInfo, decode_float
from gfloat import formats as gformats

from edgesim.numerics import AdaptivFloat, NumberFormat, parse_format

NUM_VALUES = 1_000_000


def info(bits: int, precision: int, bias: int, **changed: object) -> FormatInfo:
    fixed: dict[str, object] = {
        "name": "x", "k": bits, "precision": precision, "bias": bias, "domain": Domain.Finite,
        "has_nz": True, "num_high_nans": 0, "has_subnormals": True, "is_signed": True,
        "is_twos_complement": False,
    }  # fmt: skip
    return FormatInfo(**(fixed | changed))  # type: ignore[arg-type]


def gfloat_table(oracle: FormatInfo) -> np.ndarray:
    """Values of all codes, NaN for infinities and NaN."""
    table = np.array([decode_float(oracle, code).fval for code in range(2**oracle.k)])
    return np.where(np.isfinite(table), table, np.nan)


def adaptive(bits: int, exponent_bits: int, bias: int) -> FormatInfo:
    precision = bits - exponent_bits
    return info(bits, precision, -bias, has_subnormals=False)


CASES: list[tuple[str, object, FormatInfo]] = [
    ("adaptivfloat<8,3>", -9, adaptive(8, 3, -9)),
    ("adaptivfloat<7,2>", -4, adaptive(7, 2, -4)),
    ("adaptivfloat<6,3>", -9, adaptive(6, 3, -9)),
    ("adaptivfloat<4,2>", -5, adaptive(4, 2, -5)),
    ("adaptivfloat<12,5>", -30, adaptive(12, 5, -30)),
    ("fp8_e4m3", -17, adaptive(8, 4, -17)),
    ("float<8,4>", None, info(8, 4, 7)),
    ("float<6,3>", None, info(6, 3, 3)),
    ("float<4,2>", None, info(4, 2, 1)),
    ("float8_e4m3fn", None, gformats.format_info_ocp_e4m3),
    ("float8_e5m2", None, gformats.format_info_ocp_e5m2),
    ("float4_e2m1fn", None, gformats.format_info_ocp_e2m1),
    ("float16", None, gformats.format_info_binary16),
    ("bfloat16", None, gformats.format_info_bfloat16),
]
IDS = [name for name, _, _ in CASES]


def nearest(table: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Distance of each value to the nearest one of the table, by bisection."""
    levels = np.unique(table[np.isfinite(table)])
    right = np.clip(np.searchsorted(levels, values), 1, len(levels) - 1)
    return np.minimum(np.abs(values - levels[right - 1]), np.abs(values - levels[right]))


def many_values(table: np.ndarray, seed: int) -> np.ndarray:
    """A million values, normal and log-uniform, over and past the range of the table."""
    rng = np.random.default_rng(seed)
    top = np.nanmax(table)
    low = np.nanmin(table[table > 0])
    half = NUM_VALUES // 2
    wide = np.exp(rng.uniform(np.log(low / 8), np.log(top * 4), half)) * rng.choice([-1, 1], half)
    values = np.concatenate([rng.normal(0, min(top, 1e30) / 3, half), wide])
    return np.clip(values, -3e38, 3e38)


@pytest.mark.parametrize(("name", "parameter", "oracle"), CASES, ids=IDS)
def test_all_codes_mean_what_gfloat_says(name: str, parameter: object, oracle: FormatInfo) -> None:
    table = parse_format(name).code_table(parameter)
    assert np.array_equal(table, gfloat_table(oracle), equal_nan=True)


@pytest.mark.parametrize(("name", "parameter", "oracle"), CASES, ids=IDS)
def test_a_million_values_go_to_the_nearest_of_gfloat_s(
    name: str, parameter: object, oracle: FormatInfo
) -> None:
    number_format, table = parse_format(name), gfloat_table(oracle)
    values = many_values(table, 1)
    got = number_format.quantize(values, parameter)
    assert np.isin(got, table[np.isfinite(table)]).all()
    clamped = np.clip(values, np.nanmin(table), np.nanmax(table))
    assert np.allclose(np.abs(clamped - got), nearest(table, clamped), rtol=1e-12, atol=0)
    codes = number_format.encode(values, parameter)
    assert np.array_equal(number_format.decode(codes, parameter), got)


def test_fp4_e3m0_holds_zero_and_seven_powers_of_two_of_either_sign() -> None:
    """gfloat drops its zero without a mantissa; the paper's zero slot is the smallest power."""
    table = parse_format("fp4_e3m0").code_table(-5)
    assert table.tolist() == [0, *(2.0**e for e in range(-4, 3)),
                              0, *(-(2.0**e) for e in range(-4, 3))]  # fmt: skip


@pytest.mark.parametrize(("bits", "fraction_bits"), [(8, 6), (8, -2), (5, 4), (4, 0), (16, 10)])
def test_fixed_point_is_two_s_complement_over_a_power_of_two(bits: int, fraction_bits: int) -> None:
    number_format = parse_format(f"fixed<{bits},{fraction_bits}>")
    levels = np.arange(2**bits)
    levels[2 ** (bits - 1) :] -= 2**bits
    assert np.array_equal(number_format.code_table(), levels / 2.0**fraction_bits)
    values = np.random.default_rng(2).normal(0, levels.max() / 2.0**fraction_bits, NUM_VALUES)
    got = number_format.quantize(values)
    clamped = np.clip(values, levels.min() / 2.0**fraction_bits, levels.max() / 2.0**fraction_bits)
    distance = nearest(number_format.code_table(), clamped)
    assert np.allclose(np.abs(got - clamped), distance, rtol=0, atol=1e-12)


def test_int8_codes_are_gfloat_s_int8_times_the_scale() -> None:
    scale = 64.0  # OCP's int8 is in 64ths
    table = gfloat_table(gformats.format_info_ocp_int8)
    assert np.array_equal(parse_format("int8").code_table(1 / scale), table)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("symmetric", [True, False])
def test_integers_round_as_torch_rounds(bits: int, symmetric: bool) -> None:
    """torch computes in float32, so the scale is a power of two and both are exact."""
    values = np.random.default_rng(3).normal(0, 0.3, NUM_VALUES).astype(np.float32)
    scale, zero = 2.0 ** (1 - bits), 0 if symmetric else 2 ** (bits - 1) - 3
    low, high = (1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1) if symmetric else (0, 2**bits - 1)
    expected = torch.fake_quantize_per_tensor_affine(
        torch.from_numpy(values), scale, zero, low, high
    )
    number_format = parse_format(f"int{bits}" if symmetric else f"affine<{bits}>")
    got = number_format.quantize(values, scale if symmetric else (scale, zero))
    assert np.array_equal(got, expected.numpy())


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("float16", np.float16),
        ("bfloat16", ml_dtypes.bfloat16),
        ("float8_e4m3fn", ml_dtypes.float8_e4m3fn),
        ("float8_e5m2", ml_dtypes.float8_e5m2),
        ("float4_e2m1fn", ml_dtypes.float4_e2m1fn),
    ],
)
def test_standard_types_have_the_bits_that_ml_dtypes_gives_them(name: str, dtype: type) -> None:
    number_format = parse_format(name)
    table = number_format.code_table()
    values = many_values(table, 4).astype(np.float32)
    values = values[np.abs(values) <= np.nanmax(table)]
    ties = table[np.isfinite(table)]
    ties = ((ties[1:] + ties[:-1]) / 2).astype(np.float32)
    values = np.concatenate([values, ties[np.abs(ties) > 0]])
    theirs = values.astype(dtype)
    bits = theirs.view(np.uint16 if number_format.bits == 16 else np.uint8)
    expected = np.where(theirs.astype(np.float32) == 0, 0, bits)  # no minus zero here
    assert np.array_equal(number_format.encode(values), expected)
    assert np.array_equal(number_format.quantize(values), theirs.astype(np.float32))


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "float16", "bfloat16"])
def test_standard_types_round_as_torch_casts(name: str) -> None:
    number_format = parse_format(name)
    values = many_values(number_format.code_table(), 5).astype(np.float32)
    values = values[np.abs(values) <= np.nanmax(number_format.code_table())]
    cast = torch.from_numpy(values).to(getattr(torch, name)).to(torch.float32)
    assert np.array_equal(number_format.quantize(values), cast.numpy())


def test_float32_codes_are_the_bit_patterns() -> None:
    values = np.random.default_rng(6).normal(size=1000).astype(np.float32)
    values = np.concatenate([values, np.float32([1e-45, 3.4e38, -1e-40, 0])])
    number_format = parse_format("float32")
    assert np.array_equal(number_format.encode(values), values.view(np.uint32))
    assert np.array_equal(number_format.decode(values.view(np.uint32)), values)


def test_every_adaptivfloat_of_the_range_has_the_table_of_its_definition() -> None:
    """n 2 … 16, e 1 … 5: (1 + m/2^M)·2^(e + bias), code by code in plain Python integers."""
    for bits in range(2, 17):
        for exponent_bits in range(1, min(5, bits - 1) + 1):
            number_format = AdaptivFloat(bits, exponent_bits)
            m, sign = bits - exponent_bits - 1, 1 << (bits - 1)
            codes = np.unique(np.linspace(1, sign - 1, 50).astype(int))
            expected = [((1 << m) + c % (1 << m)) * 2.0 ** ((c >> m) - 3 - m) for c in codes]
            assert number_format.decode(codes, -3).tolist() == expected
            assert (-number_format.decode(codes + sign, -3)).tolist() == expected
            assert number_format.decode([0, sign], -3).tolist() == [0, 0]


def _posit_by_hand(bits: int, exponent_size: int, code: int) -> float:
    """The value of a positive code, bit by bit (Posit Standard 2022, section 3)."""
    rest = [code >> i & 1 for i in range(bits - 2, -1, -1)]
    first = rest[0]
    run = 0
    while rest and rest[0] == first:
        rest.pop(0)
        run += 1
    rest = rest[1:]
    regime = run - 1 if first else -run
    exponent = 0
    for _ in range(exponent_size):
        exponent = 2 * exponent + (rest.pop(0) if rest else 0)
    value, weight = 1.0, 0.5
    for bit in rest:
        value, weight = value + bit * weight, weight / 2
    return float(value * 2.0 ** (regime * 2**exponent_size + exponent))


@pytest.mark.parametrize(("bits", "size"), [(4, 0), (5, 1), (8, 0), (8, 1), (8, 2), (10, 2)])
def test_posits_decode_by_the_standard_and_negate_by_two_s_complement(bits: int, size: int) -> None:
    table = parse_format(f"posit<{bits},{size}>").code_table()
    for code in range(1, 2 ** (bits - 1)):
        assert table[code] == _posit_by_hand(bits, size, code)
        assert table[2**bits - code] == -table[code]
    assert table[0] == 0
    assert np.isnan(table[2 ** (bits - 1)])


@pytest.mark.parametrize(("bits", "size"), [(4, 0), (6, 1), (8, 1), (8, 2)])
def test_posits_round_at_the_posit_of_one_more_bit_with_ties_to_even(bits: int, size: int) -> None:
    number_format = parse_format(f"posit<{bits},{size}>")
    table = number_format.code_table()
    for code in range(1, 2 ** (bits - 1) - 1):
        border = _posit_by_hand(bits + 1, size, 2 * code + 1)
        even = code if code % 2 == 0 else code + 1
        below, above = np.nextafter(border, 0), np.nextafter(border, np.inf)
        got = number_format.encode(np.array([below, border, above, -border]))
        assert got.tolist() == [code, even, code + 1, 2**bits - even]
    tiny, huge = np.array([1e-30, -1e-30]), np.array([1e30, -1e30])
    assert number_format.quantize(tiny).tolist() == [table[1], -table[1]]
    top = table[2 ** (bits - 1) - 1]
    assert number_format.quantize(huge).tolist() == [top, -top]


def test_posits_with_fraction_bits_round_to_the_nearest_value() -> None:
    number_format = parse_format("posit<8,1>")
    table = number_format.code_table()
    values = np.random.default_rng(8).uniform(2.0**-4, 2.0**4, NUM_VALUES)
    got = number_format.quantize(values)
    assert np.allclose(np.abs(got - values), nearest(table, values), rtol=1e-12, atol=0)


def test_protocol_is_kept_by_every_format() -> None:
    for name in ("adaptivfloat<8,3>", "int8/row", "posit<8,1>", "binary", "float16"):
        number_format: NumberFormat = parse_format(name)
        assert parse_format(number_format.name) == number_format
