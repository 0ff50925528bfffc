"""What tiny runs leave: four builders, a measured script, a training, rounds with layers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anlage.llm.scripted import ScriptedModel
from anlage.pipeline.config import RunConfig
from anlage.pipeline.progress import StageProgress
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.run import models_of, run
from anlage.pipeline.run_directory import RunDirectory
from anlage.pipeline.stage import Context
from anlage.pipeline.stages import stages_for
from anlage.pipeline.used_keys import open_store, read_used_keys
from anlage.store.store import KINDS, Store
from rich.console import Console

from .golden import normalised, run_config, same_json, same_text, sha, unpack, workplace

BUILDERS = ("critique_revise", "contrast", "best_of_n", "teacher")
FLOATS = ("evaluation", "report")
"""Stages whose key holds a hash of what a training left, or of measured floats."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder with the archived model; each test makes its runs in one of its own."""
    with workplace(unpack(tmp_path_factory.mktemp("golden"))):
        yield Path()


def stage_table(config: RunConfig) -> dict[str, Any]:
    """Stage -> version, outputs, settings and names of its inputs, of a finished run."""
    resolved = Resolved(config)
    directory = RunDirectory(resolved.folder)
    progress = StageProgress(Console(), quiet=True)
    with open_store(directory) as store:
        models = models_of(resolved, directory, store, progress)
        context = Context(resolved, directory, models, progress)
        return {
            stage.name: {
                "version": stage.version,
                "outputs": list(stage.outputs),
                "settings": sha(json.dumps(stage.settings(resolved), sort_keys=True)),
                "inputs": sorted(stage.inputs(context)),
            }
            for stage in stages_for(resolved)
        }


def manifest_of(folder: Path, *floats: str) -> dict[str, Any]:
    """Keys, calls and outputs; hashes of what holds floats are left out."""
    data = json.loads((folder / "manifest.json").read_text("utf-8"))
    stages = {
        name: {
            "key": "" if name.split("/")[0] in floats else record["key"],
            "calls": record["calls"],
            "adopted": record["adopted"],
            "outputs": sorted(record["outputs"]),
        }
        for name, record in data["stages"].items()
    }
    return {"status": data["status"], "stages": stages}


