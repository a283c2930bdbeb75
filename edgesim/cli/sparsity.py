"""The command over shares of zeros."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from edgesim.cli.output import check_output, json_option, say, write_json


def add_sparsity(commands: Any) -> None:
    parser = commands.add_parser(
        "sparsity", help="accuracy by share of zeros: embeddings, magnitude against movement"
    )
    parser.add_argument(
        "model", nargs="?", default="minilm-sst2-ee",
        help="a zoo folder or name of a shipped model, for its recipe",
    )  # fmt: skip
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument(
        "--weights", metavar="FILE",
        help="the stage to prune, such as build/compress/NAME/dense.safetensors",
    )  # fmt: skip
    start.add_argument(
        "--from-base", action="store_true", help="start from the pretrained base; encoder alone"
    )
    parser.add_argument("--data", metavar="DIR", required=True, help="DIR/TASK/{train,dev}.tsv")
    parser.add_argument(
        "--embeddings", nargs="*", type=float, metavar="FRACTION", help="of the word table"
    )
    parser.add_argument(
        "--encoder", nargs="*", type=float, metavar="FRACTION", help="of every encoder matrix"
    )
    parser.add_argument("--methods", nargs="+", choices=["magnitude", "movement"])
    parser.add_argument("--steps", type=int, default=150, metavar="N", help="of training, a row")
    parser.add_argument("--batch", type=int, default=64, metavar="N", help="rows of a step")
    parser.add_argument(
        "--schedule", nargs=2, type=float, default=(0.05, 0.7), metavar=("START", "END"),
        help="shares of the steps between which zeros grow (default 0.05 0.7)",
    )  # fmt: skip
    parser.add_argument(
        "--work", metavar="DIR", help="keep finished rows and checkpoints there; resumes"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--base", metavar="DIR", help="folder of the recipe's base model")
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="write sparsity.json, sparsity.csv and the picture"
    )
    json_option(parser)
    parser.set_defaults(run=_sparsity)


def _sparsity(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline import sparsity
    from edgesim.report.sparsity import sparsity_text

    check_output(chosen.output)
    given = {
        "embedding_fractions": chosen.embeddings, "encoder_fractions": chosen.encoder,
        "methods": chosen.methods,
    }  # fmt: skip
    study = sparsity.sparsity_study(
        chosen.model, Path(chosen.weights) if chosen.weights else None, Path(chosen.data),
        num_steps=chosen.steps, seed=chosen.seed, batch_size=chosen.batch,
        schedule=tuple(chosen.schedule), base_dir=Path(chosen.base) if chosen.base else None,
        work_dir=Path(chosen.work) if chosen.work else None,
        **{name: tuple(value) for name, value in given.items() if value is not None},
    )  # fmt: skip
    say(chosen, sparsity_text(study))
    command = _command(chosen)
    if chosen.output:
        names = sparsity.write_sparsity_study(study, Path(chosen.output), command)
        say(chosen, f"\n{chosen.output}: {', '.join(names)}")
    write_json(chosen, study.to_json(command))


def _command(chosen: argparse.Namespace) -> str:
    """The command that makes the study again; folders of this machine stand as WORK and DIR."""
    words = ["edgesim", "sparsity", chosen.model]
    weights = chosen.weights and f"WORK/{Path(chosen.weights).name}"
    words += ["--weights", weights] if weights else ["--from-base"]
    words += ["--data", "DIR"]
    for name in ("embeddings", "encoder", "methods"):
        values = getattr(chosen, name)
        if values is not None:
            words += [f"--{name}", *map(str, values)]
    words += ["--steps", str(chosen.steps), "--batch", str(chosen.batch)]
    words += ["--schedule", *map(str, chosen.schedule)]
    return shlex.join([*words, "--seed", str(chosen.seed)])
