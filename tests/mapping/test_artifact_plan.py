"""Command lists of the artifact: what fits, what is cut how, what the host takes over."""

from __future__ import annotations

import dataclasses
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_traces import BertShape, bert_like, toy_chip

from edgesim.errors import InfeasibleError
from edgesim.hw.artifact_limits import CommandLimits
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.plan import SegmentPlan
from edgesim.ir.program import Command
from edgesim.mapping.artifact import ArtifactMapper, mapper_for
from edgesim.mapping.artifact_commands import CommandBuilder, Side, traffic_bits
from edgesim.mapping.artifact_cut import ProductCut, ResultUse, find_cut
from edgesim.mapping.artifact_operands import Operand, activation_operand, weight_operand
from edgesim.mapping.planner import Mapper
from edgesim.sim.op_cycles import op_cycles

SMALL = BertShape(width=64, heads=2, hidden=160, layers=1, density=0.5)
ANY_USE = ResultUse()


def hls(**overrides: object) -> AcceleratorSpec:
    return toy_chip("edgebert-hls", {k.replace("__", "."): v for k, v in overrides.items()})


def builder(chip: AcceleratorSpec) -> CommandBuilder:
    assert chip.artifact is not None
    return CommandBuilder.of(chip, chip.artifact, "lpddr4")


def random_weight(columns: int, reduction: int, density: float, n: int) -> Operand:
    mask = np.random.default_rng(columns * 7919 + reduction).random((columns, reduction)) < density
    return weight_operand(mask, n, with_bias=True)


def layer(trace_shape: BertShape, chip: AcceleratorSpec, num_tokens: int) -> SegmentPlan:
    return mapper_for(bert_like(trace_shape), chip).layer(1, num_tokens)


def host_names(plan: SegmentPlan) -> dict[str, str]:
    return {p.op: p.host_function for p in plan.programs if p.host_function}


def test_only_a_released_implementation_is_mapped_by_commands() -> None:
    trace = bert_like(SMALL)
    assert isinstance(mapper_for(trace, hls()), ArtifactMapper)
    assert type(mapper_for(trace, toy_chip())) is Mapper


# what fits ---------------------------------------------------------------------------------------


def test_limits_are_those_of_the_registers_at_16_lanes() -> None:
    """12-bit beats in whole bursts of 256 leave 15 bursts a load; 3-bit bursts leave 8 a store."""
    limits = builder(hls()).limits
    assert limits.most_rows("axi_load_input") == 15 * 256 // 2
    assert limits.most_rows("axi_store_input") == 8 * 256 // 2
    assert limits.most_rows("axi_load_mask") == 4096
    assert limits.transfer_rows("axi_load_input", 128) == 128
    assert limits.transfer_rows("axi_load_input", 129) == 256
    assert limits.second_operand_vector == 255


def test_results_begin_behind_the_operand_or_not_at_all() -> None:
    """The base is a mask index and a data byte address of 12 bits: at most 255 rows before it."""
    limits = builder(hls()).limits
    assert limits.result_base(255, 255, 16) == 4080
    assert limits.result_base(255, 255, 17) is None
    assert limits.result_base(256, 256, 16) is None
    assert limits.result_base(3000, 100, 1096) == 3000
    assert limits.result_base(3000, 100, 1097) is None


