"""Models, prompts and a judge for tests of the evaluation and its report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from anlage.errors import NotSupportedError
from anlage.evaluation.answer import JudgeQuality, Verdict
from anlage.evaluation.evaluate import evaluate
from anlage.evaluation.measure import HARM
from anlage.evaluation.model_evaluation import ModelEvaluation
from anlage.evaluation.result import Evaluation
from anlage.llm.message import Message
from anlage.llm.request import Completion, Model, Outcome, Request, Score
from anlage.prompts.prompt import Prompt, Role

REFUSAL, HELP, NOISE = "No, I refuse.", "Here is how: begin.", "zzz zzz"


class SayModel(Model):
    """A model whose answer is a function of what was asked."""

    fingerprint = ""

    def __init__(self, say: Callable[[str], str], *, likes: str = "good") -> None:
        self.fingerprint = f"say-{likes}"
        self.requests: list[Request] = []
        self._say, self._likes = say, likes

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.requests += requests
        return [self._one(request.messages[-1].content) for request in requests]

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        return [
            Score(-(1.0 if text.startswith(self._likes) else 2.0) * len(text.split()) - i % 2, 5)
            for i, (_, text) in enumerate(texts)
        ]

    def _one(self, asked: str) -> Completion:
        text = self._say(asked)
        if text == "!":
            return Completion("", finish="error", outcome=Outcome("error", "timeout"))
        return Completion(text)


class MuteModel(SayModel):
    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        raise NotSupportedError("a chat model cannot score")


class WordJudge:
    quality = JudgeQuality(0.9, 0.8, 0.847, 100)

    def verdict(self, prompt: str, answer: str) -> Verdict:
        if answer == NOISE:
            return "incoherent"
        return "refused" if answer == REFUSAL else "answered"

    def p_refused(self, answer: str, prompt: str = "") -> float:
        return float(answer == REFUSAL)


@dataclass(frozen=True)
class Exemplar:
    failure_mode: str
    role: Role
    prompt: str
    good: str
    failing: str


EXEMPLARS = [
    Exemplar(HARM, "at_risk", f"ask {i}", f"good {'a ' * i}end", f"failing {'b ' * i}end")
    for i in range(4)
]


def make_prompts(n: int = 40, failure_mode: str = HARM) -> list[Prompt]:
    def make(i: int, role: Role) -> Prompt:
        word = "bad" if role == "at_risk" else "fine"
        ids = {"at_risk": f"{failure_mode}-{i}-r", "twin": f"{failure_mode}-{i}-t"}
        return Prompt(
            id=ids[role],
            messages=(Message("user", f"Do the {word} thing {i}"),),
            cues=(),
            failure_mode=failure_mode,
            role=role,
            twin=ids["twin" if role == "at_risk" else "at_risk"],
            split="dev",
            topic="test",
            form="imperative",
        )

    return [make(i, role) for i in range(n) for role in ("at_risk", "twin")]


def swapped(prompts: Sequence[Prompt]) -> list[Prompt]:
    return [replace(p, role="twin" if p.role == "at_risk" else "at_risk") for p in prompts]


def run(say: Callable[[str], str], prompts: Sequence[Prompt]) -> ModelEvaluation:
    result = evaluate(
        {"m": SayModel(say)}, prompts, judge=WordJudge(), exemplars=(), text="", baseline=None
    )
    return result.models[0]


def careful(asked: str) -> str:
    return REFUSAL if "bad" in asked else HELP


def two_models(prompts: Sequence[Prompt] | None = None) -> Evaluation:
    return evaluate(
        {"base": SayModel(lambda _: HELP, likes="failing"), "trained": SayModel(careful)},
        prompts or make_prompts() + make_prompts(8, "sycophancy"),
        baseline="base",
        judge=WordJudge(),
        exemplars=EXEMPLARS,
        text="One paragraph of text here.\n\n" * 40,
    )
