"""The chip description: frozen pydantic models that forbid unknown keys. Units are in the names."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from edgesim.hw.arithmetic_spec import ArithmeticSpec
from edgesim.hw.artifact_spec import ArtifactSpec, with_memory_sizes
from edgesim.hw.consistency import (
    OPERAND_MEMORIES,
    TENSOR_CLASSES,
    ChipParts,
    consistency_faults,
    may_be_written,
    storage_family,
)
from edgesim.hw.voltage_spec import Hertz, VoltageScalingSpec, Volts
from edgesim.hw.words import (
    REQUIRED_PROGRAMS,
    ActivationFunction,
    Movement,
    SpecialFunction,
    StorageName,
)
from edgesim.tech import known_media
from edgesim.units import parse_bytes, parse_whole

ByteCount = Annotated[int, BeforeValidator(parse_bytes), Field(gt=0, le=2**40)]
Bits = Annotated[int, BeforeValidator(lambda v: parse_whole(v, "bits")), Field(ge=8, le=4096)]
Cycles = Annotated[int, Field(ge=0, le=10**6)]

__all__ = [
    "AcceleratorSpec",
    "Chip",
    "GpuSpec",
    "HostCpuSpec",
    "chip_content",
    "storage_family",
]

VECTOR_SIZES = (2, 4, 8, 16, 32, 64)


class Section(BaseModel):
    """A part of a chip file; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ClockSpec(Section):
    """Nominal operating point of the accelerator."""

    frequency_hz: Hertz = Field(alias="frequency")
    """Clock of PU, SFU, SRAM and on-chip ports."""
    voltage_v: Volts = Field(alias="voltage")
    """Supply at that clock."""


class PuSpec(Section):
    """The vector-MAC array with its operand fetch and accumulator drain."""

    vector_size: Literal[2, 4, 8, 16, 32, 64]
    """n: lanes, vector length and memory banks; n² MACs a cycle."""
    schedule: Literal["pipelined", "artifact"]
    """`pipelined`: operand load overlaps compute; `artifact`: it does not, which takes
    `operand_tile_buffers: 1`."""
    number_format: str
    """Native format of operands."""
    accumulator_bits: Annotated[int, Field(ge=8, le=64)]
    """Width of one accumulator."""
    operand_tile_buffers: Annotated[int, Field(ge=1, le=8)]
    """n × n operand tiles that fit between fetch and MAC; 2 lets fetch overlap compute."""
    accumulator_buffers: Annotated[int, Field(ge=1, le=8)]
    """Accumulator arrays; 2 lets one drain while the next accumulates."""
    drain_vectors_per_cycle: Annotated[int, Field(ge=1, le=8)]
    """Output vectors that leave accumulator, activation unit and encoder in a cycle."""
    pipeline_fill_cycles: Cycles
    """Register stages from operand fetch to encoder, paid once per command."""
    activation_functions: tuple[ActivationFunction, ...]
    """Functions applied behind the accumulator as it drains."""
    outside_band: Literal["computed", "skipped"] = "computed"
    """Tiles of scores and context that no token pair within the head's span lies in."""


class SfuProgram(Section):
    """Work of the special function unit per row: what every pass does with each vector."""

    passes: tuple[tuple[Literal["activation", "auxiliary", "compute"], ...], ...] = Field(
        min_length=1
    )
    """Per pass, the steps on each vector: fetch an activation or auxiliary vector, or compute."""
    row_cycles: Cycles = 0
    """Cycles per row outside the passes."""
    op_cycles: Cycles = 0
    """Cycles per op outside the rows."""
    initiation_interval: Annotated[int, Field(ge=1, le=64)]
    """Published interval between states, for the schedule `fsm_ii`."""

    @property
    def activation_reads(self) -> int:
        """Activation vectors read per vector of the row, over all passes."""
        return sum(step == "activation" for steps in self.passes for step in steps)

    @property
    def auxiliary_reads(self) -> int:
        """Auxiliary vectors read per vector of the row, over all passes."""
        return sum(step == "auxiliary" for steps in self.passes for step in steps)

    @property
    def states_per_vector(self) -> int:
        """States per vector: a fetch has a request and a response, a computation one."""
        return sum(1 if step == "compute" else 2 for steps in self.passes for step in steps)


