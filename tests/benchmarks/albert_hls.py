"""ALBERT-base at 128 tokens on the released hardware: where the time goes."""

from __future__ import annotations

import dataclasses

from toy_traces import ALBERT_BASE, bert_like

import edgesim as es
from edgesim.report import time_parts_text


def main() -> None:
    """Print the share of every part of one full-depth sentence, weights half zero at random."""
    trace = bert_like(dataclasses.replace(ALBERT_BASE, density=0.5))
    result = es.simulate(trace, es.load_chip("edgebert-hls"), pad_to=128)
    print(time_parts_text(result))


if __name__ == "__main__":
    main()
