"""One result as text for a terminal."""

from __future__ import annotations

from edgesim.ir.quantity import percent_text, quantity_text
from edgesim.ir.result import SimResult, VoltageUse
from edgesim.report.compare import compare
from edgesim.report.sections import header_line


def result_text(result: SimResult) -> str:
    """Figures, each layer's limit in words, schedule range, notes, and what is not modelled."""
    blocks = [header_line([result]), compare([result]).to_text()]
    if result.voltage is not None:
        blocks.append(voltage_text(result.voltage))
    if result.bottlenecks:
        limits = [f"  {row.layer}: {row.limit}" for row in result.bottlenecks]
        blocks.append("\n".join(["limits", *limits]))
    if result.schedule_range_s:
        parts = ", ".join(
            f"{1e3 * seconds:.3g} ms {name}"
            for name, seconds in sorted(result.schedule_range_s.items(), key=lambda item: item[1])
        )
        blocks.append(f"mean latency by schedule of the special function unit: {parts}")
    if result.time_parts_s:
        blocks.append(time_parts_text(result))
    for heading, lines in (
        ("notes", result.notes),
        ("assumed", result.assumed),
        ("fitted", result.fitted),
        ("not modelled", result.not_modelled),
    ):
        blocks.append("\n".join([heading, *(f"  {line}" for line in lines or ("none",))]))
    return "\n\n".join(blocks)


def voltage_text(use: VoltageUse) -> str:
    """What following the latency target did: shares of sentences, and every operating point."""
    lines = [
        f"latency target {quantity_text(use.latency_target_s, 's')}",
        f"  behind layer 1: {percent_text(use.lowest_fraction)} of the sentences at the lowest "
        f"voltage, {percent_text(use.between_fraction)} in between, "
        f"{percent_text(use.full_speed_fraction)} at full speed; "
        f"{percent_text(use.first_layer_fraction)} left after layer 1",
        f"  missed: {percent_text(use.missed_fraction)}; planned to layer "
        f"{use.average_planned_layer:.2f} on average; left unsure at the forecast layer: "
        f"{percent_text(use.unsure_fraction)}",
        f"  voltage changes: {use.changes_per_sentence:.2f} a sentence, "
        f"{quantity_text(use.change_time_s, 's')} of its latency",
    ]
    for point in use.points:
        name = f"{point.frequency_hz / 1e6:g} MHz at {point.voltage_v:g} V"
        lines.append(
            f"  {name:<20} {percent_text(point.sentence_fraction):>6} of the sentences, "
            f"{percent_text(point.time_fraction):>6} of the time, "
            f"{percent_text(point.energy_fraction):>6} of the energy"
        )
    return "\n".join(lines)


def time_parts_text(result: SimResult) -> str:
    """Where the time of the mean sentence goes, part by part; nothing overlaps."""
    total = sum(result.time_parts_s.values())
    width = max(len(name) for name in result.time_parts_s)
    rows = [
        f"  {name:<{width}}  {quantity_text(seconds, 's'):>10}  {percent_text(seconds / total):>6}"
        for name, seconds in result.time_parts_s.items()
    ]
    return "\n".join(["where the time goes", *rows])
