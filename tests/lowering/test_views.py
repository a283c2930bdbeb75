"""Property: the bookkeeping of views agrees with numpy's own views."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.ir.size import SEQUENCE, Size
from edgesim.lowering.records import NotUnderstoodError
from edgesim.lowering.views import Value, fresh, permute, regroup, size_of, swap

S = 7
"""A prime length, so that no head count divides it by accident."""


def numbered(value: Value) -> np.ndarray:
    """Element numbers of the tensor where the value has them."""
    dims = [atom.coefficient * S**atom.power for atom in value.atoms]
    numbers = np.arange(int(np.prod(dims))).reshape(dims)
    order = [value.atoms.index(atom) for atom in chain(*value.axes)]
    shape = [int(np.prod([a.coefficient * S**a.power for a in axis])) for axis in value.axes]
    return numbers.transpose(order).reshape(shape)


@st.composite
def view_chains(draw: st.DrawFn) -> tuple[Value, np.ndarray]:
    """A tensor (1, S, a·b·c) after random splits, merges and transposes, ours and numpy's."""
    factors = draw(st.lists(st.integers(2, 4), min_size=1, max_size=3))
    width = int(np.prod(factors))
    value = fresh("x", (Size(1), SEQUENCE, Size(width)))
    array = np.arange(S * width).reshape(1, S, width)
    for _ in range(draw(st.integers(0, 4))):
        axis = draw(st.integers(0, len(value.axes) - 1))
        shape = [size_of(a) for a in value.axes]
        choice = draw(st.sampled_from(["split", "merge", "permute", "unit"]))
        if choice == "permute":
            order = draw(st.permutations(range(len(shape))))
            value, array = permute(value, order), array.transpose(order)
            continue
        if choice == "split" and not shape[axis].per_token:
            divisors = [d for d in range(1, shape[axis].fixed + 1) if shape[axis].fixed % d == 0]
            first = draw(st.sampled_from(divisors))
            new = [*shape[:axis], Size(first), Size(shape[axis].fixed // first), *shape[axis + 1 :]]
        elif choice == "merge" and axis + 1 < len(shape):
            both = shape[axis], shape[axis + 1]
            merged = both[1].times(both[0].fixed) if both[0].fixed else both[0].times(both[1].fixed)
            new = [*shape[:axis], merged, *shape[axis + 2 :]]
        else:
            new = [*shape[:axis], Size(1), *shape[axis:]]
        try:
            value = regroup(value, new)
        except NotUnderstoodError:
            continue
        array = array.reshape([size.at(S) for size in new])
    return value, array


@given(view_chains())
def test_a_chain_of_views_shows_the_same_elements_as_numpy(views: tuple[Value, np.ndarray]) -> None:
    value, array = views
    np.testing.assert_array_equal(numbered(value), array)


@given(view_chains())
def test_a_value_is_canonical_exactly_when_its_elements_are_in_order(
    views: tuple[Value, np.ndarray],
) -> None:
    value, array = views
    in_order = bool((array.ravel() == np.arange(array.size)).all())
    assert value.is_canonical == in_order


@pytest.mark.parametrize("shape", [(Size(3), Size(5)), (Size(7), SEQUENCE), (SEQUENCE,)])
def test_a_view_that_cuts_tokens_or_loses_elements_is_refused(shape: tuple[Size, ...]) -> None:
    value = swap(fresh("x", (SEQUENCE, Size(6))), 0, 1)
    with pytest.raises(NotUnderstoodError):
        regroup(value, shape)


def test_sizes_that_mix_tokens_and_numbers_are_refused() -> None:
    with pytest.raises(NotUnderstoodError, match=r"S\+1"):
        fresh("x", (Size(1, 1),))
