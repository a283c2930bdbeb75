"""Oracle: every recorded execution of the released SystemC, row by row and bit by bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgesim.functional import hls
from edgesim.validation.executed_rows import Vectors
from edgesim.validation.vectors import REPLAYS


def test_all_codes_at_all_biases_decode_to_the_recorded_values() -> None:
    table = Vectors.read("adpfloat_decode")
    code, bias = table.whole("code"), table.whole("bias")
    assert len(code) == 256 * 8
    printed = [float(f"{value:.10g}") for value in hls.decode(code, bias)]
    assert printed == table["value"].tolist()  # the file holds ten significant digits
    assert np.array_equal(hls.to_fixed_q6_10(code, bias), table.whole("to_fixed16_frac10"))


def test_floats_become_the_recorded_codes() -> None:
    table = Vectors.read("adpfloat_quantize_float")
    bias = table.whole("bias")
    got = hls.quantize_float(table["value"], bias)
    assert np.array_equal(got, table.whole("code"))
    assert np.allclose(hls.decode(got, bias), table["decoded"], rtol=1e-8, atol=0)


@pytest.mark.parametrize("frac_bits", [10, 12])
def test_fixed_point_words_become_the_recorded_codes(frac_bits: int) -> None:
    table = Vectors.read("adpfloat_from_fixed")
    bias = table.whole("bias")
    got = hls.requantize(table.whole("int16"), frac_bits, bias)
    assert np.array_equal(got, table.whole(f"code_frac{frac_bits}"))
    decoded = table[f"decoded_frac{frac_bits}"]
    assert np.allclose(hls.decode(got, bias), decoded, rtol=1e-8, atol=0)


def test_products_wrap_as_recorded() -> None:
    table = Vectors.read("adpfloat_mul16")
    got = hls.product_int16(table.whole("code_a"), table.whole("code_b"))
    assert np.array_equal(got, table.whole("product_int16"))
    exact = table.whole("exact_product_times_256_2^-expoff")
    assert np.array_equal(got != exact, table.whole("wrapped") == 1)


def test_dot_products_and_their_write_back_are_as_recorded() -> None:
    table = Vectors.read("adpfloat_mac16")
    dots = hls.dot_int16(table.block("a"), table.block("b"))
    assert np.array_equal(dots, table.whole("dot16_int16"))
    shifted = dots.astype(np.int64) >> table.whole("writeback_shift")
    codes = hls.requantize(np.clip(shifted, -32767, 32767), 12, table.whole("bias"))
    assert np.array_equal(codes, table.whole("code"))


@pytest.mark.parametrize(
    ("file", "function", "given", "expected"),
    [
        ("sfu_exp", hls.exp_q6_10, "in_int16_q6.10", "out_uint16_q6.10"),
        ("sfu_log", hls.log_q6_10, "in_uint16_q6.10", "out_int16_q6.10_raw"),
        ("sfu_invsqrt", hls.invsqrt_q6_10, "in_uint16_q6.10", "out_uint16_q6.10"),
    ],
)
def test_primitives_give_the_recorded_words(file, function, given, expected) -> None:  # type: ignore[no-untyped-def]
    table = Vectors.read(file)
    assert np.array_equal(function(table.whole(given)), table.whole(expected))


def test_q6_10_products_are_as_recorded() -> None:
    table = Vectors.read("emul_q6_10")
    got = hls.multiply_q6_10(table.whole("a"), table.whole("b"))
    assert np.array_equal(got, table.whole("out"))


def test_whole_accelerator_matrix_products_are_as_recorded() -> None:
    table = Vectors.read("matmul_system")
    left, right = table.block("a_k"), table.block("b_k")
    assert left.shape == right.shape == (1328, 32)
    names = ("right_shift", "adf_accum_bias", "relu", "is_bias", "weight_bias")
    settings = np.stack([table.whole(name) for name in names], axis=1)
    for setting in np.unique(settings, axis=0):
        rows = (settings == setting).all(axis=1)
        shift, accum_bias, relu, is_bias, weight_bias = setting.tolist()
        arguments = (shift, accum_bias, bool(relu), bool(is_bias), weight_bias)
        got = np.diagonal(hls.matmul(left[rows], right[rows], *arguments))
        assert np.array_equal(got, table.whole("y")[rows])


def test_whole_accelerator_additions_are_as_recorded() -> None:
    table = Vectors.read("elemadd_system")
    names = ("a", "b", "adpbias_a", "adpbias_b", "adpbias_out")
    got = hls.elemadd(*(table.whole(name) for name in names))
    assert np.array_equal(got, table.whole("y"))


def test_whole_accelerator_layer_norms_are_as_recorded() -> None:
    table = Vectors.read("layernorm_system")
    gamma = table.block("gamma_and_beta")
    got = hls.layernorm(
        table.block("x"), gamma, gamma, table.whole("adpbias"), table.whole("adpbias_gamma")
    )
    assert np.array_equal(got, table.block("y"))


def test_softmax_as_released_is_as_recorded() -> None:
    table = Vectors.read("softmax_as_is_system")
    got = hls.softmax_as_released(
        table.block("x"), table.block("span"),
        table.whole("adpbias"), table.whole("adpbias_span"),
    )  # fmt: skip
    assert np.array_equal(got, table.block("y"))


def test_entropy_status_and_bins_as_released_are_as_recorded() -> None:
    table = Vectors.read("entropy_dvfs_as_is")
    entropy, status = hls.entropy_as_released(
        table.block("x"), table.whole("adpbias"), table.whole("threshold")
    )
    assert np.array_equal(entropy, table.whole("model_entropy_int16"))
    assert np.array_equal(status, table.whole("hw_status(3=exit,2=continue)"))
    bins = hls.dvfs_bins(entropy, table.whole("enpy_scale"))
    assert np.array_equal(bins, table.whole("hw_ldo_idx"))
    assert np.array_equal(hls.dco_index(bins), table.whole("hw_dco_idx"))


def test_no_file_of_vectors_is_left_out() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    for name in REPLAYS:
        assert f'"{name}"' in source
