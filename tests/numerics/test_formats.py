"""Names, parameters, groups and refusals of the number formats, and invariants they all keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgesim.errors import InputError
from edgesim.numerics import AdaptivFloat, FixedPoint, SiliconFloat, parse_format
from edgesim.numerics.formats import format_bits

NAMES = (
    "adaptivfloat<8,3>", "adaptivfloat<4,2>", "adaptivfloat<16,5>", "adaptivfloat<2,1>",
    "adaptivfloat<8,3>/row", "adaptivfloat<6,3>/vector4", "fp8_e4m3", "fp4_e3m0/vector4",
    "fixed<8,6>", "int8", "int4/row", "int2", "affine<8>", "affine<4>/vector4", "bfp<8>",
    "bfp<5>/vector4", "float<8,4>", "float<4,3>", "posit<8,1>", "posit<4,0>", "posit<16,2>",
    "binary", "binary/row", "ternary", "ternary/vector4", "float32", "float16", "bfloat16",
    "float8_e4m3fn", "float8_e5m2", "float4_e2m1fn",
)  # fmt: skip
WITHOUT_ZERO = {"binary", "binary/row"}
NOT_ODD = WITHOUT_ZERO | {"fixed<8,6>", "affine<8>", "affine<4>/vector4"}
unhurried = settings(deadline=None)
names = st.sampled_from(NAMES)
tensors = npst.arrays(
    st.sampled_from([np.float32, np.float64]),
    npst.array_shapes(max_dims=3, max_side=9),
    elements=st.floats(-65504, 65504, width=32, allow_subnormal=False),
)


@unhurried
@given(names, tensors)
def test_codes_decode_to_the_rounded_values(name: str, x: np.ndarray) -> None:
    number_format = parse_format(name)
    parameter = number_format.parameter_for(x)
    codes = number_format.encode(x, parameter)
    rounded = number_format.quantize(x, parameter)
    assert codes.shape == rounded.shape == x.shape
    assert rounded.dtype == x.dtype
    assert int(codes.max(initial=0)) < 2**number_format.bits
    decoded = number_format.decode(codes, parameter)
    assert np.array_equal(decoded.astype(x.dtype), rounded)
    assert np.array_equal(number_format.quantize(x), rounded)


@unhurried
@given(names, tensors)
def test_rounding_twice_at_one_parameter_changes_nothing(name: str, x: np.ndarray) -> None:
    number_format = parse_format(name)
    parameter = number_format.parameter_for(x)
    once = number_format.quantize(x.astype(np.float64), parameter)
    assert np.array_equal(number_format.quantize(once, parameter), once)


@unhurried
@given(names.filter(lambda name: name not in WITHOUT_ZERO), tensors)
def test_zero_stays_zero_and_signs_never_flip(name: str, x: np.ndarray) -> None:
    rounded = parse_format(name).quantize(x)
    assert not rounded[x == 0].any()
    assert (np.sign(rounded) * np.sign(x) >= 0).all()


@unhurried
@given(names.filter(lambda name: name not in NOT_ODD), tensors)
def test_rounding_is_odd(name: str, x: np.ndarray) -> None:
    number_format = parse_format(name)
    assert np.array_equal(number_format.quantize(-x), -number_format.quantize(x))


@unhurried
@given(names.filter(lambda name: "/" not in name), tensors)
def test_rounding_keeps_order(name: str, x: np.ndarray) -> None:
    assert (np.diff(parse_format(name).quantize(np.sort(x, axis=None))) >= 0).all()


@unhurried
@given(names, st.integers(0, 4))
def test_a_tensor_of_zeros_has_a_parameter_and_stays_zero(name: str, length: int) -> None:
    zeros = np.zeros((3, length), dtype=np.float32)
    number_format = parse_format(name)
    assert not number_format.quantize(zeros).any()
    assert number_format.encode(zeros).shape == (3, length)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_reads_back(name: str) -> None:
    number_format = parse_format(name)
    assert number_format.name == name
    assert parse_format(number_format.name) == number_format
    assert format_bits(name) == number_format.bits


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(name: str, bad: float) -> None:
    x = np.array([[1.0, bad, 2.0, 3.0, 4.0]])
    for call in (parse_format(name).encode, parse_format(name).quantize):
        with pytest.raises(InputError, match="NaN or infinite"):
            call(x)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("values", [np.array([[1j, 2]]), np.array([["1", "a"]]), [[None, 1.0]]])
def test_what_is_no_real_number_is_refused(name: str, values: object) -> None:
    for call in (parse_format(name).encode, parse_format(name).quantize):
        with pytest.raises(InputError, match=r"real numbers|NaN or infinite"):
            call(values)


@pytest.mark.parametrize("name", ["binary", "ternary"])
def test_the_mean_of_the_largest_float64_values_does_not_overflow(name: str) -> None:
    huge = np.array([1.5e308, -1.5e308, 1.5e308])
    assert parse_format(name).quantize(huge).tolist() == pytest.approx(huge.tolist(), rel=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_codes_outside_the_format_are_refused(name: str) -> None:
    number_format = parse_format(name)
    parameter = number_format.parameter_for(np.ones((1, 4)))
    for code in (-1, 2**number_format.bits):
        with pytest.raises(InputError, match="codes must lie in"):
            number_format.decode(np.full((1, 4), code), parameter)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("adaptivfloat<8>", "nearest is adaptivfloat"),
        ("flaot32", "nearest is float32"),
        ("int", "allowed"),
        ("posit<8,1>/row", "no parameter"),
        ("float32/row", "no parameter"),
        ("int8/vector0", "from 1 up"),
        ("int1", "allowed 2 to 16"),
        ("posit<17,1>", "bits must be 2 to 16"),
        ("float<8,8>", "exponent bits 1 to"),
        ("fixed<8,99>", "allowed ±64"),
        ("", "allowed"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest_one(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_format(name)


@pytest.mark.parametrize("name", ["posit<8,1>", "float16", "float8_e4m3fn"])
def test_codes_that_mean_no_number_are_nan_in_the_table_and_refused_in_decode(name: str) -> None:
    number_format = parse_format(name)
    codes = np.flatnonzero(np.isnan(number_format.code_table()))
    assert codes.size
    with pytest.raises(InputError, match="no number"):
        number_format.decode(codes[:1])


@pytest.mark.parametrize("name", ["adaptivfloat<8,3>", "affine<8>", "int8", "binary"])
def test_decoding_without_the_parameter_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        parse_format(name).decode(np.array([1]))


def test_each_row_and_each_vector_is_rounded_as_if_it_were_alone() -> None:
    x = np.random.default_rng(0).normal(size=(5, 2, 11)) * np.logspace(-3, 3, 11)
    for inner in ("adaptivfloat<6,3>", "int4", "affine<5>", "bfp<6>", "ternary", "fp4_e3m0"):
        alone = parse_format(inner)
        by_row, by_vector = (parse_format(inner + "/row"), parse_format(inner + "/vector4"))
        rows, vectors = by_row.quantize(x), by_vector.quantize(x)
        for index in np.ndindex(5, 2):
            assert np.array_equal(rows[index], alone.quantize(x[index]))
            for start in (0, 4):
                cut = slice(start, start + 4)
                assert np.array_equal(vectors[index][cut], alone.quantize(x[index][cut]))
            last = alone.quantize(np.append(x[index][8:], 0.0))[:3]
            assert np.array_equal(vectors[index][8:], last)


def test_stored_bits_count_every_parameter() -> None:
    shape = (6, 40)
    assert parse_format("adaptivfloat<8,3>").stored_bits(shape) == 6 * 40 * 8 + 4
    assert parse_format("adaptivfloat<8,3>/row").stored_bits(shape) == 6 * (40 * 8 + 4)
    assert parse_format("bfp<5>/vector16").stored_bits(shape) == 6 * (40 * 5 + 3 * 8)
    assert parse_format("posit<8,1>").stored_bits(shape) == 6 * 40 * 8
    assert parse_format("binary").stored_bits((0, 3)) == 32


def test_a_bias_register_clamps_the_bias_and_the_values_with_it() -> None:
    edgebert = AdaptivFloat(8, 3, bias_range=(-10, -3))
    assert edgebert.bias_for([100.0]) == -3
    assert edgebert.bias_for([1e-9]) == -10
    assert edgebert.quantize([100.0]).tolist() == [31.0]
    assert SiliconFloat(8, 4).bias_for([1e30]) == 31


def test_fixed_point_fits_its_point_to_the_largest_value() -> None:
    assert FixedPoint.fitting(8, [0.9, -0.2]).fraction_bits == 7
    assert FixedPoint.fitting(8, [1.0]).fraction_bits == 6
    assert FixedPoint.fitting(8, [100.0]).fraction_bits == 0
    assert FixedPoint.fitting(4, [0.06]).fraction_bits == 7


def test_integer_ends_are_the_extreme_values() -> None:
    x = np.array([-3.0, 1.0, 2.0])
    assert parse_format("int8").quantize(x)[0] == pytest.approx(-3.0, rel=1e-15)
    assert parse_format("int8").encode(x).tolist() == [256 - 127, 42, 85]
    assert parse_format("affine<8>").encode(x).tolist() == [0, 204, 255]


def test_binary_and_ternary_scales_are_the_papers() -> None:
    x = np.array([0.1, -0.5, 0.9, -0.05, 0.0])
    assert parse_format("binary").parameter_for(x) == pytest.approx(0.31)
    assert parse_format("binary").encode(x).tolist() == [0, 1, 0, 1, 0]
    assert parse_format("ternary").parameter_for(x) == pytest.approx(0.7)
    assert parse_format("ternary").encode(x).tolist() == [0, 3, 1, 0, 0]


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("adaptivfloat<8,3>", 2.5),
        ("adaptivfloat<8,3>", 5000),
        ("adaptivfloat<8,3>", np.zeros((3, 1), int)),
        ("fp8_e4m3", 32),
        ("int8", 0.0),
        ("int8", -1.0),
        ("int8", np.nan),
        ("int8", np.ones((3, 1))),
        ("affine<8>", 1.0),
        ("affine<8>", (1.0, 0.5)),
        ("affine<8>", (0.0, 1)),
        ("bfp<8>", 0.5),
        ("bfp<8>", 9999),
        ("ternary", np.ones((3, 1))),
    ],
)
def test_parameters_that_no_register_holds_are_refused(name: str, parameter: object) -> None:
    number_format = parse_format(name)
    with pytest.raises(InputError, match=r"allowed|no \(scale"):
        number_format.quantize(np.ones((2, 4)), parameter)
    with pytest.raises(InputError, match=r"allowed|no \(scale"):
        number_format.decode(np.ones((2, 4), int), parameter)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float16, np.int32])
def test_half_precision_and_whole_numbers_are_rounded_too(name: str, dtype: type) -> None:
    x = np.array([[3, -1, 0, 2, 1]], dtype=dtype)
    number_format = parse_format(name)
    expected = number_format.quantize(x.astype(np.float64))
    got = number_format.quantize(x)
    assert got.dtype == (dtype if dtype == np.float16 else np.float64)
    assert np.allclose(got, expected, rtol=1e-3)
