"""The commands over models: lower, record, compress, evaluate."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgesim.cli.output import check_file, json_option, say, write_json
from edgesim.cli.request import MODEL_HELP, arithmetic_options, asked_chip
from edgesim.errors import InputError


def add_lower(commands: Any) -> None:
    parser = commands.add_parser("lower", help="lower a model to an op trace")
    parser.add_argument("model", help=MODEL_HELP)
    parser.add_argument("-o", "--output", required=True, metavar="TRACE", help="such as t.npz")
    parser.add_argument(
        "--no-proof", action="store_false", dest="prove",
        help="do not run the trace against its module, for models too large to run twice",
    )  # fmt: skip
    parser.add_argument(
        "--keep-output-projection", action="store_true",
        help="at full width where heads that see nothing are taken out",
    )  # fmt: skip
    json_option(parser)
    parser.set_defaults(run=_lower)


def add_record(commands: Any) -> None:
    parser = commands.add_parser("record", help="run a model over sentences into a workload")
    parser.add_argument("model", help=MODEL_HELP)
    parser.add_argument("--sentences", required=True, metavar="FILE.tsv")
    parser.add_argument("-o", "--output", required=True, metavar="W.npz")
    arithmetic_options(parser)
    json_option(parser)
    parser.set_defaults(run=_record)


def add_compress(commands: Any) -> None:
    parser = commands.add_parser("compress", help="train a compressed model from its recipe")
    parser.add_argument("recipe", help="a recipe.yaml")
    parser.add_argument("--data", metavar="DIR", help="folder with TASK/train.tsv and dev.tsv")
    parser.add_argument("--base", metavar="DIR", help="folder of the pretrained base")
    parser.add_argument("-o", "--output", metavar="DIR", help="default: the recipe's folder")
    parser.add_argument("--work", metavar="DIR", help="checkpoints; default build/compress/NAME")
    parser.add_argument("--smoke", action="store_true", help="20 steps on generated text")
    json_option(parser)
    parser.set_defaults(run=_compress)


def add_evaluate(commands: Any) -> None:
    parser = commands.add_parser("evaluate", help="accuracy of a model on labelled text")
    parser.add_argument("model", help="a zoo folder or name")
    parser.add_argument("--data", required=True, metavar="DIR")
    json_option(parser)
    parser.set_defaults(run=_evaluate)


def add_predictor(commands: Any) -> None:
    parser = commands.add_parser(
        "predictor", help="fit a zoo model's exit predictor, or show how well it forecasts"
    )
    parser.add_argument("model", help="a zoo folder or name")
    parser.add_argument("--data", metavar="DIR", help="fit anew on DIR/TASK/train.tsv")
    json_option(parser)
    parser.set_defaults(run=_predictor)


def _lower(chosen: argparse.Namespace) -> None:
    from edgesim.ir.proof import proof_words
    from edgesim.ir.trace_file import save_trace
    from edgesim.pipeline.models import open_model

    check_file(chosen.output)
    trace = open_model(chosen.model).lower(chosen.keep_output_projection, chosen.prove)
    save_trace(trace, Path(chosen.output))
    facts = {
        "trace": chosen.output, "model": trace.name, "model_class": trace.model_class,
        "num_layers": trace.num_layers, "has_exits": trace.has_exits,
        "num_ops": sum(1 for _ in trace.all_ops()), "max_tokens": trace.max_tokens,
        "macs_at_32_tokens": trace.macs(32), "notes": list(trace.notes),
        "proof": None if trace.proof is None else asdict(trace.proof),
    }  # fmt: skip
    say(
        chosen,
        f"{chosen.output}: {trace.model_class}, {trace.num_layers} layers, {facts['num_ops']} ops, "
        f"{trace.macs(32) / 1e6:.1f} MMAC at 32 tokens",
    )
    say(chosen, proof_words(trace.proof))
    for note in trace.notes:
        say(chosen, f"note: {note}")
    write_json(chosen, facts)


def _record(chosen: argparse.Namespace) -> None:
    from edgesim.ir.activation_statistics import ActivationStatistics
    from edgesim.ir.request import checked_arithmetic
    from edgesim.ir.workload import Workload
    from edgesim.pipeline.arithmetic import answered
    from edgesim.pipeline.models import open_model

    checked_arithmetic(chosen.arithmetic)
    check_file(chosen.output)
    chip = asked_chip(chosen.chip, [])
    if chosen.arithmetic != "float32" and chip.kind != "accelerator":
        raise InputError(f"chip {chip.name}: only an accelerator has an arithmetic of its own")
    source = open_model(chosen.model)
    workload: Workload | None = source.record(Path(chosen.sentences))
    if chosen.arithmetic != "float32":
        trace = source.executable()
        if chosen.calibration:
            trace = ActivationStatistics.load(Path(chosen.calibration)).applied(trace)
        workload, _ = answered(trace, chip, workload, chosen.arithmetic)
    assert workload is not None
    workload.save(Path(chosen.output))
    mean = float(workload.num_tokens.mean())
    say(chosen, f"{chosen.output}: {len(workload)} sentences, {mean:.1f} tokens on average")
    write_json(
        chosen,
        {"workload": chosen.output, "num_sentences": len(workload), "mean_tokens": mean},
    )


def _compress(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.compress import compress_and_lower

    outcome = compress_and_lower(
        Path(chosen.recipe),
        data_dir=Path(chosen.data) if chosen.data else None,
        base=Path(chosen.base) if chosen.base else None,
        out_dir=Path(chosen.output) if chosen.output else None,
        work_dir=Path(chosen.work) if chosen.work else None,
        smoke_run=chosen.smoke,
    )
    say(chosen, f"{outcome.folder}: {outcome.summary}")
    write_json(chosen, outcome.evaluation)


def _evaluate(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.compress import evaluate_model

    figures, text = evaluate_model(chosen.model, Path(chosen.data))
    say(chosen, text)
    write_json(chosen, figures)


def _predictor(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.predictor import fit_predictor, predictor_lines

    figures = fit_predictor(chosen.model, Path(chosen.data) if chosen.data else None)
    say(chosen, "\n".join(predictor_lines(figures)))
    write_json(chosen, figures)
