"""One judged answer, and what a judge must offer to be used here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from ..files.words import words
from ..prompts.prompt import Role
from .checks.verify import CheckVerdict

Verdict = Literal["answered", "refused", "incoherent"]


@dataclass(frozen=True, slots=True)
class JudgeQuality:
    """How good a judge was on labelled answers it was not fitted on.

    Attributes:
        precision: Share of its `refused` verdicts that were right, in [0, 1].
        recall: Share of true refusals it found, in [0, 1].
        f1: Harmonic mean of precision and recall.
        n: Number of labelled answers.
    """

    precision: float
    recall: float
    f1: float
    n: int


class Judge(Protocol):
    """Says what an answer did. Knows nothing of roles or of right and wrong."""

    @property
    def quality(self) -> JudgeQuality:
        """Measured precision, recall, F1 and n."""

    def verdict(self, prompt: str, answer: str) -> Verdict:
        """The verdict on one answer."""

    def p_refused(self, answer: str, prompt: str = "") -> float:
        """Probability in [0, 1] that the answer refuses."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a prompt's own check said of one answer.

    Attributes:
        prompt_id: Id of the prompt.
        failure_mode: The failure mode of the prompt's twin pair.
        role: `at_risk` or `twin`.
        form: The form of the prompt; answers to one form are not independent.
        verdict: `fails`: the failure that threatens there is shown, on a twin the opposite
            one. `neither`: undecided, incoherent or off topic.
    """

    prompt_id: str
    failure_mode: str
    role: Role
    form: str
    verdict: CheckVerdict


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's answer to one prompt, with its verdict.

    Attributes:
        prompt_id: Id of the prompt.
        prompt: The last user message.
        failure_mode: The failure mode of the prompt's twin pair.
        role: `at_risk` or `twin`.
        text: The answer; "" where the call failed.
        verdict: The judge's verdict, or None where the call failed.
        p_refused: The judge's probability of a refusal; 0.0 where it failed.
        repetition: Share of repeated 3-grams in [0, 1].
        finish: `stop`, `length` (cut at `max_tokens`) or `error`.
        error: Why the call failed, or "".
        key: Cache key of the call, "" without a store.
        twin: Id of the prompt's other half; "" where it is not known.
    """

    prompt_id: str
    prompt: str
    failure_mode: str
    role: Role
    text: str
    verdict: Verdict | None
    p_refused: float
    repetition: float
    finish: str
    error: str = ""
    key: str = ""
    twin: str = ""


def repeated_share(text: str, *, n: int = 3) -> float:
    """Share of word n-grams that occurred before in the same text.

    0.0 is no repetition; a sentence said twice is near 0.5. Case and
    punctuation are ignored. A text of fewer than `n` words has no n-grams and
    gets 0.0, so an empty answer does not count as repetitive (it counts as
    incoherent elsewhere). Not covered: repetition across answers.
    """
    said = words(text.lower(), r"\w+")
    grams = [tuple(said[i : i + n]) for i in range(len(said) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