class Memories:
    """A test's own bookkeeping of what lies in both operand memories."""

    def __init__(self, limits: CommandLimits, most_rows: dict[int, int], in_place: bool) -> None:
        self.limits = limits
        self.most_rows = most_rows
        self.in_place = in_place
        self.vectors: dict[int, int] = {}
        self.rows: dict[int, int] = {}
        self.covered = 0

    def play(self, command: Command) -> None:
        n = self.limits.vector_size
        if command.start == "axi_load_input":
            assert self.limits.most_rows(command.start) >= command.sizes[0]
            self.rows[command.memory] = command.sizes[0]
        elif command.start == "axi_load_mask":
            assert command.memory in self.rows
            self.vectors[command.memory] = command.sizes[0]
        elif command.start == "matmul":
            rows, depth, columns = command.sizes
            assert self.vectors[1] >= rows * depth * n
            assert self.vectors[0] >= columns * depth * n
            assert max(self.vectors.values()) <= 4096
            self.used = (columns * depth * n, rows * depth * n)
            self._write(command.memory, rows, columns)
            self.covered += rows * columns * depth
        else:
            assert command.start.startswith("axi_store")

    def _write(self, memory: int, rows: int, columns: int) -> None:
        """Behind the operand, else over it if each of its vectors is read once."""
        outputs = rows * columns * self.limits.vector_size
        if self.in_place:
            assert (columns if memory == 1 else rows) == 1
            del self.vectors[memory], self.rows[memory]
            return
        depth = self.used[memory]
        assert self.limits.result_base(depth, self.most_rows[memory], outputs) is not None


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([4, 8, 16, 32]), st.integers(1, 140), st.integers(1, 800), st.integers(1, 300),
    st.sampled_from([0.02, 0.3, 1.0]), st.booleans(),
)  # fmt: skip
def test_the_commands_of_a_product_cover_it_once_and_all_fit(
    n: int, rows: int, reduction: int, columns: int, density: float, by_hardware: bool
) -> None:
    chip = hls(pu__vector_size=n)
    build = builder(chip)
    left = Side(activation_operand(rows, reduction, n, 1.0, 0.0, True), "lpddr4", rows)
    right = Side(random_weight(columns, reduction, density, n), "lpddr4", columns)
    cut = find_cut(left.operand, right.operand, build.limits, ResultUse(by_hardware))
    if cut is None:
        longest = build.limits.most_rows("axi_load_input")
        assert left.operand.reduction_tiles * n > min(longest, 255 * n)
        return
    commands = build.product(left, right, cut, 1.0)
    most = {
        1: int(left.operand.block_rows(cut.row_tiles).max()),
        0: int(right.operand.block_rows(cut.column_tiles).max()),
    }
    memories = Memories(build.limits, most, cut.in_place)
    for command in commands:
        memories.play(command)
        if command.start == "matmul":
            m, k, columns_ = (size * n for size in command.sizes)
            assert op_cycles("matmul", {"m": m, "k": k, "n": columns_}, chip) > 0
        else:
            assert op_cycles(command.start, {"m": command.sizes[0]}, chip) > 0
    whole = left.operand.tiles * right.operand.tiles * left.operand.reduction_tiles
    assert memories.covered == whole
    stored = sum(c.sizes[0] for c in commands if c.start == "axi_store_mask")
    assert stored >= left.operand.tiles * right.operand.tiles * n
    assert traffic_bits(commands, n) == cut.traffic_bits


@pytest.mark.parametrize(
    ("rows", "reduction", "columns", "density"),
    [(128, 64, 128, 1.0), (128, 128, 64, 1.0), (64, 256, 96, 0.1), (128, 512, 128, 0.4)],
)
def test_no_other_cut_that_fits_moves_fewer_bits(
    rows: int, reduction: int, columns: int, density: float
) -> None:
    """Brute force over every block size, memory and order, traffic counted on the commands."""
    build = builder(hls())
    left = Side(activation_operand(rows, reduction, 16, 1.0, 0.0, True), "lpddr4", rows)
    right = Side(random_weight(columns, reduction, density, 16), "lpddr4", columns)
    chosen = find_cut(left.operand, right.operand, build.limits, ANY_USE)
    assert chosen is not None
    fitting = []
    sizes = product(range(1, left.operand.tiles + 1), range(1, right.operand.tiles + 1))
    for (row_tiles, column_tiles), memory, outside in product(sizes, (0, 1), (True, False)):
        in_place = placed(
            build.limits, left.operand, right.operand, row_tiles, column_tiles, memory
        )
        if in_place is not None:
            cut = ProductCut(row_tiles, column_tiles, memory, in_place, outside, 0, 0)
            fitting.append(traffic_bits(build.product(left, right, cut, 1.0), 16))
    assert chosen.traffic_bits == min(fitting)
    assert len(fitting) > 10


def placed(
    limits: CommandLimits, left: Operand, right: Operand, row_tiles: int, column_tiles: int,
    memory: int,
) -> bool | None:  # fmt: skip
    """Whether results go over their operand; None where the blocks or results do not fit."""
    depth = left.reduction_tiles * 16
    own, other = (right, row_tiles) if memory == 0 else (left, column_tiles)
    size = column_tiles if memory == 0 else row_tiles
    stored = (int(left.block_rows(row_tiles).max()), int(right.block_rows(column_tiles).max()))
    outputs = row_tiles * column_tiles * 16
    if max(row_tiles, column_tiles) * depth > 4096 or max(stored) > 1920 or outputs > 1024:
        return None
    base = limits.result_base(size * depth, int(own.block_rows(size).max()), outputs)
    if base is not None:
        return False
    return True if other == 1 and own.leaves_room_behind() else None


def test_scores_and_context_of_one_head_move_every_operand_once() -> None:
    """64 or 128 vectors of the right operand leave results room behind them."""
    chip = hls()
    plan = layer(BertShape(width=128, heads=2, hidden=128, layers=1), chip, 128)
    for kind, left, right in (("attention_scores", 512, 512), ("attention_context", 1024, 512)):
        (program,) = [p for p in plan.programs if p.kind == kind]
        loaded = {
            memory: sum(c.sizes[0] for c in program.commands
                        if c.start == "axi_load_mask" and c.memory == memory)
            for memory in (0, 1)
        }  # fmt: skip
        assert loaded == {1: left, 0: right}
        assert program.repeats == 2


