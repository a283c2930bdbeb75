"""The released datapath beyond its recorded vectors: references, invariants, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from twins.released_array import accumulate_by_steps

from edgesim.errors import InputError
from edgesim.functional import hls
from edgesim.functional.hls import array as hls_array
from edgesim.numerics import AdaptivFloat

ALL_CODES = np.arange(256)
ALL_WORDS = np.arange(-32768, 32768)
unhurried = settings(deadline=None)


def codes(*shape: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape)


@pytest.mark.parametrize("bias", range(8))
def test_codes_mean_what_adaptivfloat_8_3_says_at_bias_minus_ten(bias: int) -> None:
    assert np.array_equal(
        hls.decode(ALL_CODES, bias), AdaptivFloat(8, 3).decode(ALL_CODES, bias - 10)
    )


@pytest.mark.parametrize("bias", range(8))
@pytest.mark.parametrize("frac_bits", [0, 10, 12, 15])
def test_every_word_requantises_by_the_rule_written_out_in_floats(
    frac_bits: int, bias: int
) -> None:
    """Oracle: hardware.md section 6, evaluated in float64, where all of it is exact."""
    value = ALL_WORDS / 2.0**frac_bits
    exponent = np.floor(np.log2(np.where(value == 0, 1, np.abs(value))))
    rounded = np.floor(value / 2.0**exponent * 16 + 0.5) / 16 * 2.0**exponent
    power = np.frexp(rounded)[1] - 1
    overflows = power - bias + 10 > 7
    rounded = np.where(power - bias + 10 < 0, 0, rounded)
    rounded = np.where(np.abs(rounded) == 2.0 ** (bias - 10), 0, rounded)
    largest = 2.0 ** (bias - 3) * 31 / 16  # of either sign: the sign is lost
    expected = np.where(overflows & (value != 0), largest, rounded)
    got = hls.decode(hls.requantize(ALL_WORDS, frac_bits, bias), bias)
    assert np.array_equal(got, expected)


def test_all_products_are_exact_products_cut_to_sixteen_bits() -> None:
    a, b = np.meshgrid(ALL_CODES, ALL_CODES)
    exact = AdaptivFloat(8, 3).decode(a, 4) * AdaptivFloat(8, 3).decode(b, 4)
    assert np.array_equal(hls.product_int16(a, b), exact.astype(np.int64).astype(np.int16))


@pytest.mark.parametrize("k", [1, 7, 16, 33, 4096])
def test_blas_and_sixteen_bit_steps_agree_on_the_largest_operands(k: int) -> None:
    extremes = np.array([0x7F, 0xFF, 0x70, 0x01, 0x80])
    for a in extremes:
        for b in extremes:
            rows = np.full((2, k), a), np.full((3, k), b)
            assert np.array_equal(hls_array.accumulate(*rows), accumulate_by_steps(*rows))
    a, b = codes(9, k), codes(11, k, seed=6)
    got = hls_array.accumulate(a, b)
    assert np.array_equal(got, accumulate_by_steps(a, b))
    assert np.array_equal(got, hls.dot_int16(a[:, None, :], b[None, :, :]))


def test_a_product_is_its_own_write_back_of_dot_products() -> None:
    a, b = codes(8, 48), codes(5, 48, seed=6)
    dots = hls.dot_int16(a[:, None], b[None]).astype(np.int64)
    expected = hls.requantize(np.clip(np.maximum((dots >> 3) - 7, 0), -32767, 32767), 12, 2)
    assert np.array_equal(hls.matmul(a, b, 3, 2, True, True, -7), expected)


def test_large_products_equal_small_ones() -> None:
    """Above 65,536 outputs the write-back goes through a table."""
    a, b = codes(300, 8), codes(300, 8, seed=6)
    large = hls.matmul(a, b, 5, 1, True, True, -9)
    assert large.size > 65536
    assert np.array_equal(large[7:9], hls.matmul(a[7:9], b, 5, 1, True, True, -9))


def test_weight_bias_counts_only_when_enabled() -> None:
    a, b = codes(4, 16), codes(4, 16, seed=6)
    plain = hls.matmul(a, b, 4, 3, False, False, 0)
    assert np.array_equal(hls.matmul(a, b, 4, 3, False, False, 99), plain)


def test_primitives_stay_near_the_functions_they_approximate() -> None:
    """Tolerances: segments of ac_math, hardware.md section 7 (1/sqrt at most 0.8 %)."""
    inside = ALL_WORDS[ALL_WORDS < 4.15 * 1024]
    exact = np.exp(inside / 1024) * 1024
    assert np.all(np.abs(hls.exp_q6_10(inside) - exact) <= 0.005 * exact + 1)
    positive = np.arange(1, 65536)
    assert np.abs(hls.log_q6_10(positive) / 1024 - np.log(positive / 1024)).max() < 0.003
    root = 1024 / np.sqrt(positive / 1024)
    assert np.all(np.abs(hls.invsqrt_q6_10(positive) - root) <= 0.008 * root + 1)
    assert hls.log_q6_10(0) == 0
    assert hls.invsqrt_q6_10(0) == 65535


def test_words_may_be_given_signed_or_unsigned() -> None:
    for function in (hls.exp_q6_10, hls.log_q6_10, hls.invsqrt_q6_10):
        assert np.array_equal(function(ALL_WORDS), function(ALL_WORDS & 0xFFFF))


def test_layer_norm_reads_gamma_where_beta_should_be() -> None:
    x, gamma = codes(3, 64), codes(64, seed=6)
    got = hls.layernorm(x, gamma, codes(64, seed=7), 3, 2)
    assert np.array_equal(got, hls.layernorm(x, gamma, gamma, 3, 2))


def test_layer_norm_reads_gamma_s_bytes_again_under_the_register_of_beta() -> None:
    """Equal values normalise to 0, so what is left is gamma's codes under beta's register."""
    x, gamma = np.full(32, 0x55), np.arange(32) + 0x20
    for register in range(4):
        got = hls.layernorm(x, gamma, gamma, 3, 2, bias_beta=register)
        expected = hls.requantize(hls.to_fixed_q6_10(gamma, register), 10, 3)
        assert np.array_equal(got, expected)
    assert np.array_equal(
        hls.layernorm(codes(32), gamma, gamma, 3, 2, bias_beta=2),
        hls.layernorm(codes(32), gamma, gamma, 3, 2),
    )


@pytest.mark.parametrize("length", [16, 64, 128])
def test_layer_norm_of_tame_rows_is_near_float32(length: int) -> None:
    """Values of magnitude 1 and below overflow nothing; the tolerance is two code steps."""
    rng = np.random.default_rng(length)
    x = hls.quantize_float(rng.uniform(-1, 1, length), 3)
    gamma = hls.quantize_float(rng.uniform(0.5, 1, length), 2)
    value, scale = hls.decode(x, 3), hls.decode(gamma, 2)
    expected = (value - value.mean()) / value.std() * scale + scale
    got = hls.decode(hls.layernorm(x, gamma, gamma, 3, 2), 3)
    inside = np.abs(expected) < 1.9
    assert np.abs(got - expected)[inside].max() < 0.13


@pytest.mark.parametrize("function", ["layernorm", "softmax", "entropy"])
def test_rows_are_independent_of_each_other(function: str) -> None:
    x, biases = codes(6, 40), np.array([0, 2, 3, 4, 5, 7])
    one = {
        "layernorm": lambda row, bias: hls.layernorm(row, codes(40), codes(40), bias, 2),
        "softmax": lambda row, bias: hls.softmax_as_released(row, codes(40), bias, 2),
        "entropy": lambda row, bias: np.stack(hls.entropy_as_released(row, bias, 900), axis=-1),
    }[function]
    together = one(x, biases)
    for i, bias in enumerate(biases):
        assert np.array_equal(together[i], one(x[i], int(bias)))


@unhurried
@given(npst.arrays(np.int64, st.integers(1, 70), elements=st.integers(0, 255)), st.integers(0, 7))
def test_a_short_last_vector_is_one_padded_with_zero_codes(x: np.ndarray, bias: int) -> None:
    length = len(x)
    padded = np.pad(x, (0, -length % 16))
    gamma = np.full(len(padded), 0x60)
    got = hls.layernorm(x, gamma[:length], gamma[:length], bias, 2)
    assert np.array_equal(got, hls.layernorm(padded, gamma, gamma, bias, 2)[:length])
    soft = hls.softmax_as_released(x, gamma[:length], bias, 2)
    assert np.array_equal(soft, hls.softmax_as_released(padded, gamma, bias, 2)[:length])
    for short, long in zip(
        hls.entropy_as_released(x, bias, 0), hls.entropy_as_released(padded, bias, 0), strict=True
    ):
        assert short == long


def test_long_softmax_rows_take_the_logarithm_again_for_every_vector() -> None:
    """Equal zero codes: word 0, maximum 0, so the output is exp(-ln…ln(S)) by vector."""
    num_vectors = 3
    x, span = np.zeros(16 * num_vectors, dtype=int), np.full(16 * num_vectors, 0x60)
    got = hls.softmax_as_released(x, span, 3, 2)
    total = int(hls.exp_q6_10(0)) * 16 * num_vectors
    for vector in range(num_vectors):
        total = int(hls.log_q6_10(total & 0xFFFF))
        word = int(hls.exp_q6_10(-total))
        signed = word - 65536 if word > 32767 else word
        one = hls.multiply_q6_10(signed, hls.to_fixed_q6_10(0x60, 2))
        expected = hls.requantize(one, 10, 3)
        assert set(got[16 * vector : 16 * vector + 16].tolist()) == {int(expected)}


def test_entropy_at_the_threshold_exits() -> None:
    x = codes(32)
    entropy, _ = hls.entropy_as_released(x, 3, 0)
    value = int(entropy)
    assert hls.entropy_as_released(x, 3, value)[1] == 3
    assert hls.entropy_as_released(x, 3, value - 1)[1] == 2


def test_dvfs_bins_change_at_their_edges_and_not_one_before() -> None:
    edges = np.array([256, 512, 1024, 2048, 3072, 4096, 5120, 6144, 8192, 10240, 12288, 16384,
                      20480, 24576, 28672])  # fmt: skip
    assert hls.dvfs_bins(edges, 1).tolist() == list(range(1, 16))
    assert hls.dvfs_bins(edges - 1, 1).tolist() == list(range(15))
    assert hls.dvfs_bins([-32768, -1, 255 * 3 + 2, 256 * 3], [1, 1, 3, 3]).tolist() == [0, 0, 0, 1]
    assert hls.dco_index([0, 13, 14, 15]).tolist() == [0, 13, 14, 14]


def test_one_softmax_over_three_rows_reads_the_second_row_for_the_third() -> None:
    x = np.arange(1, 49).reshape(3, 16)
    passes = hls.read_by_softmax(x)
    assert np.array_equal(passes[:, :2], np.broadcast_to(x[:2], (3, 2, 16)))
    assert np.array_equal(passes[0, 2], x[1])  # maximum of the wrong row
    assert np.array_equal(passes[1, 2], x[2])  # then the counters move on
    assert np.array_equal(passes[2, 2], x[2])


def test_empty_arrays_stay_empty() -> None:
    assert hls.decode([], 3).shape == hls.exp_q6_10([]).shape == (0,)
    assert hls.matmul(np.zeros((0, 4), int), np.zeros((3, 4), int), 0, 0).shape == (0, 3)


def test_quantize_float_clamps_infinity_and_keeps_signs() -> None:
    got = hls.quantize_float([np.inf, -np.inf, -1e9, 0.0, -0.0, 1e-12], 3)
    assert got.tolist() == [0x7F, 0xFF, 0xFF, 0, 0, 0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: hls.decode([256], 0), "codes.*allowed 0 … 255"),
        (lambda: hls.decode([-1], 0), "codes.*allowed 0 … 255"),
        (lambda: hls.decode([1], 8), "bias.*allowed 0 … 7"),
        (lambda: hls.decode([1.5], 0), "whole numbers"),
        (lambda: hls.decode([1, 2], [1, 2, 3]), "shapes do not fit"),
        (lambda: hls.quantize_float([np.nan], 0), "NaN"),
        (lambda: hls.product_int16([1, 2], [1, 2, 3]), "shapes do not fit"),
        (lambda: hls.dot_int16([1, 2], [1, 2, 3]), "last axes must be equal"),
        (lambda: hls.requantize([65536], 12, 0), "allowed -32768 … 65535"),
        (lambda: hls.requantize([1], 16, 0), "frac_bits.*allowed 0 … 15"),
        (lambda: hls.matmul([[1, 2]], [[1, 2, 3]], 0, 0), r"allowed are \(m, k\) and \(n, k\)"),
        (lambda: hls.matmul([[1]], [[1]], 32, 0), "right_shift.*allowed 0 … 31"),
        (lambda: hls.matmul([[1]], [[1]], 0, 8), "accum_bias.*allowed 0 … 7"),
        (lambda: hls.matmul([[1]], [[1]], 0, 0, False, True, 128), "allowed -128 … 127"),
        (lambda: hls.elemadd([1], [2], 0, 9, 0), "bias_b.*allowed 0 … 7"),
        (lambda: hls.layernorm([1, 2], [1, 2, 3], [1, 2, 3], 0, 0), "shapes do not fit"),
        (lambda: hls.layernorm([], [], [], 0, 0), "at least one code"),
        (lambda: hls.layernorm(np.zeros(4096, int), 0, 0, 0, 0), "at most 255"),
        (lambda: hls.softmax_as_released([1], [1], 0, 0, vector_size=12), "powers of two"),
        (lambda: hls.dvfs_bins([1], 0), "scale.*allowed 1 … 255"),
    ],
)
def test_bad_input_is_refused_with_what_is_allowed(call, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=words):
        call()
