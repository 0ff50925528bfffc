"""What goes into a language model and what comes out: the one seam of Anlage."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol

from .message import Message

OutcomeKind = Literal[
    "ok",
    "repaired",
    "malformed",
    "critic_refused",
    "truncated",
    "tie",
    "no_op",
    "filtered",
    "mislabelled",
    "error",
]
FinishReason = Literal["stop", "length", "error"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended: exactly one kind, with the reason where there is one."""

    kind: OutcomeKind = "ok"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One call, fully rendered. Two equal requests are the same call.

    Attributes:
        messages: The conversation; the last message is the user's. Without any, the
            prefill is raw text to go on from, in no chat template (local models only).
        prefill: Text the assistant's answer must start with ("" for none).
        temperature: 0 is greedy.
        top_p: Nucleus mass in (0, 1].
        max_tokens: Most new tokens, prefill not counted.
        seed: Seeds this row's own generator; ignored when greedy.
        sample: Index of this sample of the same request, so that several
            samples of one prompt are different calls.
        schema: JSON schema (canonical JSON text) the answer must fit, or "".
        stop: Strings that end the answer; the answer does not contain them.
    """

    messages: tuple[Message, ...]
    prefill: str = ""
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 128
    seed: int = 0
    sample: int = 0
    schema: str = ""
    stop: tuple[str, ...] = ()

    def plain(self) -> dict[str, object]:
        """Every field as plain data: what `asdict` gives, without its deep copies."""
        found: dict[str, object] = {name: getattr(self, name) for name in self.__slots__}
        found["messages"] = [{"role": m.role, "content": m.content} for m in self.messages]
        return found

    def key(self, fingerprint: str) -> str:
        """Cache key: SHA-256 (hex) of the model's fingerprint and every field."""
        payload = json.dumps([fingerprint, self.plain()], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(payload.encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. Prefill counts as prompt, and what was thought as completion."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model answered.

    Attributes:
        text: The new text, *without* the request's prefill.
        parsed: The answer parsed by the request's schema, or None.
        finish: `stop`, `length` (cut at `max_tokens`) or `error`.
        usage: Tokens spent.
        latency: Seconds; a batched local call reports its batch's time / rows.
        logprobs: Log-probability of each new token, or () where not available.
        outcome: `ok`, `truncated` or `error` from a model; stages refine it.
        key: The call's cache key ("" where no store is in use).
        cached: True if it came from the store.
        reasoning: What the model thought before it answered, "" where it did not or where
            the server does not show it. Never a part of `text`.
    """

    text: str
    parsed: object = None
    finish: FinishReason = "stop"
    usage: Usage = field(default_factory=Usage)
    latency: float = 0.0
    logprobs: tuple[float, ...] = ()
    outcome: Outcome = field(default_factory=Outcome)
    key: str = ""
    cached: bool = False
    reasoning: str = ""


_HALF: Final = re.compile("[\ud800-\udfff]")


def has_half_characters(*texts: str) -> bool:
    """True if a text holds half of a surrogate pair: no file and no server can take it."""
    return any(_HALF.search(text) is not None for text in texts)


def sound(answer: Completion) -> Completion:
    """The answer in a form that can be stored; where that changes it, its outcome says so.

    Half characters (an emoji cut in two) become U+FFFD, and log-probabilities of which one
    is no number are left out. An `ok` answer becomes `malformed`; every other kind stays.
    """
    problems = []
    if has_half_characters(answer.text, answer.reasoning, answer.outcome.reason):
        problems.append("the answer holds half of a character")
    if not all(map(math.isfinite, answer.logprobs)):
        problems.append("a log-probability of the answer is not a number")
    if not problems:
        return answer
    kind = "malformed" if answer.outcome.kind == "ok" else answer.outcome.kind
    said = "; ".join(filter(None, [answer.outcome.reason, *problems]))
    return replace(
        answer,
        text=_HALF.sub("\N{REPLACEMENT CHARACTER}", answer.text),
        reasoning=_HALF.sub("\N{REPLACEMENT CHARACTER}", answer.reasoning),
        parsed=None,
        logprobs=answer.logprobs if all(map(math.isfinite, answer.logprobs)) else (),
        outcome=Outcome(kind, _HALF.sub("\N{REPLACEMENT CHARACTER}", said)),
    )


@dataclass(frozen=True, slots=True)
class Score:
    """Log-probability (nats, summed) of a given completion, and its length in tokens.

    The end-of-turn token is not scored: only the text given. `greedy` says whether
    every token was the likeliest one; None where that is not known. Where a text could not
    be scored, `logprob` is NaN and `reason` says why.
    """

    logprob: float
    tokens: int
    greedy: bool | None = None
    reason: str = ""

    @property
    def mean(self) -> float:
        """Nats per token; 0.0 for an empty completion."""
        return self.logprob / self.tokens if self.tokens else 0.0


class Model(Protocol):
    """Any language model Anlage talks to.

    A model of your own derives from this class and writes `fingerprint`, `complete` and
    `score`; the rest has defaults.
    """

    @property
    def fingerprint(self) -> str:
        """Local: hash of weights + adapter + tokenizer + template + dtype.

        Chat: provider + base URL + model name, and what else was set that decides an answer.
        Never holds a secret.
        """

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order asked; a failed one has an `error` outcome."""

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        """Log-prob of each given completion after its request (prefill included).

        Raises:
            NotSupportedError: The model cannot (chat models).
        """

    @property
    def batch_size(self) -> int:
        """Most requests to hand over at once, at least 1; the batches are planned by it."""
        return 32

    @property
    def in_flight(self) -> int:
        """Most calls at the same time; 0 for a model that runs batches on this machine."""
        return 0

    async def drain(self) -> None:
        """Begins no further call, and waits until those in flight are stored."""
        return


class Wrapper(Model):
    """A model around another one that passes everything on; a subclass changes a part.

    The inner model may have only `fingerprint`, `complete` and `score`; then the defaults of
    `Model` hold for the rest.

    Args:
        inner: The model that answers.
    """

    def __init__(self, inner: Model) -> None:
        self.inner = inner

    @property
    def fingerprint(self) -> str:
        """The inner model's."""
        return self.inner.fingerprint

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Passes the requests on."""
        return await self.inner.complete(requests)

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        """Passes the texts on.

        Raises:
            NotSupportedError: The inner model cannot score.
        """
        return await self.inner.score(texts)

    @property
    def batch_size(self) -> int:
        """The inner model's."""
        return int(getattr(self.inner, "batch_size", super().batch_size))

    @property
    def in_flight(self) -> int:
        """The inner model's."""
        return int(getattr(self.inner, "in_flight", super().in_flight))

    async def drain(self) -> None:
        """Lets the inner model finish what is in flight."""
        if hasattr(self.inner, "drain"):
            await self.inner.drain()
