"""Pictures of results: per picture a data function and a drawing function.

Importing this package does not load matplotlib; drawing does.
"""

from edgesim.plot.agreement import agreement_data, plot_agreement
from edgesim.plot.energy import energy_by_unit_data, plot_energy_by_unit
from edgesim.plot.exits import exit_layer_data, plot_exit_layers
from edgesim.plot.latency import latency_by_kind_data, plot_latency_by_kind
from edgesim.plot.pictures import save_pictures
from edgesim.plot.roofline import plot_roofline, roofline_data
from edgesim.plot.scale import layer_scale_data, plot_layer_scale
from edgesim.plot.tornado import plot_tornado, tornado_data

__all__ = [
    "agreement_data",
    "energy_by_unit_data",
    "exit_layer_data",
    "latency_by_kind_data",
    "layer_scale_data",
    "plot_agreement",
    "plot_energy_by_unit",
    "plot_exit_layers",
    "plot_latency_by_kind",
    "plot_layer_scale",
    "plot_roofline",
    "plot_tornado",
    "roofline_data",
    "save_pictures",
    "tornado_data",
]
