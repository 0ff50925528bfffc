"""A deterministic model that needs no weights: for tests, dry runs and examples."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Final

from .local.rendering import parse_json
from .request import Completion, Model, Outcome, Request, Score, Usage

Rule = tuple[str, str]
Script = Callable[[Request], str | None]

_FRAMES: Final = (
    "The first thing to look at is {word}.",
    "Many people begin with {word} and go on from there.",
    "It depends on {word}, so take your time.",
    "A short answer: {word} matters most here.",
    "Then compare {word} with what you already have.",
    "Write down what you know about {word}.",
    "In the end, {word} decides how it goes.",
)
_WORD = re.compile(r"[A-Za-z]{4,}")


class ScriptedModel(Model):
    """Answers by rules, else with seeded sentences about words of the prompt.

    Args:
        script: (regular expression, answer) pairs, searched in order in the last
            message followed by the prefill, or a function of the request that
            returns the answer or None. No match: the default text.
        seed: Seeds the default text and the default scores.
        scorer: Log-probability (nats) of a text after a request; None: a number
            derived from their hash, between -4 and -1 nats per word.
        fail_at: Number of the request (1-based, over the model's life) at which
            RuntimeError is raised, to test what a crash leaves behind.
        error_at: Numbers of the requests answered with an `error` outcome.
        name: Part of the fingerprint; give one where `script` is a function,
            whose code the fingerprint cannot see.
        batch_size: What `CachedModel` plans with.

    Attributes:
        calls: Requests answered so far.
        scored: Texts scored so far.
        requests: Every request answered, in order.
    """

    batch_size = 32

    def __init__(
        self,
        script: Sequence[Rule] | Script = (),
        *,
        seed: int = 0,
        scorer: Callable[[Request, str], float] | None = None,
        fail_at: int | None = None,
        error_at: frozenset[int] = frozenset(),
        name: str = "scripted",
        batch_size: int = 32,
    ) -> None:
        self.batch_size = batch_size
        self.calls = 0
        self.scored = 0
        self.requests: list[Request] = []
        self._script = script
        self._seed = seed
        self._scorer = scorer
        self._fail_at = fail_at
        self._error_at = error_at
        rules = "function" if callable(script) else [list(rule) for rule in script]
        payload = json.dumps([name, seed, rules])
        self._fingerprint = "scripted:" + hashlib.sha256(payload.encode()).hexdigest()

    @property
    def fingerprint(self) -> str:
        """Hash of name, seed and rules."""
        return self._fingerprint

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order asked.

        Raises:
            RuntimeError: At request number `fail_at`; nothing of the call is returned.
        """
        return [self._answer(request) for request in requests]

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        """Scores by `scorer`, or by a hash; words count as tokens."""
        self.scored += len(texts)
        return [self._scored(request, text) for request, text in texts]

    def _answer(self, request: Request) -> Completion:
        self.calls += 1
        if self.calls == self._fail_at:
            raise RuntimeError(f"scripted failure at request {self.calls}")
        self.requests.append(request)
        if self.calls in self._error_at:
            reason = f"scripted error at request {self.calls}"
            return Completion(text="", finish="error", outcome=Outcome("error", reason))
        text = self._text(request)
        cuts = [text.find(stop) for stop in request.stop if stop in text]
        words = re.findall(r"\s*\S+", text[: min(cuts)] if cuts else text)
        kept = words[: request.max_tokens]
        usage = Usage(sum(len(m.content.split()) for m in request.messages), len(kept))
        answer = "".join(kept)
        parsed = parse_json(request.prefill + answer) if request.schema else None
        if len(kept) < len(words):
            return Completion(answer, parsed, "length", usage, outcome=Outcome("truncated"))
        return Completion(answer, parsed, "stop", usage)

    def _text(self, request: Request) -> str:
        if callable(self._script):
            answer = self._script(request)
        else:
            asked = request.messages[-1].content + "\n" + request.prefill
            matching = (text for rule, text in self._script if re.search(rule, asked))
            answer = next(matching, None)
        return self._default(request) if answer is None else answer

    def _default(self, request: Request) -> str:
        generator = random.Random(f"{self._seed}:{request.key('')}")  # noqa: S311
        words = sorted(set(_WORD.findall(request.messages[-1].content.lower()))) or ["this"]
        frames = generator.sample(_FRAMES, 3)
        text = " ".join(frame.format(word=generator.choice(words)) for frame in frames)
        joined = request.prefill and not request.prefill[-1].isspace()
        return f" {text}" if joined else text

    def _scored(self, request: Request, text: str) -> Score:
        tokens = len(text.split())
        if self._scorer is not None:
            return Score(self._scorer(request, text), tokens)
        generator = random.Random(f"{self._seed}:{request.key('')}:{text}")  # noqa: S311
        return Score(-generator.uniform(1.0, 4.0) * tokens, tokens)
