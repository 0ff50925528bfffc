"""What can be known of a run before its first call is said before it, all at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from anlage.cli.app import app
from anlage.errors import ConfigurationError, RunDirectoryError
from anlage.pipeline.config import RunConfig
from anlage.pipeline.manifest import Manifest
from anlage.pipeline.preflight import preflight
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.run import run
from anlage.store.store import Store
from typer.testing import CliRunner

from ..helpers.openai_server import OpenAIServer
from ..helpers.run import tiny_run_config

NOBODY = "openai:tiny@http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def keyless(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANLAGE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def written(folder: Path, **changes: Any) -> Path:
    data = {"name": "x", "runs": str(folder / "runs"), "prompts": {"sets": ["harm"]}} | changes
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def own_archetype(folder: Path) -> str:
    """The shipped ally under a name of its own: it guards against nothing in `harm`."""
    shipped = (Path(__file__).parents[2] / "archetypes" / "library" / "ally.yaml").read_text()
    path = folder / "neighbour.yaml"
    path.write_text(re.sub(r"^id: ally$", "id: neighbour", shipped, flags=re.MULTILINE))
    return str(path)


@pytest.mark.parametrize(
    ("changes", "code", "key", "fix"),
    [
        ({"archetypes": {"path": "OWN"}}, "R012", "path:", "library: [guardian]"),
        ({"archetypes": {"only": ["sage", "ally"]}}, "R012", "only:", "library: [guardian]"),
        ({"model": "openai:gpt-4o-mini"}, "R011", "model:", "smollm2-135m"),
        ({"critic": "gpt-4o-mini"}, "R010", "critic:", "openai:gpt-4o-mini"),
        ({"model": "smolm2-135m"}, "T011", "model:", "smollm2-135m"),
        ({"critic": "openai:gpt-4o-mini"}, "M002", "critic:", "set it"),
        ({"critic": NOBODY}, "M003", "critic:", "start the server"),
    ],
)
def test_a_run_that_cannot_work_is_refused_with_the_way_out_and_nothing_asked(
    tmp_path: Path, changes: dict[str, Any], code: str, key: str, fix: str
) -> None:
    if changes.get("archetypes", {}).get("path"):
        changes = {"archetypes": {"path": own_archetype(tmp_path)}}
    path = written(tmp_path, **changes)
    done = CliRunner().invoke(app, ["run", str(path), "--dry-run"])
    said = f"{done.exception}\n{done.output}"
    (line,) = [line for line in said.splitlines() if f" error {code}:" in line]
    number = int(line.removeprefix(f"{path}:").split(":")[0])
    assert path.read_text().splitlines()[number - 1].strip().startswith(key)
    assert fix in line
    assert done.exit_code != 0
    with pytest.raises(ConfigurationError, match=code):
        run(path)
    assert not (tmp_path / "runs").exists()  # no store, so no call; no directory, so no name


def test_all_is_said_at_once_and_lint_only_warns_of_this_machine(tmp_path: Path) -> None:
    path = written(tmp_path, critic=NOBODY, archetypes={"only": ["sage", "ally"]})
    found = {p.code: p.severity for p in preflight(Resolved.load(path), str(path))}
    assert found == {"R012": "error", "M003": "error"}
    path = written(tmp_path, critic=NOBODY)
    done = CliRunner().invoke(app, ["lint", str(path)])
    assert done.exit_code == 0, done.output
    assert "warning M003" in done.output


def test_an_archetype_without_prompts_and_a_mode_without_measure_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, archetypes={"only": ["guardian", "ally"]})
    (found,) = preflight(Resolved.load(path), str(path), environment=None)
    assert (found.code, found.severity) == ("R013", "warning")
    assert "`ally` changes nothing here" in found.message


def test_a_server_may_be_gone_once_its_answers_are_stored(tmp_path: Path) -> None:
    with OpenAIServer() as server:
        path = written(
            tmp_path,
            model="scripted",
            critic=server.spec,
            prompts={"sets": ["harm"], "limit": 2},
            calibration={"limit": 4},
            pairs={"max_failed_share": 1.0},
        )
        done = run(path, until="calibration")
        assert done.calls == server.calls > 0
        assert done.spent.calls == server.calls
        assert "model calls" in done.cost
        assert "tokens, at an unknown price" in done.cost
    assert run(path, until="calibration").calls == 0


def config(folder: Path, **changes: Any) -> RunConfig:
    data = tiny_run_config(folder / "runs", Path("scripted")).model_dump(mode="json")
    return RunConfig.model_validate(data | changes)


def test_a_changed_config_goes_on_where_nothing_finished_depends_on_it(tmp_path: Path) -> None:
    run(config(tmp_path), until="constitution")
    changed = config(tmp_path, calibration={"limit": 8}, batch_size=2)
    done = run(changed, until="calibration")
    assert set(Manifest(done.path).changes[0]["changed"]) == {"batch_size", "calibration.limit"}
    evaluation = changed.evaluation.model_copy(update={"max_tokens": 16})
    later = changed.model_copy(update={"evaluation": evaluation})
    assert run(later, until="calibration").calls == 0
    assert len(Manifest(done.path).changes) == 2
    shown = CliRunner().invoke(app, ["runs", "show", str(done.path)]).output
    assert "All starts: " in shown
    assert "evaluation.max_tokens" in shown


def test_a_change_of_what_is_finished_is_refused_and_new_takes_the_next_name(
    tmp_path: Path,
) -> None:
    first = run(config(tmp_path), until="calibration")
    kept = (first.path / "manifest.json").read_bytes()
    other = config(tmp_path, archetypes={"only": ["guardian"]})
    with pytest.raises(RunDirectoryError, match=r"has finished calibration.*--new") as caught:
        run(other, until="calibration")
    assert "archetypes.only" in str(caught.value)
    assert (first.path / "manifest.json").read_bytes() == kept
    for _ in range(2):  # the second time it is there already
        assert run(other, until="constitution", new=True).path.name == "tiny-2"


def test_many_paid_calls_are_asked_about_and_few_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OpenAIServer() as server:
        calibrate = ["critic", "calibrate", server.spec, "--runs", str(tmp_path)]
        invoke = CliRunner().invoke
        shown = invoke(app, [*calibrate, "--dry-run"])
        assert (shown.exit_code, server.calls) == (0, 0)
        assert "1,744 calls" in shown.output
        assert "unknown price" in shown.output
        refused = invoke(app, calibrate)
        assert isinstance(refused.exception, ConfigurationError)
        assert "R015" in str(refused.exception)
        assert server.calls == 0
        assert not (tmp_path / "cache.sqlite").exists()
        assert invoke(app, [*calibrate, "--limit", "8"]).exit_code == 0
        few = server.calls
        assert 0 < few <= 50
        stored = invoke(app, [*calibrate, "--limit", "8", "--dry-run"])
        assert "at most 0 calls" in stored.output
        capped = invoke(app, [*calibrate, "--limit", "80", "--max-calls", "60", "--yes"])
        assert "max_calls: 60" in str(capped.exception)
        assert server.calls <= few + 60
    with Store(tmp_path / "cache.sqlite") as store:
        assert store.count("call") == server.calls


@pytest.mark.parametrize(
    "command",
    [
        ["critic", "pilot", "MODEL"],
        ["critic", "injection", "MODEL"],
        ["critic", "agreement", "MODEL", "MODEL"],
        ["refine", "MODEL"],
        ["stories", "make", "sage", "--out", "x.jsonl", "--model", "MODEL", "--per-mode", "60"],
        ["evaluate", "MODEL", "--suites", "twins-dev"],
    ],
)
def test_every_command_that_spends_estimates_and_asks(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with OpenAIServer() as server:
        words = [server.spec if word == "MODEL" else word for word in command]
        shown = CliRunner().invoke(app, [*words, "--dry-run"])
        assert shown.exit_code == 0, shown.exception
        assert re.search(r"at most [1-9]", shown.output)
        refused = CliRunner().invoke(app, words)
        assert isinstance(refused.exception, ConfigurationError)
        assert "--yes" in str(refused.exception)
        assert server.calls == 0
    assert not list(tmp_path.rglob("cache.sqlite"))


def test_a_run_asks_before_paid_calls_unless_a_budget_has_agreed(tmp_path: Path) -> None:
    with OpenAIServer() as server:
        changes: dict[str, Any] = {"model": "scripted", "critic": server.spec}
        path = written(tmp_path, **changes)
        refused = CliRunner().invoke(app, ["run", str(path)])
        assert "R015" in str(refused.exception)
        assert server.calls == 0
        path = written(tmp_path, **changes, budget={"max_calls": 1})
        stopped = CliRunner().invoke(app, ["run", str(path)])
        assert "the budget is used up" in str(stopped.exception)
