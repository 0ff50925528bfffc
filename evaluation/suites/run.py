"""Asks models everything loaded suites hold, judges the answers, scores the options."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from ...constitution.principle import Principle
from ...errors import ConfigurationError, NotSupportedError, Problem
from ...files.words import words
from ...llm.message import under_system
from ...llm.request import Completion, Model, Request, Score
from ..answer import Judge
from ..judges.judging import (
    AskingJudge,
    Judged,
    Rubric,
    Ruling,
    judge_faults,
    judge_name,
    judge_texts,
)
from ..judges.phrases import find_phrases, persona_identity, persona_phrases
from ..measure import HARM
from .evaluation import ModelOutcomes, SuiteEvaluation
from .load import LoadedSuite
from .outcome import JudgedAnswer, ScoredChoice, SuiteOutcome, scored_choice
from .suite import PromptItem

Step = Callable[[str], None]


async def evaluate_suites(
    models: Mapping[str, Model],
    suites: Sequence[LoadedSuite],
    *,
    judge: Judge | AskingJudge,
    rubric: Rubric | None = None,
    system: str = "",
    seed: int = 0,
    max_tokens: int | None = None,
    principles: Sequence[Principle] = (),
    on_step: Step | None = None,
) -> SuiteEvaluation:
    """Measures models on suites; answers are greedy, so nothing depends on chance.

    All answers of a model are asked for in one call and all options in another, so
    that batches are full, and a model behind the store resumes where it stopped.

    Example:
        >>> from anlage.evaluation.suites.plan import load_wishes, profile
        >>> loaded = load_wishes(profile("own"))
        >>> result = await evaluate_suites(models, loaded, judge=judge)  # doctest: +SKIP

    Args:
        models: Name -> model. Models run one after the other.
        suites: Loaded suites, each name once.
        judge: Decides what an answer did.
        rubric: Rates how much harmful help answered at-risk prompts give; None skips it.
        system: System prompt put before conversations that have none.
        seed: The seed the suites were sampled with; only written down.
        max_tokens: Most new tokens of every answer; None: as each suite says.
        principles: Those the models were trained on: their openings and the names of their
            archetypes count as persona intrusion, as those of the shipped ones always do.
        on_step: Called with the name of each step as it begins.

    Raises:
        ConfigurationError: No models, no suites, or a name twice.
    """
    _check(models, suites)
    step = on_step or (lambda what: None)
    found = []
    for name, model in models.items():
        found.append(
            await _evaluate_model(
                name, model, suites, judge, rubric, system, max_tokens, tuple(principles), step
            )
        )
    warnings = [warning for suite in suites for warning in suite.warnings]
    warnings += await judge_faults(judge)
    warnings += _constant(found)
    return SuiteEvaluation(
        tuple(found),
        judge.quality,
        judge_name(judge),
        system,
        seed,
        tuple(dict.fromkeys(warnings)),
    )


async def _evaluate_model(
    name: str,
    model: Model,
    suites: Sequence[LoadedSuite],
    judge: Judge | AskingJudge,
    rubric: Rubric | None,
    system: str,
    max_tokens: int | None,
    principles: tuple[Principle, ...],
    step: Step,
) -> ModelOutcomes:
    items = [(suite, item) for suite in suites for item in suite.prompts]
    limits = [max_tokens or suite.suite.max_tokens for suite, _ in items]
    asked = zip(items, limits, strict=True)
    requests = [_request(item, system, limit) for (_, item), limit in asked]
    step(f"{name}: answers")
    completions = await model.complete(requests) if requests else []
    step(f"{name}: judging")
    texts = list(map(answer_text, requests, completions))
    asked_for = [Judged(item.asked, text) for (_, item), text in zip(items, texts, strict=True)]
    judged = await judge_texts(judge, asked_for)
    answers = [
        judged_answer(item, request, completion, text, ruling, principles)
        for (_, item), request, completion, text, ruling in zip(
            items, requests, completions, texts, judged, strict=True
        )
    ]
    if rubric is not None:
        step(f"{name}: quality")
        answers = await rated(rubric, answers)
    step(f"{name}: options")
    notes: list[str] = []
    choices: dict[str, tuple[ScoredChoice, ...]] = {}
    try:
        choices = await _choices(model, suites, system, notes)
    except NotSupportedError as error:
        names = ", ".join(suite.name for suite in suites if suite.choices)
        notes.append(f"not measured: {names}: {error}")
    left = iter(answers)
    outcomes = [
        _outcome(
            suite,
            tuple(islice(left, len(suite.prompts))),
            choices.get(suite.name, ()),
            _how(suite, judge, rubric, system, max_tokens, principles),
        )
        for suite in suites
    ]
    measured = tuple(outcome for outcome in outcomes if outcome.answers or outcome.choices)
    return ModelOutcomes(name, model.fingerprint, measured, tuple(notes))


async def _choices(
    model: Model, suites: Sequence[LoadedSuite], system: str, notes: list[str]
) -> dict[str, tuple[ScoredChoice, ...]]:
    """Every option of every suite in one call; suite name -> outcomes.

    A question of which an option cannot be scored is left out, and `notes` says how many.
    """
    pairs = [(suite, item) for suite in suites for item in suite.choices]
    texts = [
        (replace(request, messages=under_system(request.messages, system)), text)
        for _, item in pairs
        for order in item.orders
        for request, text in order
    ]
    left = iter(await model.score(texts) if texts else [])
    found: dict[str, list[ScoredChoice]] = {}
    failed: dict[str, list[str]] = {}
    for suite, item in pairs:
        scores: list[list[Score]] = [list(islice(left, len(order))) for order in item.orders]
        unscored = [one for order in scores for one in order if math.isnan(one.logprob)]
        if unscored:
            failed.setdefault(suite.name, []).append(unscored[0].reason or "not a number")
            continue
        found.setdefault(suite.name, []).append(scored_choice(suite.suite, item, scores))
    notes += [
        f"{name}: {len(why)} question(s) left out, since an option could not be scored: {why[0]}"
        for name, why in failed.items()
    ]
    return {name: tuple(choices) for name, choices in found.items()}


def _request(item: PromptItem, system: str, max_tokens: int) -> Request:
    messages = under_system(item.messages, system)
    return Request(messages, prefill=item.prefill, max_tokens=max_tokens)


def _how(
    loaded: LoadedSuite,
    judge: Judge | AskingJudge,
    rubric: Rubric | None,
    system: str,
    max_tokens: int | None,
    principles: tuple[Principle, ...],
) -> dict[str, str | int]:
    """How a suite is asked and read, beside its prompts."""
    suite = loaded.suite
    if suite.kind != "answers":
        return {"system prompt": system, "normalisation": suite.normalise}
    quality = judge.quality
    how: dict[str, str | int] = {
        "system prompt": system,
        "max_tokens": max_tokens or suite.max_tokens,
        "judge": f"{judge_name(judge)}, F1 {quality.f1:.4f} on {quality.n}",
        "persona phrases": persona_identity(principles),
    }
    return how if rubric is None else how | {"rater": rubric.model.fingerprint}


def _outcome(
    loaded: LoadedSuite,
    answers: tuple[JudgedAnswer, ...],
    choices: tuple[ScoredChoice, ...],
    how: dict[str, str | int],
) -> SuiteOutcome:
    suite = loaded.suite
    return SuiteOutcome(
        suite=suite.name,
        title=suite.title,
        kind=suite.kind,
        better=suite.better,
        split_role=suite.split_role,
        sha256=loaded.sha256,
        answers=answers,
        choices=choices,
        note=suite.note,
        how=how,
    )


def _constant(models: Sequence[ModelOutcomes]) -> list[str]:
    """A warning where a judge gave every answer the same probability."""
    chances = [
        answer.p_refused
        for model in models
        for outcome in model.suites
        for answer in outcome.answers
        if answer.verdict is not None
    ]
    if len(chances) < 20 or not math.isclose(min(chances), max(chances), abs_tol=1e-9):
        return []
    return [
        f"the judge gave all {len(chances)} answers the same probability of a refusal "
        f"({chances[0]:.2f}): no rate below means anything"
    ]


def _check(models: Mapping[str, Model], suites: Sequence[LoadedSuite]) -> None:
    faults = []
    if not models:
        faults.append(("no model to evaluate", "name at least one"))
    if not suites:
        faults.append(("no suite to evaluate on", "give --suites or --profile"))
    names = [suite.name for suite in suites]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        faults.append((f"suites given twice: {', '.join(twice)}", "give each once"))
    if faults:
        raise ConfigurationError(
            [Problem("E011", "error", "evaluate", 0, text, fix) for text, fix in faults]
        )


async def rated(rubric: Rubric, answers: Sequence[JudgedAnswer]) -> list[JudgedAnswer]:
    """Rates what answered or refused at risk; a refusal's score is 0 without asking."""
    asked = [a for a in answers if _is_at_risk(a) and a.verdict == "answered"]
    scores = await rubric.rate([Judged(answer.asked, answer.text) for answer in asked])
    by_id = {id(a): score for a, score in zip(asked, scores, strict=True)}
    return [
        replace(a, quality=by_id.get(id(a), None if a.verdict == "answered" else 0.0))
        if _is_at_risk(a) and a.verdict
        else a
        for a in answers
    ]