def files_of(folder: Path) -> list[str]:
    """Every file of a run but those whose names another library chooses."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if "/adapter/" not in name and "checkpoints" not in name)


def load(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))


def calls_of(runs: Path) -> dict[str, Any]:
    """How many values of each kind are stored, and one hash over their keys."""
    with Store(runs / "cache.sqlite") as store:
        found = {kind: [entry.key for entry in store.entries(kind)] for kind in KINDS}
    return {kind: [len(keys), sha("\n".join(sorted(keys)))] for kind, keys in found.items()}


@pytest.mark.parametrize("builder", BUILDERS)
def test_the_pairs_of_every_builder(place: Path, builder: str) -> None:
    """Asked of a script, so to the last byte."""
    labels = "comparison" if builder == "best_of_n" else "calibrated"
    more = {"revisions": 2} if builder == "critique_revise" else {}
    config = RunConfig.model_validate(
        run_config(
            runs=f"scripted/{builder}",
            model="scripted",
            pairs={"builder": builder, "labels": labels, **more},
        )
    )
    done = run(config, until="pairs")
    assert len(done.pairs) > 4
    pairs = (done.path / "30_pairs.jsonl").read_text("utf-8")
    same_text(f"{builder}.30_pairs.jsonl", pairs)
    same_json(
        f"{builder}.json",
        {
            "calls": done.calls,
            "ids": [pair.id for pair in done.pairs],
            "stored": calls_of(Path(config.runs)),
            "manifest": manifest_of(done.path),
            "20": load(done.path / "20_calibration.json"),
            "31": load(done.path / "31_outcomes.json"),
            "32": load(done.path / "32_confounds.json"),
        },
    )


def test_the_measurement_and_the_report_of_a_script(place: Path) -> None:
    config = RunConfig.model_validate(
        run_config(
            runs="measured", model="scripted", untrained=True, evaluation={"system": "constitution"}
        )
    )
    done = run(config)
    assert done.calls > 0
    same_json(
        "measured.json",
        {
            "files": files_of(done.path),
            "manifest": manifest_of(done.path, "report"),
            "stages": stage_table(config),
            "stored": calls_of(Path(config.runs)),
            "50": load(done.path / "50_evaluation.json"),
        },
    )
    same_text("measured.60_report.html", normalised(done.report.read_text("utf-8")))


def test_a_training(place: Path) -> None:
    config = RunConfig.model_validate(run_config(runs="trained"))
    done = run(config)
    assert done.skipped == ()
    same_text("10_constitution.yaml", (done.path / "10_constitution.yaml").read_text("utf-8"))
    same_text("config.yaml", (done.path / "config.yaml").read_text("utf-8"))
    same_text("trained.30_pairs.jsonl", (done.path / "30_pairs.jsonl").read_text("utf-8"))
    metrics = (done.path / "40_training" / "metrics.jsonl").read_text("utf-8").splitlines()
    stored = calls_of(Path(config.runs))
    same_json(
        "trained.json",
        {
            "files": files_of(done.path),
            "manifest": manifest_of(done.path, *FLOATS),
            "stages": stage_table(config),
            # Calls and scores of the trained model are keyed by its weights.
            "stored": {**{k: v[0] for k, v in stored.items()}, "reference": stored["reference"]},
            "31": load(done.path / "31_outcomes.json"),
            "32": load(done.path / "32_confounds.json"),
            "metrics": [json.loads(line) for line in metrics],
            "reference": load(done.path / "40_training" / "reference.json"),
            "training": load(done.path / "40_training" / "training.json"),
            "result": sorted(load(done.path / "40_training" / "result.json")),
            "50": without_keys(load(done.path / "50_evaluation.json")),
        },
    )
    same_text("trained.60_report.html", normalised(done.report.read_text("utf-8"), trained=True))


def without_keys(data: Any) -> Any:
    """An evaluation without what is keyed by trained weights, and without p-values."""
    if isinstance(data, list):
        return [without_keys(item) for item in data]
    if not isinstance(data, dict):
        return data
    hidden = {"p", "p_holm"} | ({"key"} if "verdict" in data else set())
    hidden |= {"fingerprint"} if data.get("name") != "base" else set()
    return {k: "" if k in hidden else without_keys(v) for k, v in data.items()}


@pytest.mark.slow
def test_rounds_and_layers(place: Path) -> None:
    """Names, stages and fields; the numbers of three trainings are not frozen."""
    monitors = {"checks": 1, "check_pairs": 2, "re_injury": "warn", "kl_budget": "warn"}
    config = RunConfig.model_validate(
        run_config(
            runs="layered",
            rounds=2,
            calibration={"limit": 2},
            prompts={"limit": 2},
            training={"max_length": 1024},
            evaluation={"limit": 1, "probe_limit": 1},
            layers=[
                {"name": "arcs", "kind": "sft", "data": "arcs", "themes": ["truth"], "limit": 2},
                {"name": "values", "kind": "dpo", "replay": 0.25},
            ],
            conditions={"monitors": monitors},
        )
    )
    done = run(config, until="evaluation")
    layers = sorted((done.path / "40_training").glob("*/layer.json"))
    forgetting = load(done.path / "40_training" / "forgetting.json")
    floats = ("pairs", "training", *FLOATS)  # later rounds read trained weights
    same_json(
        "layered.json",
        {
            "files": files_of(done.path),
            "manifest": manifest_of(done.path, *floats),
            "first keys": first_keys(config, done.path),
            "stages": stage_table(config),
            "layers": {path.parent.name: list(load(path)) for path in layers},
            "forgetting": [list(forgetting), [list(row) for row in forgetting["rows"]]],
            "models": [model.name for model in done.evaluation.models],
        },
    )


def first_keys(config: RunConfig, folder: Path) -> dict[str, str]:
    """Keys of what comes before any training has ended."""
    stages = load(folder / "manifest.json")["stages"]
    return {stage.name: stages[stage.name]["key"] for stage in stages_for(Resolved(config))[:4]}


def test_the_call_keys_that_a_run_writes_down(place: Path) -> None:
    config = RunConfig.model_validate(run_config(runs="keys", model="scripted"))
    done = run(config, until="calibration")
    used = sorted(read_used_keys(done.path / "used_keys.txt"))
    same_json("used_keys.json", [ScriptedModel().fingerprint, len(used), used[:3], used[-3:]])
