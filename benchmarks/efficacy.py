"""The embedded recipe against its controls, on suites nobody tuned on: the table of efficacy.md.

    python benchmarks/efficacy.py --suite-dir DIR [--suites jbb-harmful,jbb-benign,...]
    python benchmarks/efficacy.py --suites twins-dev:80 --scales 0.5 0.75 1.25     # the curve

Trains examples/studies/efficacy.yaml (the recipe at all its seeds, each control once), asks every
model `--suites` and the base and the recipe also `--further`, and prints one table. Goes on where
it was stopped; what is trained or answered stays. `--only` does a part of it, so that two
processes can share the work; the table comes without it. With `--scales` the trained adapters are
also measured weaker and stronger, which draws the trade-off between defence and over-refusal
without training again.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from anlage.evaluation.measure import PRIMARY, Measure
from anlage.evaluation.suites.evaluation import ModelOutcomes
from anlage.evaluation.wording import span_text
from anlage.inspection.models import NamedModel
from anlage.inspection.suites import Asked, measure_suites
from anlage.pipeline.inputs import system_prompt
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.run import run
from anlage.stats.intervals import Estimate
from anlage.stats.seeds import crossed_difference
from anlage.study.design import PlannedRun, design
from anlage.study.results import shared_units
from rich.console import Console
from safetensors.torch import load_file, save_file

STUDY = Path(__file__).parents[1] / "examples" / "studies" / "efficacy.yaml"
BASE = "control-base"
SHOWN = (*sorted(PRIMARY), "incoherent", "intrusion")
console = Console(width=100)


@dataclass(frozen=True)
class Arm:
    """The runs of one arm and what they did on the suites."""

    name: str
    outcomes: list[ModelOutcomes]


def chosen(file: Path, only: Sequence[str]) -> list[tuple[PlannedRun, bool]]:
    """The recipe at every seed, each control once -> whether further suites are asked, too."""
    worked_out = design(file)
    first, recipe = worked_out.spec.seeds[0], worked_out.spec.against
    wanted = [r for r in worked_out.runs if r.arm == recipe or r.seed == first]
    wanted.sort(key=lambda r: r.arm != recipe)  # the recipe first: `table` counts on it
    names = {name for r in wanted for name in (r.arm, f"{r.arm}:{r.seed}")}
    if unknown := set(only) - names:
        raise SystemExit(
            f"no {', '.join(sorted(unknown))}; --only takes {', '.join(sorted(names))}"
        )
    if only:
        wanted = [r for r in wanted if {r.arm, f"{r.arm}:{r.seed}"} & set(only)]
    return [(r, r.arm in (recipe, BASE)) for r in wanted]


def adapter(planned: PlannedRun) -> Path | None:
    if planned.config.untrained:
        return None
    return Path(planned.config.runs) / planned.config.name / "40_training" / "adapter"


def scaled(folder: Path, scale: float, target: Path) -> Path:
    """A copy of an adapter whose update is `scale` times as large: B is linear in it."""
    weights = load_file(folder / "adapter_model.safetensors")
    changed = {name: w * scale if "lora_B" in name else w for name, w in weights.items()}
    target.mkdir(parents=True, exist_ok=True)
    save_file(changed, target / "adapter_model.safetensors", metadata={"format": "pt"})
    (target / "adapter_config.json").write_bytes((folder / "adapter_config.json").read_bytes())
    return target


def models(planned: PlannedRun, scales: Sequence[float]) -> Iterator[tuple[str, NamedModel]]:
    """Arm -> the model to ask, at each scale."""
    folder, spec = adapter(planned), planned.config.model
    yield planned.arm, NamedModel(f"{planned.arm} {planned.seed}", spec, folder)
    if folder is None:
        return
    for scale in scales:
        name = f"{planned.arm} x{scale:g}"
        copy = scaled(folder, scale, folder.with_name(f"adapter-x{scale:g}"))
        yield name, NamedModel(f"{name} {planned.seed}", spec, copy)


def measure(given: argparse.Namespace) -> list[Arm]:
    found: dict[str, Arm] = {}
    for planned, is_asked_more in chosen(given.study, given.only):
        if not planned.config.untrained:
            run(planned.config, until="training", quiet=False, console=console)
        system = system_prompt(Resolved(planned.config))
        suites = f"{given.suites},{given.further}" if is_asked_more else given.suites
        asked = Asked(suites, given.profile, given.suite_dir, system=system)
        for name, model in models(planned, given.scales):
            store = Path(planned.config.runs) / "cache.sqlite"
            result = measure_suites([model], asked, store=store, console=console)
            found.setdefault(name, Arm(name, [])).outcomes.extend(result.models)
            for warning in result.warnings:
                console.print(f"Warning ({model.name}): {warning}", style="red", markup=False)
    return list(found.values())


def values(arm: Arm, base: Arm, measure: Measure) -> tuple[list[list[float]], list[float]]:
    """The arm's value on each prompt, a row a seed, and the base's on the same prompts."""
    found = [outcome.suite(measure.suite) for outcome in (*base.outcomes, *arm.outcomes)]
    before, *seeds = [outcome.units(measure) for outcome in found if outcome is not None]
    prompts = shared_units([before, *seeds])
    return [[seed[unit] for unit in prompts] for seed in seeds], [before[unit] for unit in prompts]


def cell(arm: Arm, base: Arm, measure: Measure) -> str:
    """The arm's value with its interval; with several seeds, for new seeds and new prompts."""
    seeds, before = values(arm, base, measure)
    outcome = arm.outcomes[0].suite(measure.suite)
    if outcome is None or len(before) < 2:
        return "–"
    estimate = outcome.estimate(measure)
    if len(seeds) < 2:
        return span_text(measure, estimate)
    zero = [[0.0] * len(before)] * len(seeds)
    found = crossed_difference(zero, seeds, within=measure.range)
    ends = measure.range.clip(found.interval)
    shown = span_text(measure, Estimate(found.value, ends, len(before)))
    scale = 100 if measure.is_rate else 1
    each = ", ".join(f"{scale * fmean(row):.{0 if measure.is_rate else 2}f}" for row in seeds)
    return f"{shown} (seeds: {each})"


