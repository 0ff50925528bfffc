"""Layers and rounds of a whole run on a tiny real model."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from anlage.errors import ConfigurationError, TrainingError
from anlage.pipeline.config import RunConfig, load_config, resolved_text
from anlage.pipeline.preflight import check_config
from anlage.pipeline.run import Run, run

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


def layered(folder: Path, model: Path, **changes: Any) -> RunConfig:
    """Two kinds of layers, a third that does harm; every monitor only warns unless told."""
    plain = tiny_run_config(folder, model).model_dump(mode="json")
    plain["archetypes"] = {"only": ["guardian", "explorer"]}
    plain["training"] |= {"max_length": 1024, "learning_rate": 0.002, "epochs": 1}
    plain["calibration"] = {"limit": 4}
    plain["prompts"]["limit"] = 6
    plain["evaluation"] |= {"probe_limit": 2, "limit": 1}
    plain["layers"] = [
        {"name": "arcs", "kind": "sft", "data": "arcs", "themes": ["truth"], "limit": 4},
        {"name": "values", "kind": "dpo", "archetypes": ["guardian"]},
        {"name": "answers", "kind": "sft", "data": "questions", "limit": 4, "replay": 0.5},
    ]
    plain["conditions"] = {
        "monitors": {"checks": 1, "check_pairs": 2, "re_injury": "warn", "kl_budget": "warn"}
    }
    return RunConfig.model_validate({**plain, **changes})


@pytest.fixture(scope="module")
def finished(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, Run]:
    config = layered(tmp_path_factory.mktemp("runs"), model)
    return config, run(config)


def test_every_layer_leaves_checkpoint_manifest_and_probe(
    finished: tuple[RunConfig, Run],
) -> None:
    _, done = finished
    training = done.path / "40_training"
    for name in ("1-arcs", "2-values", "3-answers"):
        for file in ("adapter/adapter_model.safetensors", "layer.json", "checks.jsonl"):
            assert (training / name / file).is_file(), f"{name}/{file}"
    record = json.loads((training / "3-answers" / "layer.json").read_text())
    assert record["rows"] == 8  # 4 of its own, as many from earlier layers
    assert (training / "adapter" / "adapter_model.safetensors").read_bytes() == (
        training / "3-answers" / "adapter" / "adapter_model.safetensors"
    ).read_bytes()
    stages = json.loads((done.path / "manifest.json").read_text())["stages"]
    assert {"training/1-arcs", "training/2-values", "training/3-answers", "training"} <= set(stages)


def test_the_forgetting_matrix_has_a_row_for_every_layer(finished: tuple[RunConfig, Run]) -> None:
    _, done = finished
    rows = json.loads((done.path / "40_training" / "forgetting.json").read_text())["rows"]
    assert [row["label"] for row in rows] == ["before training", "arcs", "values", "answers"]
    assert all("harmful_compliance" in row["modes"] for row in rows)
    for before, after in itertools.pairwise(rows):
        for mode, cell in after["modes"].items():
            assert cell["change"] == pytest.approx(
                cell["mean"] - before["modes"][mode]["mean"], abs=1e-9
            )


def test_steps_count_on_over_the_layers(finished: tuple[RunConfig, Run]) -> None:
    _, done = finished
    lines = (done.path / "40_training" / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(set(steps))
    assert {json.loads(line)["layer"] for line in lines} == {"arcs", "values", "answers"}


def test_a_layered_run_repeats_nothing(finished: tuple[RunConfig, Run]) -> None:
    config, _ = finished
    second = run(config)
    assert second.calls == 0
    assert len(second.skipped) == 9


def test_only_layers_from_the_damaged_one_on_run_again(finished: tuple[RunConfig, Run]) -> None:
    config, done = finished
    damaged = done.path / "40_training" / "2-values"
    before = (damaged / "adapter" / "adapter_model.safetensors").read_bytes()
    (damaged / "reference.json").write_text("{}")  # as if damaged by hand
    second = run(config)
    assert {"training/1-arcs", "training/3-answers"} <= set(second.skipped)
    assert "training/2-values" not in second.skipped
    assert (damaged / "adapter" / "adapter_model.safetensors").read_bytes() == before
    assert (done.path / "40_training" / "2-values.old").is_dir()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"name": "a", "kind": "sft"}], "names no `data`"),
        ([{"name": "a", "kind": "dpo"}, {"name": "a", "kind": "dpo"}], "occur twice: a"),
        ([{"name": "a", "kind": "dpo", "rat": 1.0}], "rat"),
        ([{"name": "a", "kind": "sft", "data": "arcs", "flipped": True}], "only pairs"),
    ],
)
def test_a_layer_that_cannot_be_is_refused(
    layers: list[dict[str, Any]], message: str, tmp_path: Path, model: Path
) -> None:
    data = tiny_run_config(tmp_path, model).model_dump(mode="json") | {"layers": layers}
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(data))
    with pytest.raises(ConfigurationError, match=message):
        load_config(file)


@pytest.mark.slow
def test_two_rounds_draft_with_the_model_of_the_first(tmp_path: Path, model: Path) -> None:
    data = tiny_run_config(tmp_path, model).model_dump(mode="json")
    data |= {
        "rounds": 2,
        "archetypes": {"only": ["guardian", "explorer"]},
        "calibration": {"limit": 4},
        "evaluation": {**data["evaluation"], "probe_limit": 2},
        "conditions": {"monitors": {"checks": 1, "re_injury": "warn", "kl_budget": "off"}},
    }
    data["training"] |= {"epochs": 1, "learning_rate": 0.02}
    config = RunConfig.model_validate(data)
    done = run(config)
    first, second = (
        [json.loads(x) for x in (done.path / f"round-{n}" / "30_pairs.jsonl").open()]
        for n in (1, 2)
    )
    assert {pair["round"] for pair in first} == {0}
    assert {pair["round"] for pair in second} == {1}
    calls = [{tuple(pair["calls"]["draft"]) for pair in pairs} for pairs in (first, second)]
    assert calls[0].isdisjoint(calls[1])
    assert [model.name for model in done.evaluation.models] == ["base", "round-1", "trained"]
    assert len(done.pairs) == len(first) + len(second)
    reference = json.loads((done.path / "round-2" / "40_training" / "reference.json").read_text())
    assert reference["reference"] == "initial"
    assert run(config).calls == 0


def test_a_second_round_without_fresh_data_takes_the_first_ones_pairs(
    tmp_path: Path, model: Path
) -> None:
    data = tiny_run_config(tmp_path, model).model_dump(mode="json")
    data |= {
        "rounds": 2,
        "calibration": {"limit": 2},
        "evaluation": {**data["evaluation"], "probe_limit": 1},
        "conditions": {"data": {"refresh": False}, "monitors": {"checks": 1, "kl_budget": "off"}},
    }
    data["training"] |= {"epochs": 1}
    done = run(RunConfig.model_validate(data), until="training")
    files = [done.path / f"round-{n}" / "30_pairs.jsonl" for n in (1, 2)]
    assert files[0].read_bytes() == files[1].read_bytes()
    folders = [done.path / f"round-{n}" / "40_training" for n in (1, 2)]
    weights = [next(folder.rglob("*.safetensors")).read_bytes() for folder in folders]
    assert weights[0] != weights[1]  # the second round went on from the first


def test_a_run_of_before_is_still_the_same_run(tmp_path: Path, model: Path) -> None:
    """A run directory written before rounds and layers existed is not refused."""
    config = tiny_run_config(tmp_path, model)
    run(config, until="constitution")
    file = tmp_path / "tiny" / "config.yaml"
    text = file.read_text()
    start, end = text.index("rounds:"), text.index("chat:")
    file.write_text(text[:start] + text[end:])
    assert run(config, until="constitution").skipped == ("constitution",)
    assert file.read_text() == resolved_text(config)


@pytest.mark.slow
def test_killed_in_any_layer_a_run_ends_with_the_same_bytes(
    finished: tuple[RunConfig, Run], tmp_path: Path, model: Path
) -> None:
    from .test_run import kill_when

    _, whole = finished
    config = layered(tmp_path, model)
    file = tmp_path / "config.yaml"
    file.write_text(resolved_text(config))
    training = tmp_path / "tiny" / "40_training"
    for name in ("1-arcs", "2-values", "3-answers"):
        kill_when(file, lambda name=name: any((training / name).glob("checkpoints/*/*")))  # type: ignore[misc]
    done = run(config)
    for name in ("1-arcs", "2-values", "3-answers"):
        weights = f"40_training/{name}/adapter/adapter_model.safetensors"
        assert (done.path / weights).read_bytes() == (whole.path / weights).read_bytes(), name


def test_a_layer_that_a_monitor_stops_ends_the_run_with_an_error(
    tmp_path: Path, model: Path
) -> None:
    """Nothing later is skipped in silence; where the monitor only warns, all are trained."""
    config = layered(tmp_path, model)
    plain = config.model_dump(mode="json")
    plain["layers"][0]["learning_rate"] = 1e-12
    with pytest.raises(TrainingError, match=r"stopped the training in arcs.*values, answers"):
        run(RunConfig.model_validate(plain))
    folder = Path(config.runs) / config.name
    assert json.loads((folder / "manifest.json").read_text())["status"]["state"] == "failed"
    assert not (folder / "40_training/2-values").exists()
    with pytest.raises(TrainingError, match="stopped the training in arcs"):
        run(RunConfig.model_validate(plain))
    plain |= {"name": "warned"}
    plain["conditions"]["monitors"]["dead_rate"]["policy"] = "warn"
    folder = folder.with_name("warned")
    run(RunConfig.model_validate(plain), until="training")
    records = [
        json.loads((folder / "40_training" / name / "layer.json").read_text())
        for name in ("1-arcs", "2-values", "3-answers")
    ]
    assert all(record["steps"] and not record["stops_run"] for record in records)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prompts": {"sets": ["harms"]}}, "no prompt set 'harms' for the split 'train'"),
        ({"evaluation": {"sets": ["harms"]}}, "no prompt set 'harms' for the split 'dev'"),
        (
            {"layers": [{"name": "a", "kind": "sft", "data": "arcs", "themes": ["shadwo"]}]},
            "did you mean `shadow`",
        ),
    ],
)
def test_sets_and_themes_that_do_not_exist_are_refused_at_once(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        check_config(RunConfig.model_validate({"name": "x"} | changes), "run.yaml", ())
