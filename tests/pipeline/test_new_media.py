"""Media that only a block of the tables declares: placed, timed, priced, asleep and labelled."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from edgesim.hw.loader import load_chip
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.encoder_trace import EncoderShape, encoder_trace
from edgesim.pipeline.power_on import power_on
from edgesim.pipeline.simulate import simulate
from edgesim.pipeline.standby import Standby
from edgesim.sweeps.labels import point_labels
from edgesim.tech import Technology, media, parse_tables

TWINS = {"hbm": ("lpddr5", "HBM"), "esram": ("sram", "eSRAM")}
SHAPE = EncoderShape(width=32, heads=2, hidden=64, layers=2, vocabulary=100)


@pytest.fixture
def technology(monkeypatch: pytest.MonkeyPatch) -> Technology:
    """The shipped tables with a block for each new medium, made from that of its twin."""
    folder = resources.files("edgesim.tech") / "tables"
    texts = {f.name: f.read_text(encoding="utf-8") for f in folder.iterdir()}
    whole = "\n".join(texts.values())
    for name, (twin, label) in TWINS.items():
        own = re.findall(rf"(?m)^{twin}[.:].*\n(?:[ ].*\n)*", whole)
        block = "".join(re.sub(rf"^{twin}\b", name, part) for part in own)
        texts[f"{name}.yaml"] = re.sub("label: \\w+", f"label: {label}", block)
    tables = parse_tables("default", texts)
    monkeypatch.setattr(media, "load_technology", lambda: tables)
    return tables


def _chip(dram: str, sram: str) -> AcceleratorSpec:
    chip = load_chip(
        "edgebert-n16",
        {
            f"storage.{dram}": {"capacity": "1 GiB", "port": "64 bit", "on_chip": False},
            f"storage.{sram}": {"capacity": "2 MiB", "port": "64 bit", "on_chip": True},
            "placement.embedding_weight": [sram], "placement.encoder_weight": [dram],
            "placement.offramp_weight": [dram], "placement.activation": ["sram", dram],
        },
    )  # fmt: skip
    assert isinstance(chip, AcceleratorSpec)
    return chip


def test_media_of_one_class_and_equal_figures_cost_the_same_under_any_name(
    technology: Technology,
) -> None:
    trace = encoder_trace(SHAPE)
    known, new = (
        simulate(trace, _chip(*names), pad_to=16, technology=technology)
        for names in (("lpddr5", "sram"), ("hbm", "esram"))
    )
    for figure in ("latency_s", "chip_energy_j", "offchip_energy_j", "area_mm2"):
        wanted = vars(getattr(known, figure))
        assert vars(getattr(new, figure)) == pytest.approx(wanted, rel=1e-12), figure
    assert new.offchip_energy_j.value > 0
    units = {row.name for row in new.breakdown if row.group == "unit"}
    assert {"hbm", "esram"} <= units
    assert not {"lpddr5", "lpddr4", "sram"} & units
    asleep = [Standby.of(_chip(*names), technology) for names in (("lpddr5", "sram"),
                                                                ("hbm", "esram"))]  # fmt: skip
    assert asleep[0] == asleep[1]
    assert asleep[0].asleep_w > 0


def test_a_new_dram_is_powered_on_and_a_new_medium_bears_its_label(technology: Technology) -> None:
    found = power_on(
        encoder_trace(SHAPE), _chip("hbm", "esram"), pad_to=16, against="hbm",
        technology=technology,
    )  # fmt: skip
    assert found.rows[0].dram.name == "hbm, cold"
    paths = ("placement.encoder_weight", "storage.esram.capacity")
    choice = {paths[0]: ["hbm"], paths[1]: "4 MiB"}
    assert point_labels([choice], paths) == ["HBM, eSRAM 4 MiB"]