def change(arm: Arm, base: Arm, measure: Measure) -> str:
    """Recipe minus base over the same prompts, for new seeds and new prompts."""
    seeds, before = values(arm, base, measure)
    if len(seeds) < 2 or len(before) < 2:
        return "–"
    gap = crossed_difference([before] * len(seeds), seeds, within=measure.range)
    scale = 100 if measure.is_rate else 1
    low, high = scale * gap.interval.low, scale * gap.interval.high
    return f"{scale * gap.value:+.1f} [{low:+.1f}, {high:+.1f}]"


def table(arms: Sequence[Arm]) -> None:
    base = next(arm for arm in arms if arm.name == BASE)
    recipe = arms[0]
    print("| suite: measure | n | " + " | ".join(a.name for a in arms) + " | recipe - base |")
    print("|---" * (len(arms) + 3) + "|")
    for outcome in base.outcomes[0].suites:
        for one in outcome.measures():
            if one.name in SHOWN:
                cells = [cell(arm, base, one) for arm in arms]
                n = len(outcome.units(one))
                row = [one.full_label, str(n), *cells, change(recipe, base, one)]
                print(f"| {' | '.join(row)} |")


def against_controls(arms: Sequence[Arm]) -> None:
    """Recipe minus each other arm on the suites all were asked, in points."""
    base = next(arm for arm in arms if arm.name == BASE)
    everywhere = [
        one
        for outcome in base.outcomes[0].suites
        for one in outcome.measures()
        if one.name in ("defended", "over_refusal")
        and all(arm.outcomes[0].suite(one.suite) is not None for arm in arms)
    ]
    print("\n| recipe minus | " + " | ".join(one.full_label for one in everywhere) + " |")
    print("|---" * (len(everywhere) + 1) + "|")
    for arm in arms[1:]:
        cells = [change(arms[0], arm, one) for one in everywhere]
        print(f"| {arm.name} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, default=STUDY)
    parser.add_argument("--suite-dir", type=Path, help="folder of the public suites")
    parser.add_argument("--suites", default="", help="asked of every model")
    parser.add_argument("--further", default="", help="asked of the base and the recipe")
    parser.add_argument("--profile", default="")
    parser.add_argument("--scales", type=float, nargs="*", default=[])
    parser.add_argument("--only", nargs="*", default=[], help="ARM or ARM:SEED to do now")
    given = parser.parse_args()
    arms = measure(given)
    if given.only:
        return
    machine = platform.processor() or platform.machine()
    print(f"\n{datetime.date.today()}, {machine}, {os.cpu_count()} cores\n")
    table(arms)
    against_controls(arms)


if __name__ == "__main__":
    main()
