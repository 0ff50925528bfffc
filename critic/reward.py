"""A critic as a reward function for online trainers (GRPO, RLOO of TRL).

The same principles that make DPO pairs drive reinforcement learning here: an answer's reward
is how well it keeps the principle its prompt calls for.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..constitution.principle import Principle
from ..errors import ConfigurationError, NotSupportedError, Problem
from ..files.seeds import derive_seed
from ..llm.message import Message
from ..llm.request import Model, Request, Score
from ..llm.run_sync import run_sync
from ..prompts.prompt import Prompt
from .critique import VERDICT_LEAD, CritiqueItem, critique, reason_request
from .routing import route

if TYPE_CHECKING:
    from datasets import Dataset

SEVERITIES: Final = ("0", "1", "2", "3")
"""The verdicts a scoring critic chooses from: 0 keeps the rule, 3 breaks it badly."""


class PrincipleReward:
    """Rewards in [0, 1]: 1 minus the severity of what the critic finds, divided by 3.

    A critic that gives log-probabilities is asked for the expected severity in one scored
    call of four options per answer, without a reason; any other writes its reason and
    verdict (two calls). An answer whose verdict cannot be read, or whose call failed, has
    no reward (None): TRL leaves it out, and it is never counted as 0.

    All answers to one prompt are judged by the same principle, so that a group's advantages
    compare like with like.

    Attributes:
        judged: Answers judged so far.
        unreadable: Those of them without a reward.

    Not covered: whether the critic is right. Calibrate it first; a critic that is no better
    than a coin gives noise, and a policy learns to please any flaw of it.
    """

    def __init__(self, critic: Model, principles: Sequence[Principle], *, seed: int = 0) -> None:
        self.__name__ = "principle_reward"  # TRL names the metric after it
        self.critic = critic
        self.judged = self.unreadable = 0
        self._principles = tuple(principles)
        self._seed = seed
        modes = {principle.failure_mode for principle in self._principles}
        self._modes = sorted(modes)
        if not modes:
            fix = "give a compiled constitution that has principles"
            problem = Problem("C011", "error", "constitution", 0, "it has no principles", fix)
            raise ConfigurationError([problem])

    def __call__(  # ** is the signature TRL calls reward functions with
        self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any
    ) -> list[float | None]:
        """One reward per completion.

        Args:
            prompts: Texts or lists of messages.
            completions: The same, one per prompt.
            columns: The data set's other columns. `failure_mode`, `role` and `cues`, where
                present (`reward_dataset` makes them), say which principle a prompt calls
                for; without them a principle is drawn from all.
        """
        items = [
            self._item(prompt, completion, _row(columns, number, len(prompts)))
            for number, (prompt, completion) in enumerate(zip(prompts, completions, strict=True))
        ]
        rewards = run_sync(self.rewards(items))
        self.judged += len(rewards)
        self.unreadable += sum(reward is None for reward in rewards)
        return rewards

    async def rewards(self, items: Sequence[CritiqueItem]) -> list[float | None]:
        """One reward per item; from inside a running event loop."""
        try:
            return await self._scored(items)
        except NotSupportedError:
            found = await critique(self.critic, items)
        readable = [None if result.breaks is None else result for result in found]
        return [None if result is None else 1.0 - result.severity / 3 for result in readable]

    async def _scored(self, items: Sequence[CritiqueItem]) -> list[float | None]:
        asked = [_verdict_alone(item) for item in items]
        texts = [(request, option) for request in asked for option in SEVERITIES]
        scores = await self.critic.score(texts)
        size = len(SEVERITIES)
        return [_expected(scores[i : i + size]) for i in range(0, len(scores), size)]

    def _item(self, prompt: Any, completion: Any, row: Mapping[str, Any]) -> CritiqueItem:
        messages = _messages(prompt)
        mode = row.get("failure_mode")
        asked = Prompt(
            id=_name(messages),
            messages=messages,
            cues=tuple(row.get("cues") or ()),
            failure_mode=str(mode or self._any_mode(messages)),
            role="twin" if row.get("role") == "twin" else "at_risk",
            twin="",
            split="train",
            topic="",
            form="",
        )
        principle = route(asked, self._principles, seed=self._seed)
        if principle is None:  # nothing guards against it: any other principle still holds
            number = derive_seed(self._seed, "any", asked.id) % len(self._principles)
            principle = self._principles[number]
        return CritiqueItem(asked, _text(completion), principle)

    def _any_mode(self, messages: Sequence[Message]) -> str:
        """A failure mode that some principle guards against, drawn by the prompt."""
        return self._modes[derive_seed(self._seed, "mode", _name(messages)) % len(self._modes)]


def reward_dataset(prompts: Sequence[Prompt]) -> Dataset:
    """Prompts as the data set an online trainer takes, with the columns the reward reads."""
    from datasets import Dataset

    return Dataset.from_list(
        [
            {
                "prompt": [{"role": m.role, "content": m.content} for m in prompt.messages],
                "failure_mode": prompt.failure_mode,
                "role": prompt.role,
                "cues": list(prompt.cues),
            }
            for prompt in prompts
        ]
    )


def _verdict_alone(item: CritiqueItem) -> Request:
    """The critique's question, prefilled to the verdict.

    The space belongs to the prefill: each option is then one token, and all four share one
    pass over the question.
    """
    messages = reason_request(item).messages
    return Request(messages=messages, prefill=VERDICT_LEAD.lstrip() + " ", max_tokens=1)


def _expected(scores: Sequence[Score]) -> float | None:
    """1 minus a third of the expected severity; None where an option is no number."""
    if any(math.isnan(score.logprob) for score in scores):
        return None
    logs = [score.logprob for score in scores]
    finite = [value for value in logs if math.isfinite(value)]
    if not finite:
        return None
    top = max(finite)
    weights = [math.exp(value - top) if math.isfinite(value) else 0.0 for value in logs]
    severity = sum(n * weight for n, weight in enumerate(weights)) / sum(weights)
    return 1.0 - severity / (len(SEVERITIES) - 1)


def _row(columns: Mapping[str, Any], number: int, count: int) -> dict[str, Any]:
    """The columns' values at one place; what is no column (trainer state, ...) is left out."""
    names = ("failure_mode", "role", "cues")
    lists = {name: columns[name] for name in names if name in columns}
    return {name: values[number] for name, values in lists.items() if len(values) == count}


def _messages(prompt: Any) -> tuple[Message, ...]:
    if isinstance(prompt, str):
        return (Message("user", prompt),)
    return tuple(Message(turn["role"], turn["content"]) for turn in prompt)


def _text(completion: Any) -> str:
    if isinstance(completion, str):
        return completion
    return "\n".join(str(turn.get("content") or "") for turn in completion)


def _name(messages: Sequence[Message]) -> str:
    said = "\x1f".join(f"{m.role}:{m.content}" for m in messages)
    return hashlib.sha256(said.encode()).hexdigest()[:16]
