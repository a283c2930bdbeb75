"""The command line: parses arguments, calls the pipeline, prints. Bad input is one line, exit 2."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesim.cli_sweep import add_sweep_commands
from edgesim.errors import EdgesimError, InputError

if TYPE_CHECKING:
    from edgesim.hw.spec import Chip
    from edgesim.ir.optrace import OpTrace
    from edgesim.ir.result import SimResult


MODEL_HELP = "a zoo folder, local Hugging Face folder, .pt2 file, or name of a shipped model"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 interrupted output, 2 bad input."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        chosen.run(chosen)
    except EdgesimError as error:
        print(f"edgesim: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"edgesim: {place}{error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"edgesim: {stop or 'interrupted'}", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgesim",
        description="What a compressed transformer costs, per sentence, on an edge accelerator.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_lower(commands)
    _add_record(commands)
    _add_run(commands)
    _add_compare(commands)
    add_sweep_commands(commands)
    _add_compress(commands)
    _add_evaluate(commands)
    _add_chip(commands)
    return parser


def _version() -> str:
    from edgesim import __version__

    return f"edgesim {__version__}"


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="F", help="write JSON to F, or to standard output"
    )


def _add_demo(commands: Any) -> None:
    parser = commands.add_parser(
        "demo", help="the shipped model on EdgeBERT and on a TX2, with a report and pictures"
    )
    parser.add_argument("-o", "--output", default="demo-report", help="report folder")
    parser.add_argument("--model", default="minilm-sst2-ee", help="a zoo folder or name")
    _json_option(parser)
    parser.set_defaults(run=_demo)


def _add_lower(commands: Any) -> None:
    parser = commands.add_parser("lower", help="lower a model to an op trace")
    parser.add_argument("model", help=MODEL_HELP)
    parser.add_argument("-o", "--output", required=True, metavar="TRACE", help="such as t.npz")
    _json_option(parser)
    parser.set_defaults(run=_lower)


def _add_record(commands: Any) -> None:
    parser = commands.add_parser("record", help="run a model over sentences into a workload")
    parser.add_argument("model", help=MODEL_HELP)
    parser.add_argument("--sentences", required=True, metavar="FILE.tsv")
    parser.add_argument("-o", "--output", required=True, metavar="W.npz")
    _json_option(parser)
    parser.set_defaults(run=_record)


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TRACE|MODEL", help=f"a trace file, {MODEL_HELP}")
    parser.add_argument("--set", action="append", default=[], metavar="path=value", dest="settings")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--workload", metavar="W.npz")
    source.add_argument("--sentences", metavar="FILE.tsv")
    leave = parser.add_mutually_exclusive_group()
    leave.add_argument("--exit-threshold", type=float, metavar="H", help="nats, strictly below")
    leave.add_argument("--no-exit", action="store_true", help="full depth (the default)")
    parser.add_argument("--pad-to", type=int, metavar="N", help="tokens of every sentence")
    parser.add_argument("--arithmetic", default="float32", help="of the activations: float32")
    parser.add_argument("--precision", help="of a GPU: fp16 or fp32")
    _json_option(parser)


def _add_run(commands: Any) -> None:
    parser = commands.add_parser("run", help="energy, latency, area and accuracy on one chip")
    _run_options(parser)
    parser.add_argument("--chip", default="edgebert-n16", metavar="NAME|FILE.yaml")
    parser.add_argument(
        "--timeline", metavar="F", help="write a Chrome/Perfetto trace: open it in ui.perfetto.dev"
    )
    parser.add_argument(
        "--timeline-sentence", type=int, nargs="+", metavar="N",
        help="sentences of the timeline, counted from 1 (default: the first)",
    )  # fmt: skip
    parser.set_defaults(run=_run)


def _add_compare(commands: Any) -> None:
    parser = commands.add_parser("compare", help="one run on several chips, with ratios")
    _run_options(parser)
    parser.add_argument("--chips", nargs="+", default=["edgebert-n16", "tx2-maxn"], metavar="NAME")
    parser.set_defaults(run=_compare)


def _add_compress(commands: Any) -> None:
    parser = commands.add_parser("compress", help="train a compressed model from its recipe")
    parser.add_argument("recipe", help="a recipe.yaml")
    parser.add_argument("--data", metavar="DIR", help="folder with TASK/train.tsv and dev.tsv")
    parser.add_argument("--base", metavar="DIR", help="folder of the pretrained base")
    parser.add_argument("-o", "--output", metavar="DIR", help="default: the recipe's folder")
    parser.add_argument("--work", metavar="DIR", help="checkpoints; default build/compress/NAME")
    parser.add_argument("--smoke", action="store_true", help="20 steps on generated text")
    _json_option(parser)
    parser.set_defaults(run=_compress)


def _add_evaluate(commands: Any) -> None:
    parser = commands.add_parser("evaluate", help="accuracy of a model on labelled text")
    parser.add_argument("model", help="a zoo folder or name")
    parser.add_argument("--data", required=True, metavar="DIR")
    _json_option(parser)
    parser.set_defaults(run=_evaluate)


def _add_chip(commands: Any) -> None:
    parser = commands.add_parser("chip", help="list, show or check chip descriptions")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, run, text in (
        ("list", _chip_list, "the chips that edgesim ships"),
        ("show", _chip_show, "one chip with every value"),
        ("check", _chip_check, "all faults of a chip file"),
    ):
        action = actions.add_parser(name, help=text)
        if name != "list":
            action.add_argument("chip", metavar="NAME|FILE.yaml")
            action.add_argument(
                "--set", action="append", default=[], metavar="path=value", dest="settings"
            )
        _json_option(action)
        action.set_defaults(run=run)


# commands ----------------------------------------------------------------------------------------


def _demo(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.demo import run_demo

    outcome = run_demo(chosen.model, Path(chosen.output), lambda line: _say(chosen, line))
    _write_json(chosen, outcome.to_json())


def _lower(chosen: argparse.Namespace) -> None:
    from edgesim.ir.trace_file import save_trace
    from edgesim.pipeline.models import open_model

    trace = open_model(chosen.model).lower()
    save_trace(trace, Path(chosen.output))
    facts = {
        "trace": chosen.output, "model": trace.name, "model_class": trace.model_class,
        "num_layers": trace.num_layers, "has_exits": trace.has_exits,
        "num_ops": sum(1 for _ in trace.all_ops()), "max_tokens": trace.max_tokens,
        "macs_at_32_tokens": trace.macs(32),
    }  # fmt: skip
    _say(
        chosen,
        f"{chosen.output}: {trace.model_class}, {trace.num_layers} layers, {facts['num_ops']} ops, "
        f"{trace.macs(32) / 1e6:.1f} MMAC at 32 tokens",
    )
    _write_json(chosen, facts)


def _record(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.models import open_model

    workload = open_model(chosen.model).record(Path(chosen.sentences))
    workload.save(Path(chosen.output))
    mean = float(workload.num_tokens.mean())
    _say(chosen, f"{chosen.output}: {len(workload)} sentences, {mean:.1f} tokens on average")
    _write_json(
        chosen,
        {"workload": chosen.output, "num_sentences": len(workload), "mean_tokens": mean},
    )


def _run(chosen: argparse.Namespace) -> None:
    from edgesim.report import result_text

    if chosen.timeline_sentence and chosen.timeline is None:
        raise InputError("--timeline-sentence needs --timeline F, the file to write")
    result = _with_timeline(chosen) if chosen.timeline else _simulate(chosen, [chosen.chip])[0]
    _say(chosen, result_text(result))
    _write_json(chosen, result.to_json())


def _compare(chosen: argparse.Namespace) -> None:
    from edgesim.report import compare

    results = _simulate(chosen, chosen.chips)
    comparison = compare(results, baseline=len(results) - 1)
    _say(chosen, comparison.to_text())
    _write_json(chosen, comparison.to_json())


def _with_timeline(chosen: argparse.Namespace) -> SimResult:
    from edgesim.pipeline.timeline import simulate_with_timeline

    trace, options = _request(chosen)
    sentences = chosen.timeline_sentence or [1]
    path = Path(chosen.timeline)
    result = simulate_with_timeline(
        trace, _chip(chosen.chip, chosen.settings), path, sentences, **options
    )
    _say(chosen, f"timeline: {path}, sentence {', '.join(map(str, sentences))}")
    return result


def _simulate(chosen: argparse.Namespace, chips: Sequence[str]) -> list[SimResult]:
    """One result per chip, for the trace, workload and exits that were asked for."""
    from edgesim.pipeline.models import module_of
    from edgesim.pipeline.simulate import simulate

    trace, options = _request(chosen)
    loaded = [_chip(name, chosen.settings) for name in chips]
    return [
        simulate(
            trace, chip, precision=chosen.precision if chip.kind == "gpu" else None,
            model=module_of(chosen.target) if chip.kind == "host-cpu" else None, **options,
        )
        for chip in loaded
    ]  # fmt: skip


def _request(chosen: argparse.Namespace) -> tuple[OpTrace, dict[str, Any]]:
    """The trace, workload and exits that were asked for."""
    from edgesim.ir.exits import EntropyExit
    from edgesim.ir.workload import Workload
    from edgesim.pipeline.models import open_trace

    trace, folder = open_trace(chosen.target)
    workload = None
    if chosen.workload:
        workload = Workload.load(Path(chosen.workload))
    elif chosen.sentences:
        if folder is None:
            raise InputError("--sentences needs a MODEL; a trace file has no tokenizer")
        workload = folder.record(Path(chosen.sentences))
    elif folder is not None:
        workload = folder.workload()
    policy = None if chosen.exit_threshold is None else EntropyExit(chosen.exit_threshold)
    return trace, {
        "workload": workload, "exit_policy": policy, "pad_to": chosen.pad_to,
        "arithmetic": chosen.arithmetic,
    }  # fmt: skip


def _chip(name: str, settings: Sequence[str]) -> Chip:
    """A chip with `--set path=value` applied; values are read as YAML."""
    import yaml

    from edgesim.hw.loader import load_chip

    overrides: dict[str, Any] = {}
    for setting in settings:
        path, sign, text = setting.partition("=")
        if not sign or not path:
            raise InputError(f"--set {setting}: write path=value, such as pu.vector_size=8")
        try:
            overrides[path] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise InputError(f"--set {setting}: {text!r} is no value") from None
    return load_chip(name, overrides)


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
    _say(chosen, f"{outcome.folder}: {outcome.summary}")
    _write_json(chosen, outcome.evaluation)


def _evaluate(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.compress import evaluate_model

    figures, text = evaluate_model(chosen.model, Path(chosen.data))
    _say(chosen, text)
    _write_json(chosen, figures)


def _chip_list(chosen: argparse.Namespace) -> None:
    from edgesim.hw.loader import chip_names, load_chip

    chips = [load_chip(name) for name in chip_names()]
    width = max(len(chip.name) for chip in chips)
    for chip in chips:
        _say(chosen, f"{chip.name:<{width}}  {chip.description}")
    _write_json(
        chosen,
        [{"name": c.name, "kind": c.kind, "description": c.description} for c in chips],
    )


def _chip_show(chosen: argparse.Namespace) -> None:
    import yaml

    from edgesim.hw.spec import chip_content

    content = chip_content(_chip(chosen.chip, chosen.settings))
    _say(chosen, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).rstrip())
    _write_json(chosen, content)


def _chip_check(chosen: argparse.Namespace) -> None:
    chip = _chip(chosen.chip, chosen.settings)
    _say(chosen, f"{chip.name}: no faults")
    _write_json(chosen, {"chip": chip.name, "faults": []})


# output ------------------------------------------------------------------------------------------


def _say(chosen: argparse.Namespace, text: str) -> None:
    """Print for a reader, unless standard output carries JSON."""
    if chosen.json != "-":
        print(text, flush=True)


def _write_json(chosen: argparse.Namespace, content: Any) -> None:
    if chosen.json is None:
        return
    from edgesim.pipeline.output import write_json

    if chosen.json == "-":
        print(json.dumps(content, indent=1, sort_keys=True))
    else:
        write_json(Path(chosen.json), content)


if __name__ == "__main__":
    sys.exit(main())
