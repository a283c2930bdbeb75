"""Unit strings: what is accepted, what is refused, and that nothing is rounded on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.errors import InputError
from edgesim.units import (
    ceil_div,
    parse_bytes,
    parse_quantity,
    parse_whole,
    period_ticks,
    whole_number,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [("128 KiB", 131072), ("128 kB", 128000), ("2MiB", 2097152), ("1.5 KiB", 1536), ("7 B", 7)],
)
def test_binary_and_decimal_prefixes_differ(text: str, value: int) -> None:
    assert parse_bytes(text) == value


def test_kilobyte_with_a_capital_k_is_refused_and_both_readings_are_offered() -> None:
    with pytest.raises(InputError, match=r"KiB \(1024\) or kB \(1000\)"):
        parse_bytes("128 KB")


@pytest.mark.parametrize("bad", ["128", 128, None, "KiB", "1 KiB 2", "nan B", "inf B", "1e999 B"])
def test_numbers_without_unit_and_numbers_beyond_all_numbers_are_refused(bad: object) -> None:
    with pytest.raises(InputError):
        parse_bytes(bad)


def test_parts_of_a_byte_or_bit_are_refused_instead_of_cut_off() -> None:
    with pytest.raises(InputError, match="no whole number of bytes"):
        parse_bytes("1.3 B")
    with pytest.raises(InputError, match="no whole number of bits"):
        parse_whole("64.5 bit", "bits")


def test_a_unit_of_another_dimension_names_the_allowed_ones() -> None:
    with pytest.raises(InputError, match="Hz, kHz, MHz, GHz"):
        parse_quantity("3 KiB", "hertz")


@given(st.integers(0, 10**18), st.integers(1, 10**9))
def test_division_rounds_up_without_floats(numerator: int, denominator: int) -> None:
    quotient = ceil_div(numerator, denominator)
    assert (quotient - 1) * denominator < numerator <= quotient * denominator


def test_a_gigahertz_is_a_thousand_ticks() -> None:
    assert period_ticks(1e9) == 1000
    assert period_ticks(0.7e9) == 1429


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("12", 12), ("007", 7), ("9223372036854775807", 2**63 - 1), ("0" * 5000 + "1", 1)],
)
def test_ascii_digits_are_a_whole_number(text: str, value: int) -> None:
    assert whole_number(text) == value


@pytest.mark.parametrize(
    "text",
    ["", " 1", "-1", "+1", "1.0", "1e3", "1_0", "²", "٣", "１", "Ⅳ", "1\n", "9223372036854775808",
     str(10**30), "9" * 5000],
)  # fmt: skip
def test_other_digits_signs_and_what_64_bits_cannot_hold_are_none(text: str) -> None:
    assert whole_number(text) is None
