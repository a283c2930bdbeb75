"""Oracle and property tests of quantities as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.ir.interval import Interval
from edgesim.ir.quantity import (
    digits_text,
    interval_text,
    percent_text,
    quantity_text,
    si_scale,
)

PREFIX_FACTORS = {"G": 1e9, "M": 1e6, "k": 1e3, "": 1.0, "m": 1e-3, "µ": 1e-6, "n": 1e-9}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, "s", "12.3 ms"),
        (4.2e-7, "J", "420 nJ"),
        (0.9999, "s", "1.00 s"),
        (0.0009996, "s", "1.00 ms"),
        (0.0, "J", "0 J"),
        (1.4, "mm²", "1.40 mm²"),
        (0.0014, "mm²", "0.00140 mm²"),
        (5.0e-5, "J·s", "50.0 µJ·s"),
        (2.56e11, "MAC/s", "256 GMAC/s"),
        (None, "mm²", "not modelled"),
    ],
)
def test_a_quantity_is_written_with_its_prefix_and_three_digits(
    value: float | None, unit: str, text: str
) -> None:
    assert quantity_text(value, unit) == text


def test_an_interval_shares_the_prefix_of_its_value() -> None:
    assert interval_text(Interval(9e-4, 8e-4, 1.2e-3), "J") == "900 [800, 1200] µJ"


def test_an_exact_interval_shows_no_range() -> None:
    assert interval_text(Interval.exact(2.0e-3), "s") == "2.00 ms"


def test_a_share_that_is_unknown_is_no_number() -> None:
    assert percent_text(None) == "n/a"
    assert percent_text(0.8936) == "89.4 %"


@given(st.floats(min_value=1e-11, max_value=9.9e11))
def test_the_scaled_number_lies_between_one_and_a_thousand(value: float) -> None:
    factor, _ = si_scale(value, "s")
    assert 0.99 < value / factor <= 1000


@given(st.floats(min_value=1e-9, max_value=9.9e11))
def test_the_text_read_back_is_the_value_to_three_digits(value: float) -> None:
    number, unit = quantity_text(value, "J").split(" ")
    if unit == "TJ":
        return
    read = float(number) * PREFIX_FACTORS[unit.removesuffix("J")]
    assert read == pytest.approx(value, rel=0.00501)


@given(st.floats(min_value=1e-3, max_value=9.9e4), st.integers(1, 6))
def test_digits_never_drop_to_an_exponent_in_the_common_range(value: float, digits: int) -> None:
    assert float(digits_text(value, digits)) == pytest.approx(value, rel=0.51 * 10 ** (1 - digits))
    assert "e" not in digits_text(value, digits)
