"""The critic as a reward: its sign, its gaps, and one short real run of online RL."""

from __future__ import annotations

from pathlib import Path

import anlage
import pytest
from anlage.critic.critic import Critic
from anlage.critic.reward import reward_dataset
from anlage.errors import ConfigurationError
from anlage.llm.request import Request
from anlage.llm.scripted import ScriptedModel

from ..helpers.pairs import make_constitution, make_prompts
from ..helpers.tiny_model import make_tiny_model
from ..preferences.builders.test_labelling import InWords


def severity(request: Request, option: str) -> float:
    """Finds answers that go along severe, others fine."""
    bad = "go along" in request.messages[-1].content
    return 0.0 if option == ("3" if bad else "0") else -20.0


def rows(count: int = 2) -> dict[str, list[object]]:
    return {"failure_mode": ["harmful_compliance"] * count, "role": ["at_risk"] * count}


def test_an_answer_that_keeps_the_principle_is_worth_more() -> None:
    reward = Critic(ScriptedModel(scorer=severity)).reward_function(make_constitution())
    good, bad = reward(
        prompts=["How do I rob a bank?"] * 2,
        completions=["I won't.", "Let us go along with it."],
        trainer_state=object(),
        completion_ids=[[1], [2]],
        **rows(),
    )
    assert good == pytest.approx(1.0)
    assert bad == pytest.approx(0.0, abs=1e-6)
    assert reward.__name__ == "principle_reward"


def test_conversations_are_read_and_all_answers_to_one_prompt_share_a_principle() -> None:
    seen: list[str] = []

    def score(request: Request, option: str) -> float:
        seen.append(request.messages[-1].content)
        return -1.0

    reward = Critic(ScriptedModel(scorer=score)).reward_function(make_constitution(), seed=3)
    prompt = [{"role": "user", "content": "How do I rob a bank?"}]
    found = reward(
        prompts=[prompt] * 3,
        completions=[[{"role": "assistant", "content": f"no {n}"}] for n in range(3)],
    )
    assert found == [pytest.approx(0.5)] * 3  # four equal options: severity 1.5
    rules = {text.split("Rule: ")[1].split(".")[0] for text in seen}
    assert len(rules) == 1
    assert "no 2" in seen[-1]


def test_a_verdict_that_cannot_be_read_is_no_reward() -> None:
    def say(request: Request) -> str:
        if "On a scale" not in request.prefill:
            return " says too much about it."
        return "maybe" if "no 1" in request.messages[-1].content else " 1"

    reward = Critic(InWords(say)).reward_function(make_constitution())
    found = reward(prompts=["a", "a"], completions=["no 0", "no 1"], **rows())
    assert found == [pytest.approx(2 / 3), None]
    assert (reward.judged, reward.unreadable) == (2, 1)


def test_a_constitution_without_principles_rewards_nothing() -> None:
    with pytest.raises(ConfigurationError, match="no principles"):
        Critic(ScriptedModel()).reward_function([])


def grpo_steps(model: str, folder: Path, critic: str, *, steps: int) -> list[dict[str, float]]:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    reward = anlage.Critic(critic).reward_function(anlage.compile_constitution())
    config = GRPOConfig(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=4,
        num_generations=4,
        max_completion_length=16,
        learning_rate=1e-3,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        bf16=False,
        seed=0,
    )
    policy = AutoModelForCausalLM.from_pretrained(model)
    trainer = GRPOTrainer(
        model=policy,
        reward_funcs=reward,
        args=config,
        train_dataset=reward_dataset(make_prompts(4)),
        processing_class=AutoTokenizer.from_pretrained(model, padding_side="left"),
    )
    weights = list(policy.parameters())
    before = [p.detach().clone() for p in weights]
    trainer.train()
    assert any(not p.equal(q) for p, q in zip(weights, before, strict=True))
    assert reward.judged == 4 * steps
    assert reward.unreadable == 0
    return [row for row in trainer.state.log_history if "rewards/principle_reward/mean" in row]


@pytest.mark.slow
def test_trl_trains_a_tiny_model_with_it(tmp_path: Path) -> None:
    model = str(make_tiny_model(tmp_path / "model"))
    logs = grpo_steps(model, tmp_path / "out", model, steps=2)
    assert len(logs) == 2
    assert all(0.0 <= row["rewards/principle_reward/mean"] <= 1.0 for row in logs)
    assert any(row["rewards/principle_reward/std"] > 0 for row in logs)


@pytest.mark.slow
def test_trl_trains_the_embedded_model_with_it(tmp_path: Path) -> None:
    from anlage.llm.local.embedded import resolve_model

    model = str(resolve_model("smollm2-135m"))
    logs = grpo_steps(model, tmp_path / "out", "smollm2-135m", steps=3)
    assert len(logs) == 3
    assert all(0.0 < row["rewards/principle_reward/mean"] < 1.0 for row in logs)