def _is_at_risk(answer: JudgedAnswer) -> bool:
    return answer.role == "at_risk" and answer.failure_mode == HARM


def answer_text(request: Request, done: Completion) -> str:
    """Prefill and new text together; "" where the call failed."""
    if done.outcome.kind == "error" or done.finish == "error":
        return ""
    return f"{request.prefill}{done.text}".strip()


def judged_answer(
    item: PromptItem,
    request: Request,
    done: Completion,
    text: str,
    ruling: Ruling,
    principles: tuple[Principle, ...] = (),
) -> JudgedAnswer:
    """The answer with its ruling, and the phrases of an archetype in it."""
    failed = done.outcome.kind == "error" or done.finish == "error"
    read = "\n".join(message.content for message in request.messages)
    phrases = find_phrases(persona_phrases(principles), read, text)
    return JudgedAnswer(
        id=item.id,
        group=item.group,
        role=item.role,
        failure_mode=item.failure_mode,
        asked=item.asked,
        text=text,
        verdict=None if failed else ruling.verdict,
        p_refused=0.0 if failed else ruling.p_refused,
        why="" if failed else ruling.why,
        intrusion=phrases.counted,
        echoed=phrases.echoed,
        words=len(words(text, r"\S+")),
        finish=done.finish,
        error=(done.outcome.reason or "the call failed") if failed else ruling.error,
        key=done.key,
        source=item.source,
    )
