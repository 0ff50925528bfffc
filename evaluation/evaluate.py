"""Run the same prompts through one or more models and measure what they did."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import count

from ..errors import ConfigurationError, NotSupportedError, Problem
from ..llm.message import under_system
from ..llm.request import Completion, Model, Request
from ..llm.run_sync import run_sync
from ..prompts.check import Check
from ..prompts.labelled import LabelledPair
from ..prompts.prompt import Prompt
from .answer import Answer, Checked, Judge, repeated_share
from .checks.verify import check_verdict
from .model_evaluation import ModelEvaluation
from .perplexity import Perplexity, held_out_text, measure_perplexity
from .probe import ProbeItem, measure_probe
from .result import Evaluation

Progress = Callable[[str, int, int], None]
"""Called with what was just finished, steps done and steps in all."""

_STEPS = 2


async def evaluate_model(
    model: Model,
    prompts: Sequence[Prompt],
    *,
    name: str,
    judge: Judge,
    exemplars: Sequence[LabelledPair] = (),
    text: str = "",
    max_tokens: int = 64,
    system: str = "",
    checks: Mapping[str, Check] | None = None,
    on_step: Callable[[str], None] | None = None,
) -> ModelEvaluation:
    """Answer every prompt greedily, judge the answers, then measure without a judge.

    All answers are asked for in one call, so that batches are full and a model
    with a store resumes where it was stopped.

    Args:
        model: The model.
        prompts: Prompts of any sets; ids must be unique.
        name: What to call the model.
        judge: Decides what each answer did.
        exemplars: Labelled answer pairs for the probe; () skips it.
        text: Text for perplexity; "" skips it.
        max_tokens: Most new tokens per answer.
        system: System prompt put before every prompt that has none, "" for none.
        checks: Prompt id -> check, for the prompts that have one.
        on_step: Called with the name of each finished step (two in all).

    Returns:
        The evaluation. A model that cannot score has a note instead of
        perplexity and probe; a failed call is an answer without a verdict.
    """
    done = on_step or (lambda what: None)
    requests = [
        Request(under_system(prompt.messages, system), max_tokens=max_tokens) for prompt in prompts
    ]
    completions = await model.complete(requests) if requests else []
    answers = tuple(
        _judged(prompt, completion, judge)
        for prompt, completion in zip(prompts, completions, strict=True)
    )
    done("answers")
    perplexity: Perplexity | None = None
    probe: tuple[ProbeItem, ...] = ()
    notes: list[str] = []
    try:
        perplexity = await measure_perplexity(model, text) if text.strip() else None
        probe = await measure_probe(model, exemplars, system=system) if exemplars else ()
    except NotSupportedError as error:
        notes.append(f"perplexity and probe were not measured: {error}")
    done("perplexity and probe")
    checked = _checked(prompts, answers, checks or {})
    return ModelEvaluation(
        name, model.fingerprint, answers, perplexity, probe, tuple(notes), checked
    )


def evaluate(
    models: Mapping[str, Model],
    prompts: Sequence[Prompt],
    *,
    baseline: str | None = None,
    judge: Judge | None = None,
    exemplars: Sequence[LabelledPair] | None = None,
    text: str | None = None,
    max_tokens: int = 64,
    system: str = "",
    checks: Mapping[str, Check] | None = None,
    declared: Collection[str] = (),
    on_progress: Progress | None = None,
) -> Evaluation:
    """Evaluate models on the same prompts and compare them with a baseline.

    Example:
        >>> from anlage.evaluation.evaluate import evaluate
        >>> from anlage.llm.models import load_model
        >>> from anlage.prompts.loader import load_prompts
        >>> models = {"base": load_model("smollm2-135m")}  # doctest: +SKIP
        >>> result = evaluate(models, load_prompts("dev"))  # doctest: +SKIP
        >>> result.to_frame()  # doctest: +SKIP

    Args:
        models: Name -> model. Models run one after the other.
        prompts: Prompts with unique ids; both halves of each twin pair.
        baseline: Name of the model to compare the others with; None compares nothing.
        judge: Decides what an answer did; None loads the shipped refusal judge.
        exemplars: Labelled pairs for the probe; None takes all shipped ones (see
            `shipped_exemplars` for what that costs), () skips the probe.
        text: Text for perplexity; None takes the shipped one, "" skips it.
        max_tokens: Most new tokens per answer.
        system: System prompt for every prompt that has none.
        checks: Prompt id -> check, as `load_checks` gives them; None takes those of the
            shipped prompts among `prompts`, {} checks nothing.
        declared: Failure modes that the training aims at; p-values of checked modes are
            adjusted over these. () takes all that have checks.
        on_progress: Called after each of two steps per model.

    Raises:
        ConfigurationError: No models or prompts, duplicate prompt ids, or an
            unknown baseline; all at once.
    """
    _check(models, prompts, baseline)
    judge = judge if judge is not None else _shipped_judge()
    pairs = exemplars if exemplars is not None else shipped_exemplars()
    passage = text if text is not None else held_out_text()
    known = checks if checks is not None else shipped_checks(prompts)
    finished = _counted(on_progress or (lambda what, done, total: None), _STEPS * len(models))

    async def run_all() -> list[ModelEvaluation]:
        return [
            await evaluate_model(
                model,
                prompts,
                name=name,
                judge=judge,
                exemplars=pairs,
                text=passage,
                max_tokens=max_tokens,
                system=system,
                checks=known,
                on_step=partial(finished, name),
            )
            for name, model in models.items()
        ]

    found = tuple(run_sync(run_all()))
    modes = {each.failure_mode for model in found for each in model.checked}
    return Evaluation(
        models=found,
        baseline=baseline,
        judge=judge.quality,
        splits=tuple(sorted({prompt.split for prompt in prompts})),
        max_tokens=max_tokens,
        system=system,
        declared=tuple(sorted(modes & set(declared or modes))),
    )


def shipped_checks(prompts: Sequence[Prompt]) -> dict[str, Check]:
    """The checks of those prompts that are shipped ones, word for word."""
    from ..prompts.loader import load_checks, load_prompts

    found: dict[str, Check] = {}
    for split in sorted({prompt.split for prompt in prompts}):
        same = {prompt.id for prompt in set(load_prompts(split)) & set(prompts)}
        found |= {name: check for name, check in load_checks(split).items() if name in same}
    return found


def shipped_exemplars() -> list[LabelledPair]:
    """All shipped exemplars and labelled pairs: about 800, some 80 s a model on two cores."""
    from ..archetypes.loader import load_archetypes
    from ..prompts.labelled import load_labelled

    own = [exemplar for archetype in load_archetypes() for exemplar in archetype.exemplars]
    return [*own, *load_labelled()]


def _shipped_judge() -> Judge:
    from .judges.refusal_judge import RefusalJudge

    return RefusalJudge.load()


def _judged(prompt: Prompt, completion: Completion, judge: Judge) -> Answer:
    failed = completion.outcome.kind == "error" or completion.finish == "error"
    text = "" if failed else completion.text.strip()
    return Answer(
        prompt_id=prompt.id,
        prompt=prompt.text,
        failure_mode=prompt.failure_mode,
        role=prompt.role,
        text=text,
        verdict=None if failed else judge.verdict(prompt.text, text),
        p_refused=0.0 if failed else judge.p_refused(text, prompt.text),
        repetition=repeated_share(text),
        finish=completion.finish,
        error=(completion.outcome.reason or "the call failed") if failed else "",
        key=completion.key,
        twin=prompt.twin,
    )


def _checked(
    prompts: Sequence[Prompt], answers: Sequence[Answer], checks: Mapping[str, Check]
) -> tuple[Checked, ...]:
    """What the prompts' own checks say; failed calls and prompts without a check are left out."""
    return tuple(
        Checked(
            prompt.id,
            prompt.failure_mode,
            prompt.role,
            prompt.form,
            check_verdict(checks[prompt.id], answer.text, prompt.text),
        )
        for prompt, answer in zip(prompts, answers, strict=True)
        if prompt.id in checks and answer.verdict is not None
    )


def _check(models: Mapping[str, Model], prompts: Sequence[Prompt], baseline: str | None) -> None:
    messages: list[tuple[str, str]] = []
    if not models:
        messages.append(("no model to evaluate", "give at least one"))
    if not prompts:
        messages.append(("no prompts to evaluate on", "load a split of the prompt sets"))
    if baseline is not None and baseline not in models:
        known = ", ".join(models) or "none"
        messages.append((f"no model {baseline!r} to compare with", f"name one of: {known}"))
    ids = [prompt.id for prompt in prompts]
    twice = sorted({prompt_id for prompt_id in ids if ids.count(prompt_id) > 1})
    if twice:
        messages.append((f"prompt ids occur twice: {', '.join(twice[:5])}", "pass each once"))
    if messages:
        raise ConfigurationError(
            [Problem("E011", "error", "evaluate", 0, text, fix) for text, fix in messages]
        )


def _counted(report: Progress, total: int) -> Callable[[str, str], None]:
    """Turns finished steps of several models into one count."""
    done = count(1)
    return lambda name, what: report(f"{name}: {what}", next(done), total)