class SfuSpec(Section):
    """The special function unit: its programs, its schedule, and the data that it moves."""

    schedule: Literal["pipelined", "fsm", "fsm_ii"]
    """`pipelined`: one vector per activation read per cycle; `fsm`: executed state machines;
    `fsm_ii`: states × published initiation interval."""
    pipeline_fill_cycles: Cycles
    """Paid once per command under `pipelined`."""
    activation_fetch_cycles: Annotated[int, Field(ge=1, le=1000)]
    """Request to data of an operand-memory vector under `fsm`."""
    auxiliary_fetch_cycles: Annotated[int, Field(ge=1, le=1000)]
    """Request to data of an auxiliary vector under `fsm`."""
    overlap: Literal["none", "per_head"]
    """`per_head`: softmax of one head runs beside the products of another."""
    programs: dict[SpecialFunction, SfuProgram]
    """One program per op; an op without one falls to the host, unless every chip must have it."""
    vector_ops: tuple[Movement, ...]
    """Data movement done on chip at one vector per cycle; what is missing falls to the host."""

    @model_validator(mode="after")
    def _all_programs(self) -> SfuSpec:
        missing = [op for op in REQUIRED_PROGRAMS if op not in self.programs]
        if missing:
            wanted = f"allowed: all of {REQUIRED_PROGRAMS}"
            raise ValueError(f"programs lack {', '.join(missing)}; {wanted}")
        return self


class OperandMemorySpec(Section):
    """One of the two operand memories behind the decoders."""

    data_bytes: ByteCount = Field(alias="data")
    """Packed non-zeros, in n banks."""
    mask_bytes: ByteCount = Field(alias="mask")
    """Bitmask, one bit per element."""
    ports: Literal["1R1W", "1RW"]
    """`1R1W` in two halves lets DMA fill one half while the other is read."""


class BuffersSpec(Section):
    """On-chip SRAM."""

    operand0: OperandMemorySpec
    """Weights and second operands."""
    operand1: OperandMemorySpec
    """Activations."""
    auxiliary_bytes: ByteCount = Field(alias="auxiliary")
    """Layer-norm parameters, span masks, tables."""


class StorageSpec(Section):
    """A memory that weights, embeddings or spilled activations rest in."""

    capacity_bytes: ByteCount = Field(alias="capacity")
    """Bytes it holds."""
    port_bits: Bits = Field(alias="port")
    """Width of its port at the accelerator's clock."""
    on_chip: bool
    """Whether its energy counts as chip or off-chip memory."""
    writable: bool | None = None
    """Whether activations and reloaded weights may be written to it; None: as the technology
    tables say of the medium."""


class PlacementSpec(Section):
    """Ordered media per tensor class; what does not fit the first spills to the next."""

    embedding_weight: tuple[str, ...] = Field(min_length=1)
    encoder_weight: tuple[str, ...] = Field(min_length=1)
    offramp_weight: tuple[str, ...] = Field(min_length=1)
    activation: tuple[str, ...] = Field(min_length=1)
    """`sram` is the operand memories; a second medium takes spilled intermediates."""


class EmbeddingSpec(Section):
    """How pruned embedding rows are reached."""

    rows_per_pointer: Annotated[int, Field(ge=1, le=65536)]
    """Rows of packed data behind one pointer."""
    pointer_bits: Bits = Field(alias="pointer")
    """Bits of one lane's offset in a pointer."""


class HostSpec(Section):
    """The CPU that configures the accelerator and does what it lacks."""

    config_write_cycles: Cycles
    """Accelerator cycles per register write."""
    pu_config_writes: Cycles
    """Register writes per PU command."""
    sfu_config_writes: Cycles
    """Register writes per SFU or vector command."""
    pu_interrupt_cycles: Cycles
    """Start-register write to interrupt, beyond the op itself."""
    sfu_interrupt_cycles: Cycles
    """The same for SFU commands."""
    status_read_cycles: Cycles
    """Reading the exit status after an entropy op."""
    fallback: Literal["host", "none"]
    """`host`: ops the chip lacks run on the host; `none`: they make a trace infeasible."""
    cycles_per_element: Annotated[float, Field(gt=0, le=1e4)]
    """Host work per element of such an op, in accelerator cycles."""


class DmaSpec(Section):
    """The engine between storage and operand memories."""

    chunk_bytes: ByteCount = Field(alias="chunk")
    """Largest piece of a weight stream that is requested at once."""


class SiliconSpec(Section):
    """A test chip whose surroundings are not published: two figures fitted to its measurements.

    Both are technology entries of kind `fitted`; they hold at the operating point `fitted_at`.
    """

    copy_cycles_entry: str
    """Host cycles per 64-bit word that a transfer moves, for copies between tensor and buffer."""
    busy_power_entry: str
    """Power of the whole chip at work; replaces the energies of its parts."""
    fitted_at: ClockSpec
    """Operating point of the fit; power follows voltage and clock from there."""


