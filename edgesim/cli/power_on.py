"""The command that compares embeddings at rest with embeddings fetched from DRAM at power-on."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from edgesim.cli.output import json_option, say, write_json
from edgesim.cli.request import MODEL_HELP, RunOptions, asked_chip, sentence_options

if TYPE_CHECKING:
    from edgesim.pipeline.power_on import PowerOn

PAPER_TIME_RATIO, PAPER_ENERGY_RATIO = 50, 66_000
"""EdgeBERT (MICRO 2021), recalled, not seen."""


def add_power_on(commands: Any) -> None:
    parser = commands.add_parser(
        "power-on", help="embeddings at rest in ReRAM against a fetch from DRAM"
    )
    parser.add_argument("target", metavar="TRACE|MODEL", help=f"a trace file, {MODEL_HELP}")
    parser.add_argument("--chip", default="edgebert-n16", metavar="NAME|FILE.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="path=value", dest="settings")
    sentence_options(parser)
    parser.add_argument("--pad-to", type=int, metavar="N", help="tokens of the first sentence")
    parser.add_argument("--medium", default="reram_mlc2", help="non-volatile: reram_mlc2, …")
    parser.add_argument("--against", default="lpddr4", help="a DRAM: lpddr4, …")
    parser.add_argument("--sram", default="2 MiB", metavar="SIZE", help="holds the fetched table")
    json_option(parser)
    parser.set_defaults(run=_power_on)


def _power_on(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.opening import accelerator_only
    from edgesim.pipeline.power_on import power_on
    from edgesim.units import parse_bytes

    trace, _, workload = RunOptions(chosen).source()
    chip = accelerator_only(asked_chip(chosen.chip, chosen.settings))
    found = power_on(
        trace, chip, workload=workload, pad_to=chosen.pad_to, medium=chosen.medium,
        against=chosen.against, sram_bytes=parse_bytes(chosen.sram),
    )  # fmt: skip
    say(chosen, "\n".join(_lines(found)))
    write_json(chosen, found.to_json())


def _beside(ratio: float, paper: float) -> str:
    """The ratio beside the paper's."""
    from edgesim.ir.quantity import digits_text

    if ratio >= paper:
        return f"above the paper's {paper:,} (recalled) by a factor {digits_text(ratio / paper)}"
    return f"a factor {digits_text(paper / ratio)} short of the paper's {paper:,} (recalled)"


def _lines(found: PowerOn) -> list[str]:
    from edgesim.ir.quantity import digits_text, interval_text, quantity_text
    from edgesim.pipeline.power_on import CASES

    lines = [
        f"{found.model} on {found.chip}: tables of {found.table_bytes:,.0f} bytes; first sentence "
        f"{found.num_rows} rows, {found.row_bytes:,.0f} bytes; SRAM of "
        f"{found.sram_bytes / 2**20:g} MiB behind DRAM"
    ]
    for row in found.rows:
        lines += ["", f"case {row.case}: {CASES[row.case]}; {row.start} start of DRAM"]
        for path in (row.non_volatile, row.dram):
            lines.append(
                f"  {path.name}: {interval_text(path.time_s, 's')}, "
                f"{interval_text(path.energy_j, 'J')}"
            )
            lines += [
                f"    {term.name:<32} {quantity_text(term.time_s.value, 's'):>10} "
                f"{quantity_text(term.energy_j.value, 'J'):>10}"
                for term in path.terms
            ]
        lines.append("  terms of DRAM by size, ratio of energy and time so far:")
        lines += [
            f"    {name:<32} {digits_text(energy):>10} {digits_text(time):>10}"
            for name, energy, time in row.cumulative()
        ]
        lines.append(
            f"  ratio: time {interval_text(row.time_ratio, '')}, "
            f"{_beside(row.time_ratio.value, PAPER_TIME_RATIO)}; energy "
            f"{interval_text(row.energy_ratio, '')}, "
            f"{_beside(row.energy_ratio.value, PAPER_ENERGY_RATIO)}"
        )
    lines += ["", "rows of the first sentence, by port and read energy:"]
    lines += [
        f"  {port.port_bits:>5} bit  {port.read_energy_pj_per_bit:>7.4g} pJ/bit  "
        f"{quantity_text(port.time_s, 's'):>10}  {quantity_text(port.energy_j, 'J'):>10}"
        for port in found.ports
    ]
    return lines
