"""What commands print: text for a reader, JSON for programs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="F", help="write JSON to F, or to standard output"
    )


def say(chosen: argparse.Namespace, text: str) -> None:
    """Print for a reader, unless standard output carries JSON."""
    if chosen.json != "-":
        print(text, flush=True)


def write_json(chosen: argparse.Namespace, content: Any) -> None:
    if chosen.json is None:
        return
    from edgesim.pipeline.output import write_json

    if chosen.json == "-":
        print(json.dumps(content, indent=1, sort_keys=True))
    else:
        write_json(Path(chosen.json), content)
