from __future__ import annotations

import asyncio
import contextvars
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import anlage
import pytest
from anlage.critic.critic import Critic
from anlage.critic.critique import CritiqueItem
from anlage.critic.reward import PrincipleReward
from anlage.llm.request import Completion, Request
from anlage.llm.run_sync import run_sync
from anlage.llm.scripted import ScriptedModel
from anlage.pipeline.run import run
from anlage.preferences.build import build_pairs
from anlage.preferences.pair import Pair
from anlage.preferences.settings import PairSettings

from ..helpers.pairs import make_constitution, make_principle, make_prompt, make_prompts, write
from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model

SECRET: contextvars.ContextVar[str] = contextvars.ContextVar("SECRET", default="")


async def thread_after_a_pause() -> str:
    await asyncio.sleep(0)
    return f"{threading.current_thread().name} {SECRET.get()}"


def test_without_a_loop_it_runs_here() -> None:
    assert run_sync(thread_after_a_pause()) == f"{threading.current_thread().name} "


def test_in_a_running_loop_it_runs_beside_it_with_the_callers_context() -> None:
    async def cell() -> str:
        SECRET.set("kept")
        return run_sync(thread_after_a_pause())

    assert asyncio.run(cell()) == "run_sync kept"


def test_what_the_coroutine_raises_is_raised_in_both_places() -> None:
    async def broken() -> None:
        raise LookupError("no river")

    async def cell() -> None:
        run_sync(broken())

    calls: list[Callable[[], None]] = [lambda: run_sync(broken()), lambda: asyncio.run(cell())]
    for call in calls:
        with pytest.raises(LookupError, match="no river"):
            call()


INTERRUPTED = """
import asyncio, signal, sys
from anlage.llm.run_sync import run_sync

async def long():
    print("waiting", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        print("cancelled", flush=True)

# A shell that starts its jobs in the background has them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)

def cell():
    loop = asyncio.new_event_loop()
    asyncio._set_running_loop(loop)  # as a notebook's kernel: our thread has a running loop
    try:
        run_sync(long())
    except KeyboardInterrupt:
        print("interrupted", flush=True)

cell()
"""


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_an_interrupt_stops_the_coroutine_before_it_goes_on() -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "waiting\n"
    started.send_signal(signal.SIGINT)
    said, _ = started.communicate(timeout=30)
    assert said.split() == ["cancelled", "interrupted"]


def test_pairs_and_their_order_are_the_same_in_a_running_loop() -> None:
    def build() -> tuple[list[Pair], list[Request]]:
        model = ScriptedModel(write, name="all")
        pairs = build_pairs(
            make_constitution(), make_prompts(3), policy=model, settings=PairSettings()
        )
        return list(pairs), model.requests

    async def cell() -> tuple[list[Pair], list[Request]]:
        return build()

    assert asyncio.run(cell()) == build()
    assert len(build()[0]) > 0


def test_a_critic_works_in_a_running_loop() -> None:
    principle = make_principle("no-harm", "harmful_compliance")
    item = CritiqueItem(make_prompt(1, "at_risk"), "Go in by the front door.", principle)
    model = ScriptedModel(write, name="all")

    async def cell() -> tuple[object, object]:
        reward = PrincipleReward(model, (principle,))
        return Critic(model).critique([item]), reward(["How?"], ["Go in."])

    found, rewards = asyncio.run(cell())
    assert found == Critic(model).critique([item])
    assert rewards == PrincipleReward(model, (principle,))(["How?"], ["Go in."])


def test_a_run_with_its_training_and_evaluation_works_in_a_running_loop(tmp_path: Path) -> None:
    config = tiny_run_config(tmp_path / "runs", make_tiny_model(tmp_path / "model"))

    async def cell() -> Path:
        return run(config).path

    done = asyncio.run(cell())
    assert (done / "50_evaluation.json").exists()
    assert (done / "60_report.html").exists()


def test_only_this_module_starts_event_loops() -> None:
    root = Path(anlage.__file__).parent
    aside = {"tests", "benchmarks", "docs", "examples", "build", "dist"}
    starts = re.compile(r"\basyncio\.(run|Runner|new_event_loop)\(|run_until_complete\(")
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if not any(p.startswith(".") or p in aside for p in path.relative_to(root).parts)
        and starts.search(path.read_text("utf-8"))
    }
    assert found == {"llm/run_sync.py"}


def test_a_model_with_only_what_is_needed_gets_the_defaults() -> None:
    class Own:
        fingerprint = "own"

        async def complete(self, requests: list[Request]) -> list[Completion]:
            return [Completion(write(request) or "") for request in requests]

        async def score(self, texts: list[tuple[Request, str]]) -> list[object]:
            raise AssertionError("nothing is scored here")

    settings = PairSettings(builder="contrast")
    pairs = build_pairs(make_constitution(), make_prompts(2), policy=Own(), settings=settings)  # type: ignore[arg-type]
    assert len(pairs) > 0
