"""Runs whose answers a server writes: the same report as without, whatever is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import anlage.llm.local.loading as loading
import pytest
import torch
from anlage.errors import ConfigurationError
from anlage.pipeline.config import RunConfig, resolved_text
from anlage.pipeline.models import RunModels
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.run import Run, run
from anlage.pipeline.spending import read_spending
from anlage.store.store import Store

from ..golden.golden import differences
from ..helpers.run import tiny_run_config
from ..helpers.served import Served
from ..helpers.tiny_model import make_tiny_model

CHAT = {"in_flight": 4, "attempts": 600, "backoff": 0.5, "max_wait": 1}
CALLS = re.compile(r"\b(?:local|served):[0-9a-f]{64}|\b[0-9a-f]{64}\b")


@pytest.fixture
def single(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local models in float32, as the servers of these tests compute."""
    monkeypatch.setattr(loading, "best_dtype", lambda: torch.float32)


def config_for(folder: Path, model: Path, name: str, **changes: Any) -> RunConfig:
    data = tiny_run_config(folder / name, model).model_dump(mode="json")
    return RunConfig.model_validate({**data, "chat": CHAT, **changes})


def pairs_of(done: Run, part: str = "30_pairs.jsonl") -> list[Any]:
    rows = [json.loads(line) for line in (done.path / part).read_text("utf-8").splitlines()]
    return [{key: value for key, value in row.items() if key != "calls"} for row in rows]


def plain(file: Path) -> Any:
    """A JSON artefact without the fingerprints and keys of calls."""
    return json.loads(CALLS.sub("*", file.read_text("utf-8")))


def same_evaluation(one: Run, other: Run) -> list[str]:
    """Where two evaluations differ: sums of many log-probabilities by their size."""
    return differences(*(plain(run_.path / "50_evaluation.json") for run_ in (one, other)))


def words_of(done: Run) -> list[str]:
    """What the report shows a reader, up to the appendix of files, config and times."""
    text = re.sub(r"<style.*?</style>|<img[^>]*>", "", done.report.read_text("utf-8"), flags=re.S)
    seen = CALLS.sub("*", re.sub(r"<[^>]+>", "\n", text))
    return [line for line in map(str.strip, seen.splitlines()) if line]


def calls_spent(done: Run) -> int:
    return read_spending(done.path / "spending.jsonl").calls


def test_pairs_with_a_server_are_those_without(tmp_path: Path, single: None) -> None:
    model = make_tiny_model(tmp_path / "model")
    here = run(config_for(tmp_path, model, "local"), until="pairs")
    with Served(model, adapters=tmp_path) as server:
        config = config_for(tmp_path, model, "served", policy_server=server.url)
        there = run(config, until="pairs")
        assert len(pairs_of(there)) > 3
        assert pairs_of(there) == pairs_of(here)
        assert there.calls == here.calls
        with Store(tmp_path / "served" / "cache.sqlite") as store:
            kinds = {entry.model.split(":")[0] for entry in store.entries()}
        assert kinds == {"served"}
        # A run may move to a server and back: what is finished stays.
        moved = run(config.model_copy(update={"policy_server": None}), until="pairs")
        assert "pairs" in moved.skipped
        assert moved.calls == 0


