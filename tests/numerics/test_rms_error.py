"""RMS error by format and width."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike

from edgesim.errors import InputError
from edgesim.numerics.rms_error import best_formats

CLIPPING = ("fixed_clipping", "int_clipping")
"""Families that cut the largest values off."""


def rms_error_table(
    weights: dict[str, np.ndarray] | ArrayLike, widths: tuple[int, ...] = (4, 5, 6, 7, 8)
) -> pd.DataFrame:
    """The best formats as rows: family, bits, number_format, rms_error, relative_rms_error."""
    return pd.DataFrame([vars(choice) for choice in best_formats(weights, widths)])


def heavy_tailed_weights() -> dict[str, np.ndarray]:
    """Student's t with 5 degrees of freedom: outliers like those of a transformer's matrices."""
    rng = np.random.default_rng(11)
    return {f"w{i}": (0.04 * rng.standard_t(5, (300, 200))).astype(np.float32) for i in range(3)}


def test_integers_have_the_error_of_uniform_noise() -> None:
    """Closed form: step / sqrt(12) for weights spread evenly over many steps."""
    x = np.random.default_rng(1).uniform(-1, 1, 200_000)
    table = rms_error_table(x, widths=(8,)).set_index("family")
    assert table.loc["int", "rms_error"] == pytest.approx(1 / 127 / np.sqrt(12), rel=0.01)
    assert table.loc["affine", "rms_error"] == pytest.approx(2 / 255 / np.sqrt(12), rel=0.01)
    relative = table.loc["int", "rms_error"] / np.sqrt(np.mean(x * x))
    assert table.loc["int", "relative_rms_error"] == pytest.approx(relative, rel=1e-12)


def test_values_of_a_format_have_no_error_in_it() -> None:
    x = np.random.default_rng(2).integers(-127, 128, 5000) / 64.0
    table = rms_error_table({"x": np.append(x, 127 / 64)}, widths=(8,)).set_index("family")
    assert table.loc["int", "rms_error"] == pytest.approx(0, abs=1e-15)
    assert table.loc["bfp", "rms_error"] == 0
    assert table.loc["fixed", "rms_error"] == 0
    assert table.loc["fixed_clipping", "number_format"] == "fixed<8,6>"


def test_adaptivfloat_has_the_least_error_on_weights_with_outliers_at_every_width() -> None:
    """The DAC 2020 paper's claim, among the formats that hold the largest value."""
    table = rms_error_table(heavy_tailed_weights())
    table = table[~table.family.isin(CLIPPING)]
    for _, of_width in table.groupby("bits"):
        assert of_width.sort_values("rms_error").family.iloc[0] == "adaptivfloat"


def test_one_more_bit_never_hurts() -> None:
    for _, of_family in rms_error_table(heavy_tailed_weights()).groupby("family"):
        assert (np.diff(of_family.sort_values("bits").rms_error) < 0).all()


def test_clipped_integers_never_err_more_than_whole_ones() -> None:
    table = rms_error_table(heavy_tailed_weights()).set_index(["family", "bits"]).rms_error
    assert (table["int_clipping"] <= table["int"]).all()
    assert table["int_clipping", 4] < 0.7 * table["int", 4]


def test_the_best_format_of_a_family_rounds_with_the_error_that_is_shown() -> None:
    weights = heavy_tailed_weights()
    for choice in best_formats(weights, [5]):
        square = sum(float(np.sum((choice.quantise(w) - w) ** 2.0)) for w in weights.values())
        size = sum(w.size for w in weights.values())
        assert choice.rms_error == pytest.approx(np.sqrt(square / size), rel=1e-4)


@pytest.mark.parametrize("bad", [{}, np.zeros((3, 3)), [np.nan, 1.0]])
def test_weights_without_a_number_are_refused(bad: object) -> None:
    with pytest.raises(InputError, match="empty, all zero or not numbers"):
        next(best_formats(bad))  # type: ignore[arg-type]
