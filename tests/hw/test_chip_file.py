"""A chip written as a file of its own loads as an equal chip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edgesim.cli import main
from edgesim.hw.chip_file import chip_file_content
from edgesim.hw.loader import chip_names, load_chip
from edgesim.units import parse_quantity, quantity_text

CHANGES: dict[str, dict[str, Any]] = {
    "edgebert-n16": {
        "pu.vector_size": 8, "clock.frequency": "333.3 MHz", "clock.voltage": "650 mV",
        "storage.reram.capacity": "3000001 B", "storage.sram.capacity": "4 MiB",
        "storage.sram.port": "128 bit", "storage.sram.on_chip": True,
        "storage.reram.writable": True, "host.cycles_per_element": 1e-05,
        "voltage_scaling": {"pairs": [{"voltage": "0.6 V", "frequency": "0.2 GHz"}]},
        "description": "a: # 'b' \u00e9 \u2028 c", "assumed": [], "name": "1e3",
    },
    "edgebert-hls": {"pu.vector_size": 8},
    "host-cpu": {"threads": 2},
    "tx2-maxn": {"precisions": ["fp32"]},
}  # fmt: skip


@pytest.mark.parametrize("name", chip_names())
@pytest.mark.parametrize("changed", [False, True])
def test_a_shown_chip_loads_as_an_equal_chip(
    name: str, changed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = CHANGES.get(name, {}) if changed else {}
    settings = []
    for path, value in overrides.items():
        settings += ["--set", f"{path}={yaml.safe_dump(value, default_flow_style=True)}"]
    assert main(["chip", "show", name, *settings]) == 0
    path = tmp_path / "my.yaml"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    assert load_chip(path) == load_chip(name, overrides)
    assert main(["chip", "check", str(path)]) == 0


def test_the_content_has_the_keys_and_units_of_chip_files() -> None:
    content = chip_file_content(load_chip("edgebert-n16"))
    assert content["clock"] == {"frequency": "1 GHz", "voltage": "0.8 V"}
    assert content["buffers"]["operand0"]["data"] == "128 KiB"
    assert content["storage"]["reram"] == {"capacity": "2 MiB", "port": "64 bit", "on_chip": True}
    assert content["dma"] == {"chunk": "16 KiB"}
    assert "artifact" not in content


@given(st.integers(1, 2**40))
def test_bytes_are_read_back_as_they_were(count: int) -> None:
    assert parse_quantity(quantity_text(count, "bytes"), "bytes") == count


@given(st.floats(1e6, 1e10))
def test_a_frequency_is_read_back_to_the_last_bit(frequency_hz: float) -> None:
    assert parse_quantity(quantity_text(frequency_hz, "hertz"), "hertz") == frequency_hz


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (131072, "bytes", "128 KiB"), (1000, "bytes", "1 kB"), (1001, "bytes", "1001 B"),
        (64, "bits", "64 bit"), (7.17e8, "hertz", "717 MHz"), (0.8, "volts", "0.8 V"),
        (333.3e6, "hertz", "333300 kHz"),
        (1.0, "volts", "1 V"),
    ],
)  # fmt: skip
def test_the_largest_unit_of_a_whole_number_is_taken(
    value: float, dimension: str, text: str
) -> None:
    assert quantity_text(value, dimension) == text