def test_the_identity_of_a_policy_is_its_weights_wherever_it_runs(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model")

    def identities(url: str | None) -> list[str]:
        with Store(tmp_path / "s.sqlite") as store:
            models = RunModels(
                store,
                batch_size=4,
                on_progress=lambda done, total: None,
                policy=str(model),
                policy_server=url,
            )
            served = f"served:{model}@http://127.0.0.1:9/v1"
            return [models.identity(str(model)), models.identity(served)]

    policy, critic = identities("http://127.0.0.1:9/v1")
    assert critic == f"served:{policy}"
    assert identities(None) == [policy, critic]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"policy_server": "127.0.0.1:8000"}, "`policy_server` is wrong: .*not the address"),
        ({"policy_server": "http://u:p@h/v1"}, "must not hold a key"),
        (
            {"policy_server": "http://h/v1", "training": {"method": "full"}},
            "loads adapters, but `training.method` is full",
        ),
        (
            {"model": "served:smollm2-135m@http://h:1"},
            "write `model: smollm2-135m` and `policy_server: http://h:1/v1`",
        ),
        ({"critic": "served:smollm2-135@http://h:1"}, "did you mean `smollm2-135m`"),
        ({"critic": "served:http://h:1"}, "names no model and server"),
    ],
)
def test_a_wrong_server_is_found_before_anything_is_asked(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    config = config_for(tmp_path, make_tiny_model(tmp_path / "model"), "wrong")
    data = config.model_dump(mode="json")
    data["training"] |= changes.pop("training", {})
    with pytest.raises(ConfigurationError, match=said):
        Resolved(RunConfig.model_validate({**data, **changes})).check("run.yaml")


@pytest.mark.slow
def test_rounds_with_a_server_end_with_the_same_report(tmp_path: Path, single: None) -> None:
    model = make_tiny_model(tmp_path / "model")
    here = run(config_for(tmp_path, model, "local", rounds=2))
    with Served(model, adapters=tmp_path) as one, Served(model, adapters=tmp_path) as two:
        # Of three addresses one is dead, and one dies while the run goes on.
        urls = f"http://127.0.0.1:9/v1,{one.url},{two.url}"
        config = config_for(tmp_path, model, "served", rounds=2, policy_server=urls)
        seen: set[str] = set()
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.05):
                seen.update(two.adapter_names())
                if one.process is not None and (tmp_path / "served/tiny/round-2").exists():
                    one.kill()

        watching = threading.Thread(target=watch)
        watching.start()
        there = run(config)
        stop.set()
        watching.join()
        assert one.process is None
        assert two.adapter_names() == []
    assert len(seen) == 2  # after round 1, and the last
    for part in ("round-1/30_pairs.jsonl", "round-2/30_pairs.jsonl"):
        assert pairs_of(there, part) == pairs_of(here, part)
    assert same_evaluation(here, there) == []
    assert calls_spent(there) == calls_spent(here)
    different = [(a, b) for a, b in zip(words_of(here), words_of(there), strict=True) if a != b]
    # Folder, server, and seconds: nothing else.
    kinds = re.compile(r"[\d.]+|(?:\S+: )?\S*(?:/local|/served|null|http)\S*", re.S)
    assert [pair for pair in different if not all(kinds.fullmatch(x) for x in pair)] == []


@pytest.mark.slow
def test_a_kill_of_either_side_loses_and_repeats_nothing(tmp_path: Path, single: None) -> None:
    model = make_tiny_model(tmp_path / "model")
    whole = run(config_for(tmp_path, model, "local"))
    with Served(model, adapters=tmp_path) as server:
        config = config_for(tmp_path, model, "served", policy_server=server.url)
        file = tmp_path / "config.yaml"
        file.write_text(resolved_text(config))
        spent = tmp_path / "served" / "tiny" / "spending.jsonl"
        command = [sys.executable, "-m", "anlage.cli", "run", str(file)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ})
        wait_for(lambda: read_spending(spent).calls > 20)
        process.kill()
        process.wait()

        def kill_the_server() -> None:
            wait_for(lambda: (tmp_path / "served/tiny/40_training/adapter").exists())
            wait_for(lambda: bool(server.adapter_names()))
            server.kill(signal.SIGKILL)
            server.start()

        killing = threading.Thread(target=kill_the_server)
        killing.start()
        again = run(config)
        killing.join()
        assert server.adapter_names() == []
    assert pairs_of(again) == pairs_of(whole)
    assert same_evaluation(whole, again) == []
    # The kill of the run loses what was in flight; the kill of the server, nothing.
    assert calls_spent(whole) <= calls_spent(again) <= calls_spent(whole) + CHAT["in_flight"]


def wait_for(true: Any) -> None:
    until = time.monotonic() + 300
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)
