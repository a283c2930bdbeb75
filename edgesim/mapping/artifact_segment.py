"""Writes one segment's ops as programs: host work where the hardware lacks something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.infeasible import Infeasible
from edgesim.ir.ops import AttentionContext, AttentionScores, Input, MatMul, Op, Relayout
from edgesim.ir.optrace import OpTrace
from edgesim.ir.program import OpProgram
from edgesim.mapping.artifact_commands import CommandBuilder, traffic_bits
from edgesim.mapping.artifact_cut import ResultUse
from edgesim.mapping.artifact_layout import HEADS, ROWS, TILES, Layouts
from edgesim.mapping.artifact_operands import Operand
from edgesim.mapping.artifact_products import ProductKey, ProductPrograms, product_programs
from edgesim.mapping.draft import Draft
from edgesim.mapping.placement import Placement
from edgesim.units import ceil_div

NO_ROOM = ("pu.vector_size", "artifact.registers", "artifact.memories.operand_rows")


@dataclass
class SegmentWriter:
    """Programs of one segment, in order; tensors and their orders in storage as it goes."""

    trace: OpTrace
    chip: AcceleratorSpec
    placement: Placement
    num_tokens: int
    builder: CommandBuilder
    products: dict[ProductKey, ProductPrograms | None]
    """Product programs by what decides them, shared by layers that share weights."""
    operands: dict[tuple[str, bool], Operand]
    """Weights counted so far, by tensor and whether the bias is with them."""
    programs: list[OpProgram] = field(default_factory=list)
    spans: tuple[int | None, ...] = ()

    def __post_init__(self) -> None:
        n = self.chip.pu.vector_size
        self.layouts = Layouts.at_entry(self.trace, self.num_tokens, n, self.builder.medium)

    def write(self, drafts: Sequence[Draft]) -> Infeasible | None:
        """Append the programs of all ops; the first bound that no cut keeps."""
        readers: dict[str, list[Op]] = {}
        for draft in drafts:
            for name in draft.op.inputs:
                readers.setdefault(name, []).append(draft.op)
        for draft in drafts:
            fault = self._write_one(draft, readers)
            if fault is not None:
                return fault
        return None

    def host_work(self) -> list[OpProgram]:
        """Programs that need the host to compute."""
        return [program for program in self.programs if program.host_function]

    def moved_bits(self, program: OpProgram) -> int:
        """Storage bits that a program moves; embedding rows are counted with the plan."""
        by_commands = traffic_bits(list(program.commands), self.chip.pu.vector_size)
        return by_commands * program.repeats + program.host_read_bits + program.host_write_bits

    def _write_one(self, draft: Draft, readers: dict[str, list[Op]]) -> Infeasible | None:
        op = draft.op
        if draft.unit == "pu":
            return self._product(draft, _turned(draft, readers), readers)
        if draft.unit == "sfu":
            return self._add(draft, readers) if op.num_inputs == 2 else self._special(draft)
        if draft.unit == "exit":
            self.programs.append(OpProgram(op.name, op.kind, decides=True))
        elif draft.unit == "host" and not isinstance(op, Input) and not self._already_turned(op):
            function = getattr(op, "function", op.kind)
            table = getattr(op, "table", "")
            first_only = getattr(op, "pooling", "") == "first"
            read = [op.output] if first_only else [*op.inputs, *op.parameters]
            self.programs.append(
                self.layouts.host(op.name, op.kind, function, read, [op.output], 1.0, table)
            )
            self.layouts.known.pop(op.output, None)
        return None

    def _already_turned(self, op: Op) -> bool:
        return isinstance(op, Relayout) and op.output in self.layouts.turned

    # products --------------------------------------------------------------------------------

    def _product(
        self, draft: Draft, turned: Op | None, readers: dict[str, list[Op]]
    ) -> Infeasible | None:
        op = draft.op
        output = turned.output if turned is not None else draft.output or op.output
        n = self.chip.pu.vector_size
        apart = _heads_apart(op, n)
        for name in op.inputs[:1] if isinstance(op, MatMul) else op.inputs:
            whole = not apart or (isinstance(op, AttentionContext) and name == op.inputs[0])
            self.programs += self.layouts.need(name, TILES if whole else HEADS)
        use = _use(readers.get(output, []), draft.repeats, self.builder)
        key = ProductKey.of(self.trace, draft, turned is not None, use)
        if key not in self.products:
            self.products[key] = product_programs(
                key, self.trace, self.placement, self.builder, self.operands
            )
        found = self.products[key]
        if found is None:
            return Infeasible(
                f"{op.name}: reduction {draft.reduction} in the memories and transfers of one "
                "command", draft.reduction, self.chip.pu.vector_size, "elements", NO_ROOM,
            )  # fmt: skip
        for commands in found.parts:
            self.programs.append(OpProgram(op.name, op.kind, commands, draft.repeats))
        for _ in found.parts[1:]:
            name = f"{op.name}, sum of parts"
            self.programs.append(OpProgram(name, "add", found.sums, draft.repeats))
        if isinstance(op, AttentionScores):
            self.spans = op.spans
        joined = not (apart and isinstance(op, AttentionContext))
        self.layouts.written(output, TILES if joined else HEADS)
        if turned is not None:
            self.layouts.turned.add(output)
        if draft.fused_activation and len(found.parts) > 1:
            self._activate(op, draft.fused_activation, output)
        return None

    def _activate(self, op: Op, function: str, tensor: str) -> None:
        """A function that no accumulator can apply, because its sum comes in parts."""
        name = f"{op.name}, {function}"
        self.programs.append(self.layouts.host(name, "activation", function, [tensor], [tensor]))
        self.layouts.known.pop(tensor, None)

    # special functions -----------------------------------------------------------------------

    def _special(self, draft: Draft) -> Infeasible | None:
        op, builder = draft.op, self.builder
        vectors = ceil_div(draft.reduction, self.chip.pu.vector_size)
        if builder.rows_per_command(op.kind, vectors) < 1:
            return Infeasible(
                f"{op.name}: a row of {draft.reduction} elements in one command", vectors,
                builder.rows_per_command(op.kind, 1), "vectors", NO_ROOM,
            )  # fmt: skip
        self.programs += self.layouts.need(op.inputs[0], ROWS)
        if op.holds_output:
            parameters = vectors * max(1, len(op.parameters))
            if self.builder.limits.transfer_rows("axi_load_aux", parameters) is None:
                return Infeasible(
                    f"{op.name}: parameters in the auxiliary memory", parameters,
                    builder.limits.most_rows("axi_load_aux"), "vectors",
                    ("artifact.memories.auxiliary_rows", "pu.vector_size"),
                )  # fmt: skip
            resting = self.placement.weights.get(op.weights[0]) if op.weights else None
            medium = resting.medium if resting is not None else builder.medium
            loads = tuple(builder.parameters(parameters, medium))
            self.programs.append(OpProgram(op.name, op.kind, loads))
        commands = tuple(builder.special(op.kind, draft.rows, vectors))
        self.programs.append(OpProgram(op.name, op.kind, commands, draft.repeats))
        self.layouts.written(op.output, ROWS)
        if op.heads == "inside":
            self._span_mask(op)
        return None

    def _span_mask(self, op: Op) -> None:
        """Spans by distance differ from row to row, which one mask for all rows cannot say."""
        limited = [s for s in self.spans if s is not None and s < self.num_tokens]
        if limited:
            share = len(limited) / len(self.spans)
            name = f"{op.name}, spans"
            self.programs.append(
                self.layouts.host(name, "span_mask", "span mask", [op.output], [op.output], share)
            )

    def _add(self, draft: Draft, readers: dict[str, list[Op]]) -> Infeasible | None:
        op, n = draft.op, self.chip.pu.vector_size
        wanted = {ROWS if r.whole_rows else TILES for r in readers.get(op.output, [])}
        first = ROWS if wanted == {ROWS} else TILES
        other = TILES if first == ROWS else ROWS
        lacking = {
            order: sum(not self.layouts.has(name, order) for name in op.inputs)
            for order in (first, other)
        }
        order = first if lacking[first] <= lacking[other] else other
        for name in op.inputs:
            self.programs += self.layouts.need(name, order)
        rows = draft.rows if order == ROWS else ceil_div(draft.rows, n) * n
        commands = tuple(self.builder.add(rows * ceil_div(draft.reduction, n)))
        self.programs.append(replace(OpProgram(op.name, op.kind, commands), repeats=draft.repeats))
        self.layouts.written(op.output, order)
        return None


def _use(readers: Sequence[Op], repeats: int, builder: CommandBuilder) -> ResultUse:
    """Who reads a product's result: products and sums as it lies, the rest behind the host."""
    vector_size = builder.limits.vector_size
    scores = [op for op in readers if isinstance(op, AttentionScores)]
    if any(op.head_size % vector_size for op in scores):
        return ResultUse()
    by_hardware = not readers or any(
        op.unit == "pu" or (op.kind in builder.artifact.commands.sequences and not op.whole_rows)
        for op in readers
    )
    return ResultUse(by_hardware, repeats == 1, scores[0].head_size // vector_size if scores else 0)


def _heads_apart(op: Op, vector_size: int) -> bool:
    """Whether heads share tiles, so that the host has to take them apart and put them together."""
    heads = isinstance(op, AttentionScores | AttentionContext)
    return heads and bool(op.head_size % vector_size)  # type: ignore[attr-defined]


def _turned(draft: Draft, readers: dict[str, list[Op]]) -> Op | None:
    """The transpose behind a product, if nothing else reads it: the operands change memories."""
    output = draft.output or draft.op.output
    mine = readers.get(output, [])
    if isinstance(draft.op, MatMul) and len(mine) == 1 and isinstance(mine[0], Relayout):
        return mine[0]
    return None
