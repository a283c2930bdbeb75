"""Comparisons and reports of results; loads matplotlib only when pictures are drawn."""

from edgesim.report.compare import Comparison, compare
from edgesim.report.crossover import ChipAgainstBaseline
from edgesim.report.markdown import Section, read_report, write_report
from edgesim.report.single import result_text, time_parts_text

__all__ = [
    "ChipAgainstBaseline",
    "Comparison",
    "Section",
    "compare",
    "read_report",
    "result_text",
    "time_parts_text",
    "write_report",
]
