"""Codes, bitmask and exponent bias: exact round trips and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from safetensors.numpy import load, save

from edgesim.compress.packed import pack, unpack
from edgesim.errors import InputError
from edgesim.numerics import AdaptivFloat

FORMAT = AdaptivFloat(8, 3)
tensors = npst.arrays(
    np.float32,
    npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=7),
    elements=st.one_of(
        st.just(0.0), st.floats(-100, -(2.0**-100), width=32), st.floats(2.0**-100, 100, width=32)
    ),
)


@given(st.dictionaries(st.sampled_from(["a", "b.weight", "c.d.bias"]), tensors, max_size=3))
def test_representable_tensors_come_back_exactly(named: dict[str, np.ndarray]) -> None:
    rounded = {name: np.asarray(FORMAT.quantize(x)) for name, x in named.items()}
    content = pack(rounded, FORMAT)
    back = unpack(content, FORMAT, "w")
    assert back.keys() == rounded.keys()
    assert all(back[name].shape == rounded[name].shape for name in rounded)
    assert all(np.array_equal(back[name], rounded[name]) for name in rounded)
    assert pack(back, FORMAT) == content


def test_the_stored_size_is_one_byte_a_non_zero_and_one_bit_a_value() -> None:
    x = np.zeros((100, 80), dtype=np.float32)
    x[::4] = FORMAT.quantize(np.random.default_rng(0).normal(1, 0.1, (25, 80)).astype(np.float32))
    entries = load(pack({"w": x}, FORMAT))
    assert entries["w.codes"].nbytes == 25 * 80
    assert entries["w.mask"].nbytes == 100 * 80 // 8
    assert entries["w.shape"].tolist() == [100, 80]
    assert entries["w.exponent_bias"].tolist() == [math.floor(math.log2(x.max())) - 7]


def test_all_tensors_between_two_codes_are_named_at_once() -> None:
    good, bad = np.float32([1, 0.5]), np.float32([1, 1.03])
    with pytest.raises(InputError, match="b: 1 of 2 values") as caught:
        pack({"a": good, "b": bad, "c": bad, "d": np.float32([np.nan])}, FORMAT)
    message = str(caught.value)
    assert "c: 1 of 2 values" in message
    assert "d holds NaN" in message
    assert "a:" not in message


def test_values_at_the_edge_of_float32_are_refused() -> None:
    with pytest.raises(InputError, match="w: exponent bias -133; allowed -126 to 120"):
        pack({"w": np.float32([2.0**-126])}, FORMAT)


def test_wide_codes_are_refused() -> None:
    with pytest.raises(InputError, match="at most 8 bits"):
        pack({}, AdaptivFloat(9, 3))


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("codes", np.uint8([1, 2]), "2 codes for 3 mask bits"),
        ("codes", np.int32([1, 2, 3]), "wrong types"),
        ("mask", np.uint8([255, 255]), "mask of 2 bytes"),
        ("shape", np.int64([-3]), "mask of 1 bytes"),
        ("exponent_bias", np.int32([4000]), "exponent bias 4000"),
        ("exponent_bias", np.int32([1, 2]), "wrong types"),
        ("shape", None, "lacks shape"),
    ],
)
def test_contradicting_entries_are_refused(
    entry: str, value: np.ndarray | None, message: str
) -> None:
    entries = load(pack({"w": np.float32([1, 2, 3])}, FORMAT))
    entries.pop(f"w.{entry}")
    if value is not None:
        entries[f"w.{entry}"] = value
    with pytest.raises(InputError, match=message):
        unpack(save(entries), FORMAT, "w")


def test_a_code_outside_the_format_is_refused() -> None:
    content = pack({"w": np.float32([1, 2, 3])}, FORMAT)
    with pytest.raises(InputError, match=r"w: w: code 1\d\d is none of adaptivfloat<6,3>"):
        unpack(content, AdaptivFloat(6, 3), "w")


def test_truncated_bytes_are_refused() -> None:
    content = pack({"w": np.float32([1, 2, 3])}, FORMAT)
    for length in (0, 4, 40, len(content) - 1):
        with pytest.raises(InputError, match="not a readable safetensors file"):
            unpack(content[:length], FORMAT, "w")
