"""A run whose policy is here and whose critic is a server: to the pairs, and killed on the way."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from anlage.errors import ConfigurationError, OutcomeError
from anlage.llm.chat.settings import ChatSettings
from anlage.pipeline.config import RunConfig, load_config, resolved_text
from anlage.pipeline.run import Run, run

from ..helpers.openai_server import OpenAIServer
from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model

SECRET = "sk-plant-3f2a9d77c1"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


def config_for(folder: Path, model: Path, critic: str) -> RunConfig:
    small = tiny_run_config(folder, model)
    archetypes = small.archetypes.model_copy(update={"only": ("guardian",)})
    return small.model_copy(update={"critic": critic, "archetypes": archetypes})


def test_policy_here_and_critic_on_a_server(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANLAGE_API_KEY", SECRET)
    with OpenAIServer() as server:
        config = config_for(tmp_path / "runs", model, server.spec)
        done = run(config, until="pairs")
        assert server.keys == {f"Bearer {SECRET}"}
        asked = server.calls
        assert asked > 0
        assert len(done.pairs) > 0
        critiques = [pair.calls["critique"] for pair in done.pairs if "critique" in pair.calls]
        assert critiques
        outcomes = json.loads((done.path / "31_outcomes.json").read_text())
        assert sum(outcomes["by_kind"].values()) == outcomes["total"]
        calibration = json.loads((done.path / "20_calibration.json").read_text())
        assert calibration["critic"] == f"chat:openai:{server.url}:tiny"
        again = run(config, until="pairs")
        assert (again.calls, server.calls) == (0, asked)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_a_critic_that_fails_always_stops_the_run_with_the_reason(
    tmp_path: Path, model: Path
) -> None:
    with OpenAIServer(lambda *_: "401") as server:
        config = config_for(tmp_path / "runs", model, server.spec)
        pairs = config.pairs.model_copy(update={"max_failed_share": 0.5})
        with pytest.raises(OutcomeError, match="wrong key"):
            run(config.model_copy(update={"pairs": pairs}), until="pairs")


CHILD = "import sys; from anlage.pipeline.run import run; run(sys.argv[1], until='pairs')"


def killed_at_random(
    folder: Path, model: Path, server: OpenAIServer, moments: int, seed: int
) -> tuple[Run, int]:
    """Runs to the pairs with `moments` kills on the way; returns the run and how many landed."""
    config = config_for(folder, model, server.spec)
    file = folder / "config.yaml"
    folder.mkdir(parents=True)
    file.write_text(resolved_text(config))
    draw, landed = random.Random(seed), 0
    for _ in range(moments):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Some calls on from here, so that every run of the child makes progress.
        target = server.calls + draw.randrange(1, 8)
        deadline = time.monotonic() + draw.uniform(15, 25)
        while child.poll() is None and server.calls < target and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.05))
        landed += child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
    kept, before = stored_calls(folder / "cache.sqlite"), server.calls
    done = run(config, until="pairs")
    # Exact: the last run asks for what is not stored, and for nothing else.
    assert server.calls - before == stored_calls(folder / "cache.sqlite") - kept
    return done, landed


def stored_calls(path: Path) -> int:
    with sqlite3.connect(path) as store:
        rows = store.execute(
            "SELECT COUNT(*) FROM entries WHERE kind = 'call' AND model LIKE 'chat:%'"
        )
        return int(rows.fetchone()[0])


def check_kills(tmp_path: Path, model: Path, moments: int) -> int:
    with OpenAIServer(latency=0.01) as server:
        whole = run(config_for(tmp_path / "whole", model, server.spec), until="pairs")
        expected = (whole.path / "30_pairs.jsonl").read_bytes()
        asked = server.calls
        server.answered.clear()
        done, landed = killed_at_random(tmp_path / "killed", model, server, moments, seed=7)
        assert (done.path / "30_pairs.jsonl").read_bytes() == expected
        assert len(server.answered) == asked  # distinct requests: as many as without kills
    return landed


def test_killed_at_random_moments_the_pairs_are_the_same_bytes(tmp_path: Path, model: Path) -> None:
    assert check_kills(tmp_path, model, 3) > 0


@pytest.mark.slow
def test_killed_at_30_random_moments_the_pairs_are_the_same_bytes(
    tmp_path: Path, model: Path
) -> None:
    assert check_kills(tmp_path, model, 30) > 0


def test_the_limits_of_the_calls_may_change_between_two_starts(tmp_path: Path, model: Path) -> None:
    with OpenAIServer() as server:
        config = config_for(tmp_path / "runs", model, server.spec)
        run(config, until="constitution")
        slower = ChatSettings(in_flight=2, attempts=3)
        run(config.model_copy(update={"chat": slower}), until="calibration")
        assert 1 <= server.most_active <= 2


def test_a_wrong_limit_is_a_problem_of_the_config(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("name: x\nchat: {in_flight: 0}\n")
    with pytest.raises(ConfigurationError, match="at least 1"):
        load_config(file)
    file.write_text("name: x\nchat: {in_fligt: 2}\n")
    with pytest.raises(ConfigurationError, match="in_fligt"):
        load_config(file)
