"""What studies cost besides their runs: planning, sharing, rendering. Figures: study.md.

python benchmarks/study.py plan            # planning 200 arms, and what it imports
python benchmarks/study.py sharing FOLDER  # 8 arms x 3 seeds of which only training differs
python benchmarks/study.py render FOLDER   # reading back and rendering that study
python benchmarks/study.py power           # null studies, planted effects, coverage
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from anlage.pipeline.manifest import Manifest
from anlage.stats.intervals import paired_mean_difference
from anlage.stats.power import paired_t_power
from anlage.stats.seeds import crossed_difference

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))


def plan() -> None:
    """200 arms, five seeds: a process of its own, start of the interpreter included."""
    import tempfile

    arms = {f"beta-{i:03d}": {"training.beta": round(0.001 * i + 0.0005, 4)} for i in range(200)}
    data = {
        "name": "many",
        "question": "How long does a plan of two hundred arms take?",
        "base": str(ROOT / "examples" / "quickstart.yaml"),
        "arms": arms,
        "outcome": "separation",
        "expect": {"effect": 0.2, "sd": 0.1},
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "study.yaml"
        file.write_text(yaml.safe_dump(data))
        code = (
            "import sys; from anlage.study.design import design; "
            "from anlage.study.planning.plan import make_plan; "
            f"p = make_plan(design({str(file)!r})); "
            "print(len(p.arms), 'arms,', len(p.design.runs), 'runs,', p.calls, 'calls; torch:', "
            "'torch' in sys.modules)"
        )
        for _ in range(3):
            started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            wall = time.perf_counter() - started
            print(f"{done.stdout.strip()}; {spent:.2f} s of CPU, {wall:.2f} s on the clock")


def sharing(folder: Path) -> None:
    """The study's own seconds and calls against 24 trainings, evaluations, one generation."""
    from anlage.pipeline.run import run
    from anlage.study.planning.sharing import LAST_STAGE
    from anlage.study.study import Study

    from tests.helpers.study import write_study
    from tests.helpers.tiny_model import make_tiny_model

    model = make_tiny_model(folder / "model")
    arms = {f"beta-{i}": {"training.beta": 0.1 * (i + 1)} for i in range(7)}
    file = write_study(folder, model, name="sharing", arms=arms, seeds=[0, 1, 2], controls="none")
    study = Study(file)
    planned = study.plan()
    for job in study.open_jobs():  # in this process: starting an interpreter is not measured
        run(job.run.config, until=LAST_STAGE)
    found = study.write()
    stages: dict[str, float] = {}
    calls: dict[str, int] = {}
    for result in found.results.runs:
        for name, record in Manifest(folder / "runs" / result.run.name).stages.items():
            stages[name] = stages.get(name, 0.0) + record.seconds
            calls[name] = calls.get(name, 0) + record.calls
    whole = sum(stages.values())
    first = Manifest(folder / "runs" / found.results.runs[0].run.name).stages
    generation = first["calibration"].seconds + first["pairs"].seconds
    own = stages["training"] + stages["evaluation"] + generation
    trained = found.results.runs[0].model
    assert trained is not None
    print(f"{len(found.results.runs)} runs; planned at most {planned.calls} calls")
    print("calls per stage, all runs:", calls)
    print("seconds per stage, all runs:", {k: round(v, 1) for k, v in stages.items()})
    print(f"all stages / (24 trainings + evaluations + one generation) = {whole / own:.3f}")
    adopted = sum(r.state.adopted for r in found.results.runs)
    print(f"stages taken over: {adopted} (2 of each run but the first: {2 * 23})")


def render(folder: Path) -> None:
    """Reading back a finished study and writing report and tables, in a process of its own."""
    code = (
        "import time; from anlage.study.study import Study; "
        f"f = Study({str(folder / 'study.yaml')!r}).write(); "
        "print(len(f.results.runs), 'runs', len(f.prompts), 'rows', "
        "round(f.report.stat().st_size / 1e3), 'kB', round(time.process_time(), 2), 's of CPU')"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        print(done.stdout.strip())


def simulated(
    seeds: int, prompts: int, effect: float, sd: float, generator: random.Random
) -> tuple[list[list[float]], list[list[float]]]:
    """Two arms on shared prompts: each run shifts its rate, each answer is a coin toss.

    Prompts differ in difficulty and seeds in luck; the true difference of rates is `effect`.
    """
    hard = [generator.uniform(0.3, 0.7) for _ in range(prompts)]
    arms = []
    for shift in (0.0, effect):
        rows = []
        for _ in range(seeds):
            luck = generator.gauss(0.0, sd)
            rows.append(
                [float(generator.random() < min(1, max(0, p + shift + luck))) for p in hard]
            )
        arms.append(rows)
    return arms[0], arms[1]


def power(draws: int = 500) -> None:
    """False positives, power against the plan's figure, coverage of both intervals."""
    generator = random.Random(1)
    prompts, sd = 60, 0.05
    noise = (2 * (sd**2 + 0.22 / prompts)) ** 0.5  # of a paired difference between seeds
    print("seeds effect  planned  t test  crossed   coverage: t  crossed")
    for seeds in (3, 5, 8):
        for effect in (0.0, 0.10, 0.15, 0.20):
            hits = [0, 0]
            covered = [0, 0]
            for _ in range(draws):
                before, after = simulated(seeds, prompts, effect, sd, generator)
                means = [[sum(r) / prompts for r in side] for side in (before, after)]
                for i, found in enumerate(
                    (paired_mean_difference(*means), crossed_difference(before, after))
                ):
                    hits[i] += found.p < 0.05
                    covered[i] += found.interval.contains(effect)
            planned = paired_t_power(seeds, effect / noise) if effect else 0.05
            shares = [h / draws for h in hits]
            cover = [c / draws for c in covered]
            print(
                f"{seeds:5} {effect:6.2f} {planned:8.2f} {shares[0]:7.2f} {shares[1]:8.2f}"
                f" {cover[0]:14.3f} {cover[1]:8.3f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("plan", "sharing", "render", "power"))
    parser.add_argument("folder", nargs="?", type=Path)
    chosen = parser.parse_args()
    commands: dict[str, Any] = {"plan": plan, "power": power}
    if chosen.what in commands:
        commands[chosen.what]()
        return
    if chosen.folder is None:
        parser.error("give a folder")
    {"sharing": sharing, "render": render}[chosen.what](chosen.folder)


if __name__ == "__main__":
    main()
