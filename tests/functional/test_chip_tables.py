"""Tables and row operations of the sound unit against the functions that they stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from chip_cases import profile
from twins.chip_arithmetic import interpolate_plainly

from edgesim.functional.chip.rows import special_functions
from edgesim.functional.chip.tables import Table, tables_of

SPEC = profile().spec
UNIT = special_functions(SPEC)
F, G = SPEC.word.fraction_bits, SPEC.function_bits
ONE, WORD = 2.0**G, 2.0**F
TABLES = tables_of(SPEC)


def erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf)(x)


CASES = {
    "exponential": (0.0, 1.0, G, lambda x: 2.0**x, 6.0e-5),
    "logarithm": (1.0, 1.0, G, np.log2, 7.5e-5),
    "reciprocal": (1.0, 1.0, G, lambda x: 1 / x, 9.2e-5),
    "inverse_root": (1.0, 3.0, G, lambda x: x**-0.5, 5.4e-5),
    "gelu": (0.0, 8.0, F, lambda x: x * (1 - (1 + erf(x / math.sqrt(2))) / 2), 1.3e-4),
    "gelu_new": (
        0.0, 8.0, F,
        lambda x: x / 2 * (1 - np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), 1.5e-4,
    ),
    "tanh": (0.0, 8.0, F, np.tanh, 1.3e-4),
}  # fmt: skip
CURVATURE = {
    "exponential": 2 * math.log(2) ** 2, "logarithm": 1 / math.log(2), "reciprocal": 2.0,
    "inverse_root": 0.75, "gelu": math.sqrt(2 / math.pi), "gelu_new": 0.9, "tanh": 0.7699,
}  # fmt: skip
"""max|f''| over the range of each table."""


def error_bound(name: str) -> float:
    """Largest distance of a result from the function: h²/8 · max|f''| + 2^-G."""
    width = 2.0 ** -getattr(TABLES, name).segments_per_unit_log2
    return width * width / 8 * CURVATURE[name] + 2.0**-G


@pytest.mark.parametrize("name", CASES)
def test_every_input_of_a_table_lies_within_the_stated_bound(name: str) -> None:
    low, width, bits, function, stated = CASES[name]
    table: Table = getattr(TABLES, name)
    above = np.arange(int(width * 2**bits))
    error = np.abs(table.at(above, bits) / ONE - function(low + above / 2.0**bits)).max()
    assert error <= error_bound(name) <= stated
    assert error > 2.0 ** -(G + 2)  # it is a table, not the function


@pytest.mark.parametrize("name", CASES)
def test_the_kernel_of_the_tables_equals_its_twin(name: str) -> None:
    table: Table = getattr(TABLES, name)
    bits = CASES[name][2]
    above = np.concatenate([np.arange(-5, 70000, 7), [2**20, -(2**20)]]).astype(float)
    np.testing.assert_array_equal(table.at(above, bits), interpolate_plainly(table, above, bits))


def test_exponentials_of_all_differences_are_close_and_fall_to_zero() -> None:
    difference = np.arange(-(2**17), 1).astype(float)
    found = UNIT.exponential(difference) / ONE
    expected = np.exp(difference / WORD)
    assert np.abs(found - expected).max() < 1.5e-4
    assert found[0] == 0
    assert found[-1] == 1
    assert (np.diff(found) >= 0).all()


def test_softmax_is_close_to_softmax_and_sums_to_about_one() -> None:
    scores = np.rint(np.random.default_rng(0).standard_normal((50, 37)) * 3 * WORD)
    found = UNIT.softmax(scores, None) / ONE
    raised = np.exp(scores / WORD - (scores / WORD).max(axis=-1, keepdims=True))
    expected = raised / raised.sum(axis=-1, keepdims=True)
    assert np.abs(found - expected).max() < 3e-4
    assert np.abs(found.sum(axis=-1) - 1).max() < 1e-3


def test_invisible_keys_count_in_neither_maximum_nor_sum() -> None:
    scores = np.array([[512.0, 1024.0, 30000.0], [0.0, 0.0, -30000.0]])
    visible = np.array([[True, True, False]])
    alone = UNIT.softmax(scores[:, :2], None)
    found = UNIT.softmax(scores, visible)
    np.testing.assert_array_equal(found[:, :2], alone)
    assert (found[:, 2] == 0).all()
    assert (UNIT.softmax(scores, np.zeros((1, 3), dtype=bool)) == 0).all()


@pytest.mark.parametrize("labels", [2, 3, 8])
def test_entropies_are_close_and_never_negative(labels: int) -> None:
    random = np.random.default_rng(labels)
    logits = np.rint(random.standard_normal((400, labels)) * random.uniform(0, 8, (400, 1)) * WORD)
    found = UNIT.entropy(logits) / WORD
    x = logits / WORD
    raised = np.exp(x - x.max(axis=-1, keepdims=True))
    p = raised / raised.sum(axis=-1, keepdims=True)
    expected = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)
    assert np.abs(found - expected).max() < 2 / WORD
    assert (found >= 0).all()
    assert UNIT.entropy(np.zeros((1, labels)))[0] == round(math.log(labels) * WORD)


def test_rows_are_normalised_as_in_float64() -> None:
    random = np.random.default_rng(1)
    for width, spread in ((384, 1.0), (768, 6.0), (24, 0.05), (7, 3.0)):
        x = np.rint((random.standard_normal((20, width)) * spread + random.uniform(-2, 2)) * WORD)
        found = UNIT.normalise(x, 1e-12) / ONE
        expected = (x - x.mean(axis=-1, keepdims=True)) / x.std(axis=-1, keepdims=True)
        assert np.abs(found - expected).max() < 5e-4 * np.abs(expected).max()


def test_a_row_of_equal_words_is_normalised_to_zeros() -> None:
    assert (UNIT.normalise(np.full((2, 16), 12345.0), 1e-12) == 0).all()
    assert (UNIT.normalise(np.zeros((2, 16)), 1e-5) == 0).all()


def test_a_large_epsilon_takes_part() -> None:
    x = np.array([[-WORD, WORD]])
    np.testing.assert_allclose(UNIT.normalise(x, 3.0)[0] / ONE, [-0.5, 0.5], atol=1e-4)


def test_means_leave_padding_out() -> None:
    x = np.array([[[100.0], [200.0], [9999.0]], [[1.0], [2.0], [3.0]]])
    present = np.array([[True, True, False], [True, True, True]])
    means = UNIT.mean(x, present)[:, 0, 0] / 2.0 ** (G - F)
    np.testing.assert_array_equal(means, [150, 2])


@pytest.mark.parametrize("function", ["gelu", "gelu_new", "tanh"])
def test_activations_of_every_word_are_close(function: str) -> None:
    word = np.arange(-(2**15) + 1, 2**15).astype(float)
    x = word / WORD
    expected = {
        "gelu": x * (1 + erf(x / math.sqrt(2))) / 2, "tanh": np.tanh(x),
        "gelu_new": x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    }[function]  # fmt: skip
    assert np.abs(UNIT.activate(function, word) / ONE - expected).max() < 1.5e-4
