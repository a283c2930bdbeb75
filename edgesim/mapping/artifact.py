"""The mapper of the artifact: every op of a segment as commands that its hardware can hold.

Assumed of the software around it: results return to storage after every command, at the
addresses that their reader wants; one operand lies in each memory and stays there while
consecutive commands of one product read it and no result overwrites it; the bias of each column
is one more reduction tile (a constant one against the bias), which costs less than an ElemAdd
(more than two cycles an element) or the host; a product whose reduction no memory holds is added
up from parts by ElemAdd.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgesim.hw.artifact_limits import CommandLimits
from edgesim.hw.artifact_spec import ArtifactSpec
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.infeasible import Infeasible
from edgesim.ir.ops import Op
from edgesim.ir.optrace import OpTrace
from edgesim.ir.plan import PlannedOp, SegmentPlan
from edgesim.ir.program import OpProgram
from edgesim.mapping.artifact_commands import CommandBuilder
from edgesim.mapping.artifact_operands import Operand
from edgesim.mapping.artifact_products import ProductKey, ProductPrograms
from edgesim.mapping.artifact_segment import SegmentWriter
from edgesim.mapping.draft import Draft, draft_ops
from edgesim.mapping.placement import exchange_levers, exchange_medium
from edgesim.mapping.planner import Mapper


def mapper_for(trace: OpTrace, chip: AcceleratorSpec) -> Mapper:
    """The mapper of a chip: by commands for a released implementation, else by streams."""
    if chip.pu.schedule == "artifact" and chip.artifact is not None:
        return ArtifactMapper(trace, chip, chip.artifact)
    return Mapper(trace, chip)


class ArtifactMapper(Mapper):
    """Plans segments as command lists. Raises InfeasibleError as `Mapper` does."""

    def __init__(self, trace: OpTrace, chip: AcceleratorSpec, artifact: ArtifactSpec) -> None:
        super().__init__(trace, chip)
        self.artifact = artifact
        self._products: dict[ProductKey, ProductPrograms | None] = {}
        self._operands: dict[tuple[str, bool], Operand] = {}
        self._limits = CommandLimits(artifact, chip.pu.vector_size)

    def _plan(
        self, label: str, layer: int, ops: Sequence[Op], num_tokens: int
    ) -> SegmentPlan | Infeasible:
        allowed = self.chip.host.model_copy(update={"fallback": "host"})
        patient = self.chip.model_copy(update={"host": allowed})
        drafts = draft_ops(self.trace, patient, ops, num_tokens)
        medium = exchange_medium(self.chip)
        if isinstance(drafts, Infeasible):
            return drafts
        if medium is None:
            return Infeasible(
                f"activations of {label}: {self.chip.name} shares no writable storage with its "
                "host", 1, 0, "media", exchange_levers(),
            )  # fmt: skip
        writer = SegmentWriter(
            self.trace, self.chip, self.placement, num_tokens,
            CommandBuilder(self.artifact, self._limits, medium), self._products, self._operands,
        )  # fmt: skip
        fault = writer.write(drafts)
        if fault is not None:
            return fault
        if self.chip.host.fallback == "none" and writer.host_work():
            return self._lacks(label, writer.host_work())
        programs = tuple(writer.programs)
        return SegmentPlan(
            label, layer, num_tokens, self._planned_ops(drafts, writer), stream_slots=0,
            programs=programs,
        )  # fmt: skip

    def _lacks(self, label: str, work: Sequence[OpProgram]) -> Infeasible:
        names = ", ".join(f"{program.op} ({program.host_function})" for program in work)
        return Infeasible(
            f"{label}: {self.chip.name} without host fallback lacks: {names}", len(work), 0, "ops",
            ("host.fallback",),
        )  # fmt: skip

    def _planned_ops(self, drafts: Sequence[Draft], writer: SegmentWriter) -> tuple[PlannedOp, ...]:
        """The segment's ops with what their programs move, then those that the mapper added."""
        moved: dict[str, int] = {}
        for program in writer.programs:
            moved[program.op] = moved.get(program.op, 0) + writer.moved_bits(program)
        planned = [self._planned_op(draft, writer, moved) for draft in drafts]
        names = {op.name for op in planned}
        added = {p.op: p for p in writer.programs if p.op not in names}
        for program in added.values():
            unit = "host" if program.host_function else "sfu"
            planned.append(
                PlannedOp(
                    program.op,
                    program.kind,
                    unit,
                    1,
                    program.host_elements,
                    1,
                    moved_bits=moved[program.op],
                )
            )
        return tuple(planned)

    def _planned_op(self, draft: Draft, writer: SegmentWriter, moved: dict[str, int]) -> PlannedOp:
        op = draft.op
        weights = [self.placement.weights[n] for n in op.weights if n in self.placement.weights]
        has_matrix = bool(weights) and bool(weights[0].chunks)
        return PlannedOp(
            name=op.name, kind=op.kind, unit=draft.unit, rows=draft.rows,
            reduction=draft.reduction, columns=draft.columns, repeats=draft.repeats,
            row_blocks=(draft.rows,) if draft.unit == "pu" else (),
            medium=weights[0].medium if weights else writer.builder.medium,
            chunks=weights[0].chunks if has_matrix else (),
            parameter_bits=0 if has_matrix else sum(w.stored_bits for w in weights),
            table=getattr(op, "table", ""), fused_activation=draft.fused_activation,
            moved_bits=moved.get(op.name, 0),
        )  # fmt: skip
