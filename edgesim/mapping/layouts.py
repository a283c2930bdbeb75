"""Stored layout of every weight of a tensor class: blocks, scan order and lanes of a chip.

Products scan a weight matrix by column tiles: for each tile of n reduction elements, one vector per
output column. A block is a chunk of the weight stream. Tables are scanned row by row in placement
order; a block is the rows behind one pointer. Vectors of parameters rest dense.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.ops import Embedding, MatMul
from edgesim.ir.optrace import OpTrace
from edgesim.ir.packed_layout import PackedLayout
from edgesim.mapping.placement import row_order, tensor_bits
from edgesim.mapping.stored import weight_chunks, weight_tiles
from edgesim.units import ceil_div

WEIGHT_CLASSES = ("embedding_weight", "encoder_weight", "offramp_weight")


def stored_layouts(
    trace: OpTrace, chip: AcceleratorSpec, tensor_class: str
) -> tuple[PackedLayout, ...]:
    """Layouts of all weights of a class, by name; InputError where there are none."""
    if tensor_class not in WEIGHT_CLASSES:
        raise InputError(f"tensor class {tensor_class!r}; allowed: {', '.join(WEIGHT_CLASSES)}")
    names = sorted(n for n, t in trace.tensors.items() if t.tensor_class == tensor_class)
    if not names:
        raise InputError(f"{trace.name} has no {tensor_class}")
    tables = {op.table: op for op in trace.all_ops() if isinstance(op, Embedding)}
    products = {op.weight: op for op in trace.all_ops() if isinstance(op, MatMul)}
    layouts = []
    for name in names:
        if name in tables:
            layouts.append(_table_layout(trace, chip, name, tables[name].index))
        elif len(trace.tensors[name].shape) == 2:
            layouts.append(_matrix_layout(trace, chip, name, products[name].bias))
        else:
            layouts.append(dense_layout(name, trace.tensors[name].dims(0), chip.pu.vector_size))
    return tuple(layouts)


def _matrix_layout(
    trace: OpTrace, chip: AcceleratorSpec, name: str, bias: str | None
) -> PackedLayout:
    n = chip.pu.vector_size
    bias_bits = 0 if bias is None else tensor_bits(trace, chip, bias)
    chunks = weight_chunks(
        weight_tiles(trace, name, n), tensor_bits(trace, chip, name), bias_bits,
        chip.dma.chunk_bytes * 8,
    )  # fmt: skip
    columns, reduction = trace.tensors[name].dims(0)
    tiles_of_chunk = np.array([chunk.column_tiles for chunk in chunks])
    return matrix_layout(name, columns, reduction, n, tiles_of_chunk)


def matrix_layout(
    name: str, columns: int, reduction: int, vector_size: int, tiles_of_chunk: NDArray[np.int64]
) -> PackedLayout:
    """A product's weights (columns, reduction), in blocks of so many column tiles each."""
    n = vector_size
    tiles, steps = ceil_div(columns, n), ceil_div(reduction, n)
    index = np.full((tiles * n, steps * n), -1, dtype=np.int32)
    index[:columns, :reduction] = np.arange(columns * reduction, dtype=np.int32).reshape(
        columns, reduction
    )
    scanned = index.reshape(tiles, n, steps, n).transpose(0, 2, 1, 3).reshape(-1, n)
    starts = np.concatenate([[0], np.cumsum(tiles_of_chunk)]) * (steps * n)
    return PackedLayout(name, (columns, reduction), np.ascontiguousarray(scanned), starts)


def _table_layout(trace: OpTrace, chip: AcceleratorSpec, name: str, index: str) -> PackedLayout:
    rows, width = trace.tensors[name].dims(0)
    order = row_order(trace, name, index)
    return table_layout(
        name, rows, width, chip.pu.vector_size, order, chip.embedding.rows_per_pointer
    )


def table_layout(
    name: str, rows: int, width: int, vector_size: int, order: NDArray[np.int64],
    rows_per_block: int,
) -> PackedLayout:  # fmt: skip
    """An embedding table (rows, width) with its rows in placement order."""
    vectors = ceil_div(width, vector_size)
    index = np.full((rows, vectors * vector_size), -1, dtype=np.int32)
    index[:, :width] = (order[:, None] * width + np.arange(width)).astype(np.int32)
    starts = np.minimum(np.arange(0, rows + rows_per_block, rows_per_block), rows) * vectors
    return PackedLayout(name, (rows, width), index.reshape(-1, vector_size), starts)


def dense_layout(name: str, shape: tuple[int, ...], vector_size: int) -> PackedLayout:
    """A vector of parameters as rows of codes without a mask."""
    size = int(np.prod(shape))
    index = np.full(ceil_div(size, vector_size) * vector_size, -1, dtype=np.int32)
    index[:size] = np.arange(size)
    element_of = index.reshape(-1, vector_size)
    starts = np.array([0, len(element_of)])
    return PackedLayout(name, shape, element_of, starts, masked=False)