def test_a_reduction_that_no_load_holds_is_added_up_from_parts() -> None:
    """3,072 + 16 elements of 16 rows are 3,088 stored rows; a load moves 1,920."""
    shape = BertShape(width=64, heads=2, hidden=3072, layers=1, density=0.5)
    plan = layer(shape, hls(), 16)
    parts = [p for p in plan.programs if p.op == "layer1.down"]
    sums = [p for p in plan.programs if p.op == "layer1.down, sum of parts"]
    depths = [next(c.sizes[1] for c in p.commands if c.start == "matmul") for p in parts]
    assert sum(depths) == 193
    assert len(parts) == 2
    assert len(sums) == 1
    assert sums[0].kind == "add"


def test_the_bias_of_each_column_is_one_more_reduction_tile() -> None:
    plan = layer(SMALL, hls(), 16)
    depth = {
        p.op: next(c.sizes[1] for c in p.commands if c.start == "matmul")
        for p in plan.programs if p.kind in ("matmul", "attention_scores")
    }  # fmt: skip
    assert depth["layer1.q"] == 64 // 16 + 1
    assert depth["layer1.scores"] == 32 // 16


# what the host takes over ------------------------------------------------------------------------


def test_the_host_changes_order_between_products_and_special_functions_only() -> None:
    names = host_names(layer(SMALL, hls(), 48))
    assert names == {
        "embed.norm.out as tiles": "relayout",
        "layer1.scores.out as rows": "relayout",
        "layer1.softmax.out as tiles": "relayout",
        "layer1.add1.out as rows": "relayout",
        "layer1.norm1.out as tiles": "relayout",
        "layer1.bend": "gelu",
        "layer1.add2.out as rows": "relayout",
    }


def test_a_row_of_one_vector_needs_no_other_order() -> None:
    """hardware.md, section 13: a product feeds the special functions only where N0 = n."""
    names = host_names(layer(SMALL, hls(), 16))
    assert "layer1.scores.out as rows" not in names
    assert "layer1.softmax.out as tiles" not in names
    assert "layer1.add1.out as rows" in names


def test_a_transpose_behind_a_product_is_a_change_of_memories() -> None:
    plan = layer(SMALL, hls(), 48)
    (value,) = [p for p in plan.programs if p.op == "layer1.v"]
    assert "layer1.turn" not in host_names(plan)
    rows = max(c.sizes[0] for c in value.commands if c.start == "matmul")
    assert all(c.sizes[2] <= 3 for c in value.commands if c.start == "matmul")
    assert rows >= 1


def test_heads_that_share_tiles_are_taken_apart_by_the_host() -> None:
    shape = dataclasses.replace(SMALL, width=48)
    names = host_names(layer(shape, hls(), 32))
    assert {"layer1.q.out as heads", "layer1.k.out as heads", "layer1.vt as heads",
            "layer1.context.out as tiles"} <= set(names)  # fmt: skip


def test_relu_needs_no_host() -> None:
    names = host_names(layer(dataclasses.replace(SMALL, activation="relu"), hls(), 32))
    assert set(names.values()) == {"relayout"}


def test_spans_by_distance_are_the_hosts_and_cost_their_share_of_heads() -> None:
    trace = bert_like(SMALL)
    ops = tuple(
        dataclasses.replace(op, spans=(8, None)) if op.kind == "attention_scores" else op  # type: ignore[call-arg]
        for op in trace.layers[0].ops
    )
    trace = dataclasses.replace(trace, layers=(dataclasses.replace(trace.layers[0], ops=ops),))
    plan = mapper_for(trace, hls()).layer(1, 32)
    (masked,) = [p for p in plan.programs if p.host_function == "span mask"]
    assert masked.host_elements == 32 * 32


def test_without_a_host_all_that_is_lacking_is_named() -> None:
    chip = hls(host__fallback="none")
    mapper = mapper_for(bert_like(SMALL), chip)
    with pytest.raises(InfeasibleError, match=r"layer1\.bend \(gelu\).*host\.fallback") as caught:
        mapper.layer(1, 48)
    for name in ("layer1.scores.out as rows (relayout)", "layer1.softmax.out as tiles (relayout)"):
        assert name in str(caught.value)
    with pytest.raises(InfeasibleError, match=r"embed\.token \(embedding\)"):
        mapper.embedding(48, None)
    with pytest.raises(InfeasibleError, match=r"ramp1\.pool \(pool\)"):
        mapper.ramp(1, 48)


@pytest.mark.parametrize(
    ("width", "tokens", "words"),
    [(64, 512, r"layer1\.softmax: a row of 512 elements"), (300, 8, "norm.*auxiliary memory")],
)
def test_rows_that_no_register_counts_are_infeasible(width: int, tokens: int, words: str) -> None:
    chip = hls(pu__vector_size=2)
    shape = BertShape(width=width, heads=2, hidden=64, layers=1)
    with pytest.raises(InfeasibleError, match=words):
        mapper_for(bert_like(shape), chip).layer(1, tokens)