class AcceleratorSpec(Section):
    """An EdgeBERT-class accelerator."""

    name: str
    kind: Literal["accelerator"]
    description: str
    clock: ClockSpec
    pu: PuSpec
    sfu: SfuSpec
    buffers: BuffersSpec
    storage: dict[StorageName, StorageSpec]
    placement: PlacementSpec
    embedding: EmbeddingSpec
    dma: DmaSpec
    host: HostSpec
    arithmetic: ArithmeticSpec | None = None
    """What values come out; without it a chip is timed only."""
    voltage_scaling: VoltageScalingSpec | None = None
    """Slower operating points; absent on a chip that runs at its clock alone."""
    artifact: ArtifactSpec | None = None
    """Present when the chip is a released implementation that is modelled to the cycle."""
    silicon: SiliconSpec | None = None
    """Present when the chip is a measured one; takes an `artifact` section."""
    assumed: tuple[str, ...] = ()
    """Assumptions of this description, printed by every report."""
    not_modelled: tuple[str, ...] = ()
    """What this description leaves out, printed by every report."""

    def can_write(self, medium: str) -> bool:
        """Whether the chip has the medium and can write it."""
        storage = self.storage.get(storage_family(medium))
        return storage is not None and may_be_written(medium, storage.writable)

    def at(self, frequency_hz: float, voltage_v: float) -> AcceleratorSpec:
        """The same chip with another clock and supply."""
        clock = ClockSpec(frequency=f"{frequency_hz} Hz", voltage=f"{voltage_v} V")
        return self.model_copy(update={"clock": clock})

    @model_validator(mode="before")
    @classmethod
    def _memory_sizes(cls, values: Any) -> Any:
        return with_memory_sizes(values)

    @model_validator(mode="after")
    def _consistent(self) -> AcceleratorSpec:
        memories = {name: getattr(self.buffers, name) for name in OPERAND_MEMORIES}
        faults = consistency_faults(
            ChipParts(
                vector_size=self.pu.vector_size,
                data_bytes={name: memory.data_bytes for name, memory in memories.items()},
                mask_bytes={name: memory.mask_bytes for name, memory in memories.items()},
                storage=list(self.storage),
                writable={
                    name: part.writable
                    for name, part in self.storage.items()
                    if part.writable is not None
                },
                placement={name: getattr(self.placement, name) for name in TENSOR_CLASSES},
                schedule=self.pu.schedule,
                operand_tile_buffers=self.pu.operand_tile_buffers,
            )
        )
        if self.artifact is not None:
            faults += self._beyond_the_released_design()
        if self.silicon is not None and self.artifact is None:
            faults.append("silicon: copies belong to transfers command by command; add artifact")
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _beyond_the_released_design(self) -> list[str]:
        """What a released chip is asked for and has no hardware or no timing for."""
        faults = []
        if self.pu.outside_band == "skipped":
            faults.append("pu.outside_band: got 'skipped'; the released array computes every tile")
        if self.sfu.vector_ops:
            faults.append(
                f"sfu.vector_ops: got {list(self.sfu.vector_ops)}; the released chip has no "
                "command that moves data: leave the list empty, the host does it"
            )
        spills = (known_media().get(medium) for medium in self.placement.activation[1:])
        pulsed = [medium.name for medium in spills if medium and medium.is_non_volatile]
        if pulsed:
            faults.append(
                f"placement.activation: got {pulsed[0]!r}; the released bus is timed against SRAM "
                "and DRAM alone"
            )
        return faults


class GpuSpec(Section):
    """A GPU by roofline and launch overhead; its figures are technology entries of its device."""

    name: str
    kind: Literal["gpu"]
    description: str
    device: str
    """Prefix of the technology entries, such as `tx2_maxn`."""
    precisions: tuple[Literal["fp32", "fp16"], ...] = Field(min_length=1)
    """Rows of the report; the first is the one compared by default."""
    assumed: tuple[str, ...] = ()
    not_modelled: tuple[str, ...] = ()


class HostCpuSpec(Section):
    """The machine at hand: the model is run on it and timed, nothing is modelled."""

    name: str
    kind: Literal["host-cpu"]
    description: str
    repeats: Annotated[int, Field(ge=3, le=10_000)]
    """Timed forward passes per sentence length; their median counts."""
    warm_up: Annotated[int, Field(ge=0, le=1000)]
    """Forward passes per length before the timed ones."""
    threads: Annotated[int, Field(ge=1, le=1024)]
    """Threads that torch may use."""
    assumed: tuple[str, ...] = ()
    not_modelled: tuple[str, ...] = ()


Chip = AcceleratorSpec | GpuSpec | HostCpuSpec
CHIP_KINDS: dict[str, type[AcceleratorSpec] | type[GpuSpec] | type[HostCpuSpec]] = {
    "accelerator": AcceleratorSpec,
    "gpu": GpuSpec,
    "host-cpu": HostCpuSpec,
}


def chip_content(chip: Chip) -> dict[str, Any]:
    """The description as plain values, for hashing and reports."""
    return chip.model_dump(mode="json", by_alias=False)
