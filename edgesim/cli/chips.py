"""The command over chip descriptions: list, show, check."""

from __future__ import annotations

import argparse
from typing import Any

from edgesim.cli.output import json_option, say, write_json
from edgesim.cli.request import asked_chip


def add_chip(commands: Any) -> None:
    parser = commands.add_parser("chip", help="list, show or check chip descriptions")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, run, text in (
        ("list", _chip_list, "the chips that edgesim ships"),
        ("show", _chip_show, "one chip with every value, as a chip file of its own"),
        ("check", _chip_check, "all faults of a chip file"),
    ):
        action = actions.add_parser(name, help=text)
        if name != "list":
            action.add_argument("chip", metavar="NAME|FILE.yaml")
            action.add_argument(
                "--set", action="append", default=[], metavar="path=value", dest="settings"
            )
        json_option(action)
        action.set_defaults(run=run)


def _chip_list(chosen: argparse.Namespace) -> None:
    from edgesim.hw.loader import chip_names, load_chip

    chips = [load_chip(name) for name in chip_names()]
    width = max(len(chip.name) for chip in chips)
    for chip in chips:
        say(chosen, f"{chip.name:<{width}}  {chip.description}")
    write_json(
        chosen,
        [{"name": c.name, "kind": c.kind, "description": c.description} for c in chips],
    )


def _chip_show(chosen: argparse.Namespace) -> None:
    import yaml

    from edgesim.hw.chip_file import chip_file_content
    from edgesim.hw.spec import chip_content

    chip = asked_chip(chosen.chip, chosen.settings)
    content = chip_file_content(chip)
    say(chosen, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100).rstrip())
    write_json(chosen, chip_content(chip))


def _chip_check(chosen: argparse.Namespace) -> None:
    chip = asked_chip(chosen.chip, chosen.settings)
    say(chosen, f"{chip.name}: no faults")
    write_json(chosen, {"chip": chip.name, "faults": []})
