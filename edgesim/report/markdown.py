"""A report folder: report.md for people, report.json for programs, and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgesim.errors import InputError
from edgesim.files import json_text
from edgesim.ir.result import SimResult
from edgesim.markdown import inert
from edgesim.report.compare import Comparison, comparison_rows
from edgesim.report.crossover import QUESTION, ChipAgainstBaseline, crossover_section
from edgesim.report.folder import REPORT_JSON, REPORT_KIND, whole_folder
from edgesim.report.sections import (
    bottleneck_section,
    breakdown_section,
    by_line,
    header_line,
    inputs_section,
    schedule_section,
    sources_section,
    storage_section,
)
from edgesim.report.table import markdown_list, markdown_table

SCHEMA_VERSION = 1
REPORT_MARKDOWN = "report.md"
PICTURES = "## Pictures"


@dataclass(frozen=True)
class Section:
    """A section that the caller adds behind the comparison."""

    heading: str
    body: str
    """Markdown."""


@dataclass(frozen=True)
class Picture:
    """A picture in the report's folder."""

    file: str
    caption: str


def write_report(
    folder: Path, results: Sequence[SimResult], comparison: Comparison, title: str,
    sections: Sequence[Section] = (), *, against_gpu: Sequence[ChipAgainstBaseline] = (),
    gpu: str = "the GPU", reproduce: Sequence[str] = (),
) -> tuple[Path, ...]:  # fmt: skip
    """Paths of the files of a report on `results`, written whole or not at all.

    `against_gpu` answers from which n on the chip beats `gpu`, chips in ascending n; `reproduce`
    holds the commands that lead to this report. A folder that holds only an earlier report is
    replaced; InputError for one that holds anything else.
    """
    from edgesim.plot import save_pictures

    if tuple(results) != comparison.results:
        raise InputError("report: the comparison is of other results; compare the same ones")
    folder = Path(folder)
    with whole_folder(folder) as new:
        pictures = [
            Picture(path.name, caption)
            for path, caption in save_pictures(new, results, comparison.labels)
        ]
        text = report_markdown(
            comparison, title, sections, pictures, against_gpu, gpu, reproduce
        )  # fmt: skip
        names = [REPORT_MARKDOWN, REPORT_JSON, *(picture.file for picture in pictures)]
        record = report_record(comparison, title, sections, against_gpu, names)
        (new / REPORT_MARKDOWN).write_text(text, encoding="utf-8")
        encoded = json_text(record, indent=1, sort_keys=True, ensure_ascii=False)
        (new / REPORT_JSON).write_text(encoded + "\n", encoding="utf-8")
    return tuple(folder / name for name in names)


def read_report(folder: Path) -> tuple[SimResult, ...]:
    """The results in a report folder, value for value; InputError for anything else."""
    path = Path(folder) / REPORT_JSON
    try:
        record = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{path}: no readable report; name a folder of `write_report`") from None
    if not isinstance(record, dict) or record.get("kind") != REPORT_KIND:
        raise InputError(f"{path}: not a report of edgesim; name a folder of `write_report`")
    if record.get("schema_version") != SCHEMA_VERSION or not isinstance(
        record.get("results"), list
    ):
        raise InputError(
            f"{path}: report schema {record.get('schema_version')!r}, this edgesim reads "
            f"{SCHEMA_VERSION}; write the report anew"
        )
    return tuple(
        SimResult.from_json(one, f"{path}: results[{i}]") for i, one in enumerate(record["results"])
    )


def report_record(
    comparison: Comparison, title: str, sections: Sequence[Section],
    against_gpu: Sequence[ChipAgainstBaseline], names: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """The report as JSON values; `results` holds each `SimResult.to_json`."""
    return {
        "kind": REPORT_KIND,
        "schema_version": SCHEMA_VERSION,
        "edgesim_version": _version(),
        "title": title,
        "files": list(names),
        "comparison": comparison.to_json(),
        "against_gpu": [
            {"chip": chip.chip, "latency_ratio": chip.latency_ratio.to_json(),
             "energy_ratio": chip.energy_ratio.to_json()}
            for chip in against_gpu
        ],
        "sections": [{"heading": one.heading, "body": one.body} for one in sections],
        "results": [result.to_json() for result in comparison.results],
    }  # fmt: skip


def report_markdown(
    comparison: Comparison, title: str, sections: Sequence[Section],
    pictures: Sequence[Picture], against_gpu: Sequence[ChipAgainstBaseline], gpu: str,
    reproduce: Sequence[str],
) -> str:  # fmt: skip
    """The text of report.md; every section is always there, `none` where it is empty."""
    figures = [f"![{one.caption}]({one.file})\n\n*{one.caption}*" for one in pictures]
    blocks = [
        *blocks_before(comparison, title, sections, against_gpu, gpu), PICTURES, *figures,
        *blocks_behind(comparison, reproduce),
    ]  # fmt: skip
    return "\n\n".join(blocks) + "\n"


def blocks_before(
    comparison: Comparison, title: str, sections: Sequence[Section],
    against_gpu: Sequence[ChipAgainstBaseline], gpu: str,
) -> list[str]:  # fmt: skip
    """Markdown blocks of a report ahead of its pictures.

    Names, notes and sections come from files of others: links and pictures in them stay text.
    """
    results = comparison.results
    header, rows = comparison_rows(results)
    blocks = [
        f"# {title}", header_line(results),
        "Values are means over sentences; brackets hold the range that the sources allow.",
        "## Comparison", markdown_table(header, rows),
        "## Ratios", "A ratio below 1 means less than the baseline.",
        markdown_list(comparison.lines()), "**Read with**", markdown_list(comparison.caveats),
        *(text for one in sections for text in (f"## {one.heading}", one.body)),
        f"## {QUESTION}", crossover_section(against_gpu, gpu),
    ]  # fmt: skip
    return [inert(block) for block in blocks]


def blocks_behind(comparison: Comparison, reproduce: Sequence[str]) -> list[str]:
    """Markdown blocks of a report behind its pictures; links and pictures in them stay text."""
    results, labels = comparison.results, comparison.labels
    blocks = [
        "## What limits each layer", bottleneck_section(results, labels),
        "## Breakdown", breakdown_section(results, labels),
        "## Area, storage and mapping", storage_section(results, labels),
        "## Schedules of the special function unit", schedule_section(results, labels),
        *_honesty_blocks(comparison),
    ]  # fmt: skip
    commands = "\n".join(["```", *reproduce, "```"]) if reproduce else "none recorded"
    return [inert(block) for block in blocks] + [commands]


def _honesty_blocks(comparison: Comparison) -> list[str]:
    """What the figures rest on: assumed, fitted, not modelled, sources, inputs, version."""
    results, labels = comparison.results, comparison.labels
    return [
        "## Assumed", markdown_list(by_line(results, labels, lambda one: one.assumed)),
        "## Fitted", markdown_list(by_line(results, labels, lambda one: one.fitted)),
        "## Not modelled", markdown_list(by_line(results, labels, lambda one: one.not_modelled)),
        "## Sources", sources_section(results),
        "## Inputs", inputs_section(results, labels),
        "## How to reproduce", f"edgesim {_version()}",
    ]  # fmt: skip


def _version() -> str:
    try:
        return version("edgesim")
    except PackageNotFoundError:
        return "of unknown version"
