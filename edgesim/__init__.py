"""edgesim: what a compressed transformer costs, per sentence, on an EdgeBERT-class accelerator.

Names are loaded when first used: `import edgesim` loads neither torch nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "execute": ("edgesim.pipeline.execute", "execute"),
    "lower": ("edgesim.pipeline.lower", "lower_model"),
    "FaultConditions": ("edgesim.pipeline.faults", "FaultConditions"),
    "fault_study": ("edgesim.pipeline.faults", "fault_study"),
    "format_study": ("edgesim.pipeline.formats", "format_study"),
    "find_model": ("edgesim.pipeline.models", "find_model"),
    "open_model": ("edgesim.pipeline.models", "open_model"),
    "calibrate": ("edgesim.pipeline.calibrate", "calibrate"),
    "load_trace": ("edgesim.ir.trace_file", "load_trace"),
    "save_trace": ("edgesim.ir.trace_file", "save_trace"),
    "Workload": ("edgesim.ir.workload", "Workload"),
    "EntropyExit": ("edgesim.ir.exits", "EntropyExit"),
    "FixedExit": ("edgesim.ir.exits", "FixedExit"),
    "ForecastExit": ("edgesim.ir.exits", "ForecastExit"),
    "ExitPredictor": ("edgesim.ir.predictor", "ExitPredictor"),
    "load_chip": ("edgesim.hw.loader", "load_chip"),
    "chip_names": ("edgesim.hw.loader", "chip_names"),
    "load_technology": ("edgesim.tech", "load_technology"),
    "simulate": ("edgesim.pipeline.simulate", "simulate"),
    "timeline": ("edgesim.pipeline.timeline", "timeline"),
    "compare": ("edgesim.report", "compare"),
    "op_cycles": ("edgesim.sim.op_cycles", "op_cycles"),
    "sweep": ("edgesim.sweeps.driver", "sweep"),
    "validate": ("edgesim.validation.comparison", "validate"),
    "Space": ("edgesim.sweeps.space", "Space"),
    "SimResult": ("edgesim.ir.result", "SimResult"),
    "EdgesimError": ("edgesim.errors", "EdgesimError"),
}
__all__ = [
    "EdgesimError",
    "EntropyExit",
    "ExitPredictor",
    "FaultConditions",
    "FixedExit",
    "ForecastExit",
    "SimResult",
    "Space",
    "Workload",
    "__version__",
    "calibrate",
    "chip_names",
    "compare",
    "execute",
    "fault_study",
    "find_model",
    "format_study",
    "load_chip",
    "load_technology",
    "load_trace",
    "lower",
    "op_cycles",
    "open_model",
    "save_trace",
    "simulate",
    "sweep",
    "timeline",
    "validate",
]

if TYPE_CHECKING:
    from edgesim.errors import EdgesimError as EdgesimError
    from edgesim.hw.loader import chip_names as chip_names
    from edgesim.hw.loader import load_chip as load_chip
    from edgesim.ir.exits import EntropyExit as EntropyExit
    from edgesim.ir.exits import FixedExit as FixedExit
    from edgesim.ir.exits import ForecastExit as ForecastExit
    from edgesim.ir.predictor import ExitPredictor as ExitPredictor
    from edgesim.ir.result import SimResult as SimResult
    from edgesim.ir.trace_file import load_trace as load_trace
    from edgesim.ir.trace_file import save_trace as save_trace
    from edgesim.ir.workload import Workload as Workload
    from edgesim.pipeline.calibrate import calibrate as calibrate
    from edgesim.pipeline.execute import execute as execute
    from edgesim.pipeline.faults import FaultConditions as FaultConditions
    from edgesim.pipeline.faults import fault_study as fault_study
    from edgesim.pipeline.formats import format_study as format_study
    from edgesim.pipeline.lower import lower_model as lower
    from edgesim.pipeline.models import find_model as find_model
    from edgesim.pipeline.models import open_model as open_model
    from edgesim.pipeline.simulate import simulate as simulate
    from edgesim.pipeline.timeline import timeline as timeline
    from edgesim.report import compare as compare
    from edgesim.sim.op_cycles import op_cycles as op_cycles
    from edgesim.sweeps.driver import sweep as sweep
    from edgesim.sweeps.space import Space as Space
    from edgesim.tech import load_technology as load_technology
    from edgesim.validation.comparison import validate as validate


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgesim' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
