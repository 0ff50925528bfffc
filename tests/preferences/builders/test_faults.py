"""A critic on a server that misbehaves: every attempt ends once, nothing is lost or paid twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from anlage.critic.reward import PrincipleReward
from anlage.errors import OutcomeError
from anlage.llm.cached import CachedModel
from anlage.llm.chat.model import ChatModel
from anlage.llm.chat.settings import ChatSettings
from anlage.llm.chat.spec import parse_chat_spec
from anlage.llm.scripted import ScriptedModel
from anlage.preferences.builders.attempt import BuildResult
from anlage.preferences.builders.registry import get_builder
from anlage.preferences.builders.roles import Models
from anlage.preferences.settings import PairSettings
from anlage.store.store import Store

from ...helpers.openai_server import Fault, OpenAIServer
from ...helpers.pairs import KeyedModel, make_constitution, make_prompts, write

PASSING = ("429", "500", "slow", "drop", "cut", "empty")
STAYING = ("filter", "400", "malformed", "length")
TWINS = 10


def faults(seed: int, share: float) -> Fault:
    """Some bodies always meet the same fault; a storm of 429s hits the first calls."""

    def fault(number: int, name: str, seen: int) -> str:
        draw = random.Random(f"{seed}{name}")
        if number <= 8 and seed % 2:
            return "429"
        value = draw.random()
        if value < 0.2:
            return draw.choice(STAYING)
        return draw.choice(PASSING) if value < 0.2 + share and seen < 2 else ""

    return fault


def critic_on(server: OpenAIServer) -> ChatModel:
    spec = parse_chat_spec(server.spec)
    assert spec is not None
    settings = ChatSettings(in_flight=8, attempts=5, call_timeout=0.4, backoff=0.01)
    return ChatModel(spec, settings=settings)


def build(critic: CachedModel, **changes: object) -> BuildResult:
    policy = KeyedModel(ScriptedModel(write, name="all"))
    settings = PairSettings.model_validate({"max_failed_share": 1.0, **changes})
    made = get_builder("critique_revise")(
        make_prompts(TWINS),
        make_constitution(),
        Models(policy, critic, critic, allows=lambda mode, role: role == "at_risk"),
        settings,
    )
    return asyncio.run(made)


@pytest.mark.parametrize("seed", range(4))
def test_every_attempt_ends_once_and_no_stored_call_is_paid_twice(
    seed: int, tmp_path: Path
) -> None:
    with (
        OpenAIServer(faults(seed, 0.5), slow_seconds=0.6) as server,
        Store(tmp_path / "cache.sqlite") as store,
    ):
        result = build(CachedModel(critic_on(server), store))
        prompts = [prompt.id for prompt in make_prompts(TWINS)]
        assert [a.prompt_id for a in result.outcomes.attempts] == prompts
        assert sum(result.outcomes.by_kind.values()) == len(prompts)
        made = {
            a.prompt_id for a in result.outcomes.attempts if a.outcome.kind in ("ok", "repaired")
        }
        assert made == {pair.prompt_id for pair in result.pairs}
        bad = [a.outcome for a in result.outcomes.attempts if a.prompt_id not in made]
        assert bad
        assert all(outcome.reason for outcome in bad)
        kept = store.count("call")
        stored = {entry.key for entry in store.entries("call")}
        answered = Counter(server.answered)
        again = build(CachedModel(critic_on(server), store))
        assert stored <= {entry.key for entry in store.entries("call")}
        # Whatever the server answered in full was stored, so it was answered once.
        assert all(server.answered[name] == count for name, count in answered.items())
        assert store.count("call") >= kept
        assert len(again.pairs) >= len(result.pairs)


def test_a_run_in_which_too_many_attempts_fail_says_why_over_all_attempts(tmp_path: Path) -> None:
    def fault(number: int, name: str, seen: int) -> str:
        return "400" if random.Random(name).random() < 0.8 else ""

    with OpenAIServer(fault) as server, Store(tmp_path / "cache.sqlite") as store:
        critic = CachedModel(critic_on(server), store)
        with pytest.raises(OutcomeError, match=rf"\d+ of {2 * TWINS} attempts.*not allowed"):
            build(critic, max_failed_share=0.3)


def test_a_failed_call_is_no_reward_and_not_a_reward_of_zero() -> None:
    def fault(number: int, name: str, seen: int) -> str:
        return "400" if int(name, 16) % 2 else ""

    def answer(body: dict[str, object]) -> str:
        return " 1" if "On a scale" in str(body["messages"]) else "The answer is careful."

    with OpenAIServer(fault, answer=answer) as server:
        reward = PrincipleReward(critic_on(server), tuple(make_constitution()))
        found = reward([f"q{n}" for n in range(20)], [f"answer {n}" for n in range(20)])
    assert None in found
    assert 0.0 not in found
    assert reward.unreadable == found.count(None)
    assert {value for value in found if value is not None} == {1.0 - 1 / 3}
