"""What tiny studies leave: one of scripts in processes of their own, one with trainings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from anlage.cli.render.study import plan_text
from anlage.pipeline.config import resolved_text
from anlage.pipeline.run import run
from anlage.study.planning.frozen_plan import declared, freeze
from anlage.study.planning.sharing import LAST_STAGE, jobs_of, keys_of
from anlage.study.study import Study
from rich.console import Console

from .golden import normalised, run_config, same_json, same_text, sha, unpack, workplace


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with workplace(unpack(tmp_path_factory.mktemp("study"))):
        yield Path()


def write(name: str, base: dict[str, Any], **changes: Any) -> Path:
    data: dict[str, Any] = {
        "name": name,
        "question": "Does it matter to so small a model?",
        "base": {key: value for key, value in base.items() if key not in ("name", "runs")},
        "controls": "none",
        "seeds": [0, 1],
        "outcome": "margin",
        "secondary": ["defended"],
        "no_harm": [{"outcome": "perplexity", "margin": 0.05}],
        "runs": name,
    }
    file = Path(f"{name}.yaml")
    file.write_text(yaml.safe_dump(data | changes, sort_keys=False), encoding="utf-8")
    return file


def planned(study: Study) -> str:
    """The plan as the terminal shows it."""
    console = Console(file=StringIO(), width=100, color_system=None)
    console.print(plan_text(study.plan()))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def drawn_up(study: Study) -> dict[str, Any]:
    """All that is settled before anything is run."""
    design = study.design
    return {
        "runs": [
            {
                "name": planned.name,
                "arm": planned.arm,
                "seed": planned.seed,
                "keys": sha(repr([getattr(keys_of(planned.config), k) for k in KEYS])),
                "config": sha(resolved_text(planned.config)),
            }
            for planned in design.runs
        ],
        "jobs": [[job.run.name, sorted(job.after)] for job in jobs_of(design.runs)],
        "declared": declared(design),
        "warnings": list(design.warnings),
    }


KEYS = ("data", "training", "base", "evaluation")


def tables(study: Study, *left_out: str) -> dict[str, Any]:
    found = study.result()
    frames = {
        "runs": found.runs,
        "measures": found.measures,
        "comparisons": found.comparison_table,
        "prompts": found.prompts,
    }
    return {
        name: {
            "columns": list(frame.columns),
            "rows": json.loads(
                frame.drop(columns=list(left_out), errors="ignore").to_json(
                    orient="values", double_precision=12
                )
            ),
        }
        for name, frame in frames.items()
    }


def test_a_study_of_scripts(place: Path) -> None:
    """Its runs are processes of their own, as `anlage study run` starts them."""
    base = run_config(model="scripted", untrained=True)
    arms = {"polite": {"evaluation.system": "Be polite."}}
    study = Study(write("scripts", base, arms=arms))
    same_text("scripts.plan.txt", planned(study))
    before = drawn_up(study)
    found = study.run(parallel=2)
    assert found.results.unfinished == []
    names = sorted(path.name for path in study.folder.iterdir())
    same_json("scripts.json", {**before, "files": names, "tables": tables(study, "seconds")})
    page = found.report.read_text("utf-8")
    same_text("scripts.report.html", minutes_hidden(normalised(page)))


def trained_base() -> dict[str, Any]:
    return run_config(evaluation={"limit": 2, "failure_modes": ["sycophancy"]})


WEAK: dict[str, Any] = {"weak": {"training.beta": 0.5}}


def test_a_study_with_every_control_is_drawn_up(place: Path) -> None:
    controls = ["base", "system_prompt", "plain_hhh", "shuffled", "no_critique"]
    study = Study(write("drawn", trained_base(), arms=WEAK, controls=controls))
    same_text("drawn.plan.txt", planned(study))
    configs = "---\n".join(resolved_text(one.config) for one in study.design.runs)
    same_text("drawn.configs.yaml", configs)
    same_json("drawn.json", drawn_up(study))


@pytest.mark.slow
def test_a_study_of_trainings(place: Path) -> None:
    """Run in this process; without the numbers that small differences of floats decide."""
    study = Study(write("trainings", trained_base(), arms=WEAK, vary="train"))
    freeze(study.design, study.folder, finished=0)
    for one in study.design.runs:
        run(one.config, until=LAST_STAGE)
    found = study.write()
    assert found.results.unfinished == []
    hidden = ("seconds", "p", "p_holm", "verdict", "low", "high", *SAME_PROMPTS)
    same_json("trainings.json", {**drawn_up(study), "tables": tables(study, *hidden)})
    page = found.report.read_text("utf-8")
    same_text("trainings.report.html", minutes_hidden(normalised(page, trained=True)))


SAME_PROMPTS = ("low_same_prompts", "high_same_prompts")


def minutes_hidden(page: str) -> str:
    """The table of costs without its minutes."""
    lines = page.splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if "<h2>Cost</h2>" in line)
    cost = next(i for i in range(start + 1, len(lines)) if "</section>" in lines[i])
    for i in range(start, cost + 1):
        cells = lines[i].split("</td>")
        if len(cells) > 4:
            cells[3] = "<td>*"
            lines[i] = "</td>".join(cells)
    return "".join(lines)
