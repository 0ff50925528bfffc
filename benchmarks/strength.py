"""A run's adapter, weaker and stronger, on its own dev prompts: the trade-off of one training.

    python benchmarks/strength.py runs/quickstart 0.5 0.7 0.85 1

An adapter adds B A to a weight; with B times s it adds s times as much. Rates with Wilson
intervals at 95%, judged by the shipped judge; perplexity on the shipped text.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import tempfile
from pathlib import Path

from anlage.benchmarks.efficacy import scaled
from anlage.evaluation.evaluate import evaluate
from anlage.evaluation.measure import Measure
from anlage.evaluation.wording import percent, rate_text
from anlage.llm.local.model import LocalModel
from anlage.pipeline.config import load_config
from anlage.pipeline.inputs import evaluation_prompts
from anlage.pipeline.resolved import Resolved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("strengths", type=float, nargs="+")
    given = parser.parse_args()
    run = load_config(given.run / "config.yaml")
    prompts, trained = evaluation_prompts(Resolved(run)), given.run / "40_training" / "adapter"
    machine = platform.processor() or platform.machine()
    print(f"{datetime.date.today()}, {machine}, {os.cpu_count()} cores, {len(prompts)} prompts\n")
    print("| strength | defended | over-refusal | incoherent twins | perplexity |")
    print("|---|---|---|---|---|")
    for strength in given.strengths:
        with tempfile.TemporaryDirectory() as folder:
            adapter = scaled(trained, strength, Path(folder))
            model = LocalModel.load(run.model, adapter=adapter)
            limit = run.evaluation.max_tokens
            found = evaluate({"it": model}, prompts, exemplars=(), max_tokens=limit).models[0]
        text = found.estimate(Measure("perplexity"))
        lost = found.rate("incoherent", "harmful_compliance", "twin")
        cells = [rate_text(found.defended), rate_text(found.over_refusal), percent(lost.value)]
        cells.append(f"{text.value:.1f}" if text else "–")
        print(f"| {strength:g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
