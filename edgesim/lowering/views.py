"""How the axes of a value lie over the elements of its tensor: views and head splits, no torch.

The elements of a tensor are counted by atoms (tokens, heads, width …), slowest first. A view, a
transpose or a head split only groups and orders atoms anew, so none of them becomes an op.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from edgesim.ir.size import Size
from edgesim.lowering.pointwise import Elementwise
from edgesim.lowering.records import NotUnderstoodError


@dataclass(frozen=True)
class Atom:
    """An elementary axis of `coefficient * S ** power` elements."""

    name: str
    coefficient: int
    power: int = 0

    @property
    def extent(self) -> tuple[int, int]:
        """Coefficient and power of S."""
        return self.coefficient, self.power


Axis = tuple[Atom, ...]
TOKENS = (1, 1)
"""Extent of an axis of S elements."""


def extent_of(size: Size) -> tuple[int, int]:
    """Coefficient and power of S of a size; sizes such as S+1 are not understood."""
    if size.fixed and size.per_token:
        raise NotUnderstoodError(f"a dimension of {size.to_json()} elements")
    return (size.per_token, 1) if size.per_token else (size.fixed, 0)


def extent(axis: Iterable[Atom]) -> tuple[int, int]:
    """Elements of an axis as coefficient and power of S."""
    coefficient, power = 1, 0
    for atom in axis:
        coefficient, power = coefficient * atom.coefficient, power + atom.power
    return coefficient, power


def size_of(axis: Iterable[Atom]) -> Size:
    """Elements of an axis as a size."""
    coefficient, power = extent(axis)
    if power > 1:
        raise NotUnderstoodError("an axis of S² elements")
    return Size(per_token=coefficient) if power else Size(coefficient)


@dataclass(frozen=True, eq=False)
class Value:
    """What a graph value means: a tensor seen through a view and an elementwise function."""

    tensor: str
    atoms: Axis
    """Axes of the tensor's elements, slowest first; axes of one element are left out."""
    axes: tuple[Axis, ...]
    """Atoms behind each axis of the value; empty for an axis of one element."""
    function: Elementwise | None = None
    """An elementwise function of the tensor that is no op yet; None is the identity."""
    pending: tuple[str, ...] = ()
    """Calls that made up `function`."""
    summed_over_tokens: bool = False
    poisoned: bool = False
    """Stands for the result of a call that was not understood."""

    @property
    def is_canonical(self) -> bool:
        """Whether the value's elements lie in the order of the tensor's."""
        return tuple(chain(*self.axes)) == self.atoms

    def extents(self) -> tuple[tuple[int, int], ...]:
        """Extent of every axis."""
        return tuple(extent(axis) for axis in self.axes)


def fresh(tensor: str, shape: Sequence[Size]) -> Value:
    """A new tensor seen in its own order."""
    extents = [extent_of(size) for size in shape]
    axes = tuple(
        () if (c, p) == (1, 0) else (Atom(f"axis{i}", c, p),) for i, (c, p) in enumerate(extents)
    )
    return Value(tensor, tuple(chain(*axes)), axes)


def axis_index(value: Value, dim: int) -> int:
    """A non-negative axis number."""
    count = len(value.axes)
    if not -count <= dim < count:
        raise NotUnderstoodError(f"axis {dim} of {count}")
    return dim % count


def permute(value: Value, order: Sequence[int]) -> Value:
    """The value with its axes in another order."""
    return replace(value, axes=tuple(value.axes[axis_index(value, i)] for i in order))


def swap(value: Value, first: int, second: int) -> Value:
    """The value with two axes exchanged."""
    order = list(range(len(value.axes)))
    first, second = axis_index(value, first), axis_index(value, second)
    order[first], order[second] = order[second], order[first]
    return permute(value, order)


def regroup(value: Value, shape: Sequence[Size]) -> Value:
    """The value reshaped, atoms split where a new axis ends inside one."""
    stream = list(chain(*value.axes))
    splits: dict[Atom, Axis] = {}
    axes = tuple(_take(stream, extent_of(size), splits) for size in shape)
    if stream:
        raise NotUnderstoodError("a view that leaves elements over")
    atoms = value.atoms
    while any(atom in splits for atom in atoms):
        atoms = tuple(chain(*(splits.get(atom, (atom,)) for atom in atoms)))
    return replace(value, atoms=atoms, axes=axes)


def _take(stream: list[Atom], wanted: tuple[int, int], splits: dict[Atom, Axis]) -> Axis:
    """Atoms from the front of the stream whose product is the wanted extent."""
    taken: list[Atom] = []
    coefficient, power = wanted
    while (coefficient, power) != (1, 0):
        if not stream:
            raise NotUnderstoodError("a view with more elements than its tensor")
        atom = stream.pop(0)
        if coefficient % atom.coefficient == 0 and atom.power <= power:
            coefficient, power = coefficient // atom.coefficient, power - atom.power
        elif atom.coefficient % coefficient == 0 and power <= atom.power:
            head = Atom(f"{atom.name}.0", coefficient, power)
            tail = Atom(f"{atom.name}.1", atom.coefficient // coefficient, atom.power - power)
            splits[atom] = (head, tail)
            stream.insert(0, tail)
            atom, coefficient, power = head, 1, 0
        else:
            raise NotUnderstoodError("a view that cuts across tokens or heads")
        taken.append(atom)
    return tuple(taken)


def without_units(value: Value) -> tuple[tuple[int, int], ...]:
    """Extents of the axes that have more than one element."""
    return tuple(e for e in value.extents() if e != (1, 0))
