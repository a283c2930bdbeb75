"""Oracle: every recorded execution of the released SystemC, row by row and bit by bit."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from edgesim.functional import hls

VECTORS = Path(__file__).parents[1] / "data" / "systemc_vectors"


def columns(name: str) -> dict[str, np.ndarray]:
    """The columns of one file of vectors as float64 arrays, empty cells as NaN."""
    with gzip.open(VECTORS / f"{name}.csv.gz", "rt", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    table = np.array([[float(cell or "nan") for cell in row] for row in rows])
    return {name: table[:, i] for i, name in enumerate(header)}


def whole(table: dict[str, np.ndarray], name: str) -> np.ndarray:
    return table[name].astype(np.int64)


def block(table: dict[str, np.ndarray], prefix: str) -> np.ndarray:
    """All columns `prefix` + number, side by side: (rows, columns)."""
    names = [name for name in table if name.removeprefix(prefix).split("(")[0].isdigit()]
    return np.stack([whole(table, name) for name in names if name.startswith(prefix)], axis=1)


def test_all_codes_at_all_biases_decode_to_the_recorded_values() -> None:
    table = columns("adpfloat_decode")
    code, bias = whole(table, "code"), whole(table, "bias")
    assert len(code) == 256 * 8
    printed = [float(f"{value:.10g}") for value in hls.decode(code, bias)]
    assert printed == table["value"].tolist()  # the file holds ten significant digits
    assert np.array_equal(hls.to_fixed_q6_10(code, bias), whole(table, "to_fixed16_frac10"))


def test_floats_become_the_recorded_codes() -> None:
    table = columns("adpfloat_quantize_float")
    bias = whole(table, "bias")
    got = hls.quantize_float(table["value"], bias)
    assert np.array_equal(got, whole(table, "code"))
    assert np.allclose(hls.decode(got, bias), table["decoded"], rtol=1e-8, atol=0)


@pytest.mark.parametrize("frac_bits", [10, 12])
def test_fixed_point_words_become_the_recorded_codes(frac_bits: int) -> None:
    table = columns("adpfloat_from_fixed")
    bias = whole(table, "bias")
    got = hls.requantize(whole(table, "int16"), frac_bits, bias)
    assert np.array_equal(got, whole(table, f"code_frac{frac_bits}"))
    decoded = table[f"decoded_frac{frac_bits}"]
    assert np.allclose(hls.decode(got, bias), decoded, rtol=1e-8, atol=0)


def test_products_wrap_as_recorded() -> None:
    table = columns("adpfloat_mul16")
    got = hls.product_int16(whole(table, "code_a"), whole(table, "code_b"))
    assert np.array_equal(got, whole(table, "product_int16"))
    exact = whole(table, "exact_product_times_256_2^-expoff")
    assert np.array_equal(got != exact, whole(table, "wrapped") == 1)


def test_dot_products_and_their_write_back_are_as_recorded() -> None:
    table = columns("adpfloat_mac16")
    dots = hls.dot_int16(block(table, "a"), block(table, "b"))
    assert np.array_equal(dots, whole(table, "dot16_int16"))
    shifted = dots.astype(np.int64) >> whole(table, "writeback_shift")
    codes = hls.requantize(np.clip(shifted, -32767, 32767), 12, whole(table, "bias"))
    assert np.array_equal(codes, whole(table, "code"))


@pytest.mark.parametrize(
    ("file", "function", "given", "expected"),
    [
        ("sfu_exp", hls.exp_q6_10, "in_int16_q6.10", "out_uint16_q6.10"),
        ("sfu_log", hls.log_q6_10, "in_uint16_q6.10", "out_int16_q6.10_raw"),
        ("sfu_invsqrt", hls.invsqrt_q6_10, "in_uint16_q6.10", "out_uint16_q6.10"),
    ],
)
def test_primitives_give_the_recorded_words(file, function, given, expected) -> None:  # type: ignore[no-untyped-def]
    table = columns(file)
    assert np.array_equal(function(whole(table, given)), whole(table, expected))


def test_q6_10_products_are_as_recorded() -> None:
    table = columns("emul_q6_10")
    got = hls.multiply_q6_10(whole(table, "a"), whole(table, "b"))
    assert np.array_equal(got, whole(table, "out"))


def test_whole_accelerator_matrix_products_are_as_recorded() -> None:
    table = columns("matmul_system")
    left, right = block(table, "a_k"), block(table, "b_k")
    assert left.shape == right.shape == (1328, 32)
    names = ("right_shift", "adf_accum_bias", "relu", "is_bias", "weight_bias")
    settings = np.stack([whole(table, name) for name in names], axis=1)
    for setting in np.unique(settings, axis=0):
        rows = (settings == setting).all(axis=1)
        shift, accum_bias, relu, is_bias, weight_bias = setting.tolist()
        arguments = (shift, accum_bias, bool(relu), bool(is_bias), weight_bias)
        got = np.diagonal(hls.matmul(left[rows], right[rows], *arguments))
        assert np.array_equal(got, whole(table, "y")[rows])


def test_whole_accelerator_additions_are_as_recorded() -> None:
    table = columns("elemadd_system")
    names = ("a", "b", "adpbias_a", "adpbias_b", "adpbias_out")
    got = hls.elemadd(*(whole(table, name) for name in names))
    assert np.array_equal(got, whole(table, "y"))


def test_whole_accelerator_layer_norms_are_as_recorded() -> None:
    table = columns("layernorm_system")
    gamma = block(table, "gamma_and_beta")
    got = hls.layernorm(
        block(table, "x"), gamma, gamma, whole(table, "adpbias"), whole(table, "adpbias_gamma")
    )
    assert np.array_equal(got, block(table, "y"))


def test_softmax_as_released_is_as_recorded() -> None:
    table = columns("softmax_as_is_system")
    got = hls.softmax_as_released(
        block(table, "x"), block(table, "span"),
        whole(table, "adpbias"), whole(table, "adpbias_span"),
    )  # fmt: skip
    assert np.array_equal(got, block(table, "y"))


def test_entropy_status_and_bins_as_released_are_as_recorded() -> None:
    table = columns("entropy_dvfs_as_is")
    entropy, status = hls.entropy_as_released(
        block(table, "x"), whole(table, "adpbias"), whole(table, "threshold")
    )
    assert np.array_equal(entropy, whole(table, "model_entropy_int16"))
    assert np.array_equal(status, whole(table, "hw_status(3=exit,2=continue)"))
    bins = hls.dvfs_bins(entropy, whole(table, "enpy_scale"))
    assert np.array_equal(bins, whole(table, "hw_ldo_idx"))
    assert np.array_equal(hls.dco_index(bins), whole(table, "hw_dco_idx"))


def test_no_file_of_vectors_is_left_out() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    for path in VECTORS.glob("*.csv.gz"):
        assert f'"{path.name.removesuffix(".csv.gz")}"' in source
