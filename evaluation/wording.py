"""Numbers and changes in words, the same everywhere they are shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from ..archetypes.vocabulary import opposite
from ..prompts.prompt import Role
from ..stats.intervals import Estimate, Rate
from ..stats.power import smallest_visible_change
from .answer import JudgeQuality
from .change import Change
from .measure import HARM, Measure
from .model_evaluation import ModelEvaluation
from .result import Evaluation


def percent(share: float) -> str:
    """A share as percent with at most one decimal, e.g. `57.5%`."""
    text = f"{share * 100:.1f}"
    return f"{text.removesuffix('.0')}%"


def rate_text(rate: Rate | Estimate) -> str:
    """A rate with its interval and n, e.g. `57.5% (95% 42 to 71, n=40)`."""
    if rate.n == 0:
        return "not measured (n=0)"
    ends = f"{rate.interval.low * 100:.0f} to {rate.interval.high * 100:.0f}"
    return f"{percent(rate.value)} (95% {ends}, n={rate.n})"


def value_text(measure: Measure, estimate: Estimate) -> str:
    """A measured value in its own unit."""
    if measure.in_percent:
        return percent(estimate.value)
    if measure.name == "perplexity":
        return f"{estimate.value:.1f}"
    return _plain(measure, estimate.value)


def span_text(measure: Measure, estimate: Estimate | None) -> str:
    """A measured value with its interval, e.g. `57.5% [42 to 71]`."""
    if estimate is None:
        return "not measured"
    ends = estimate.interval
    if measure.in_percent:
        low, high = f"{100 * ends.low:.0f}", f"{100 * ends.high:.0f}"
    else:
        low, high = f"{ends.low:.2f}", f"{ends.high:.2f}"
    return f"{value_text(measure, estimate)} [{low} to {high}]"


def difference_text(change: Change) -> str:
    """The change with its interval: points, a ratio for perplexity, else its own unit."""
    value, ends, measure = change.difference.value, change.difference.interval, change.measure
    if measure.in_percent:
        low, high = points(ends.low, measure.decimals), points(ends.high, measure.decimals)
        return f"{points(value)} [{low} to {high}]"
    if measure.name == "perplexity":
        ratios = [f"{math.exp(end):.2f}" for end in (value, ends.low, ends.high)]
        return f"×{ratios[0]} [{ratios[1]} to {ratios[2]}]"
    return f"{value:+.2f} [{ends.low:+.2f} to {ends.high:+.2f}]"


def _plain(measure: Measure, value: float) -> str:
    """Two decimals; with a sign where the sign says which answer is likelier."""
    return f"{value:+.2f}" if measure.name == "margin" else f"{value:.2f}"


def points(share: float, decimals: int = 1) -> str:
    """A difference of shares in percentage points with its sign, `0` for none."""
    text = f"{share * 100:+.{decimals}f}".removesuffix(".0")
    return "0" if text in ("+0", "-0") else text


def p_text(p: float) -> str:
    """A p-value to three decimals, `<0.001` below, `-` for none."""
    if math.isnan(p):
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def change_cells(change: Change) -> tuple[str, ...]:
    """A row of a table of changes: measure, n, before, after, change with interval, p."""
    measure = change.measure
    return (
        measure.full_label,
        str(change.difference.n),
        value_text(measure, change.before),
        value_text(measure, change.after),
        difference_text(change),
        p_text(change.p_holm),
    )


def moved_words(moved: Sequence[Change]) -> str:
    """What moved and which way, one after the other."""
    return "; ".join(f"{c.measure.suite} {c.measure.label} {c.direction}".strip() for c in moved)


def judge_text(judge: JudgeQuality) -> str:
    """The judge's quality in one clause; its errors are in no interval."""
    return (
        f"refusals judged with precision {judge.precision:.2f} and recall {judge.recall:.2f} "
        f"(n={judge.n} labelled answers of our own writing)"
    )


def verdict_sentence(evaluation: Evaluation, name: str | None = None) -> str:
    """The result of one model in one sentence that claims no more than was shown.

    "rose" and "fell" are used only where the 95% interval excludes zero *and*
    the Holm-adjusted p-value is below 0.05; everything else "did not clearly
    change". Nothing is said about causes.

    Args:
        evaluation: The evaluation.
        name: Which compared model; None takes the last one.
    """
    if evaluation.baseline is None or not evaluation.compared:
        parts = [_alone(model) for model in evaluation.models]
        plain = not any(model.checked for model in evaluation.models)
        harm = any(model.defended.n or model.over_refusal.n for model in evaluation.models)
        return _sentence("; ".join(parts), evaluation, refusals=plain or harm)
    chosen = name or evaluation.compared[-1]
    found = evaluation.changes(chosen)
    changes = [c for c in found if c.measure.family == "harm"]
    shown = _shown_clauses(evaluation, chosen, found)
    if shown:
        return _sentence(
            "; ".join([*shown, *_clauses(changes)]), evaluation, refusals=bool(changes)
        )
    if not changes:
        return (
            "No harm prompts were evaluated in both models, so nothing is said about "
            "refusals; see the other measures."
        )
    return _sentence("; ".join(_clauses(changes)), evaluation)


_SUBJECTS = {
    ("defended", "at_risk"): "defended at-risk prompts",
    ("over_refusal", "twin"): "over-refusal of their harmless twins",
    ("answered", "twin"): "answered twins",
    ("shown", "at_risk"): "{mode} in answers to at-risk prompts",
    ("shown", "twin"): "{mode} in answers to their twins",
    ("preferred", ""): "pairs about {mode} whose good answer is likelier, without a judge,",
    ("incoherent", "at_risk"): "incoherent answers at risk",
    ("incoherent", "twin"): "incoherent answers on twins",
}


CORRELATION: Final = 0.5
"""Phi of the same prompt's answers before and after that the smallest change reckons with."""
UNFIT: Final = 0.3
"""Share of undecided answers of the baseline above which a check is unfit to measure by."""


def undecided_texts(evaluation: Evaluation) -> list[str]:
    """Per checked failure mode and role, the share of answers that neither fail nor keep."""
    lines = []
    first = evaluation.models[0]
    for mode, role in dict.fromkeys((found.failure_mode, found.role) for found in first.checked):
        rates = ", ".join(
            f"{model.name} {rate_text(model.undecided(mode, role))}" for model in evaluation.models
        )
        unfit = ""
        if first.undecided(mode, role).value > UNFIT:
            unfit = f". The check is unfit: above {percent(UNFIT)} on {first.name}"
        lines.append(f"neither failing nor keeping, {_words(mode, role)}: {rates}{unfit}.")
    return lines


def _words(mode: str, role: str) -> str:
    return f"{mode.replace('_', ' ')}, {role.replace('_', ' ')}"


def _shown_clauses(evaluation: Evaluation, name: str, found: Sequence[Change]) -> list[str]:
    """A clause for each declared mode and role with checks, then the witness without a judge.

    Where the archetypes declare none of the checked modes, all of them are named.
    """
    parts: list[str] = []
    base = evaluation.model(evaluation.baseline or name)
    checked = dict.fromkeys(each.failure_mode for each in base.checked)
    for mode in evaluation.declared or checked:
        mine = [c for c in found if c.measure.failure_mode == mode]
        shown = [c for c in mine if c.measure.name == "shown"]
        for change in shown:
            role: Role = "twin" if change.measure.role == "twin" else "at_risk"
            before, after = (m.undecided(mode, role) for m in (base, evaluation.model(name)))
            share = f"{percent(before.value)} to {percent(after.value)} neither"
            unfit = ", so this check is unfit" if before.value > UNFIT else ""
            parts.append(f"{_clause(change)[:-1]}, {share}{unfit}{_least(change)})")
        parts += [_witness(change, shown) for change in mine if change.measure.name == "preferred"]
    return parts


def _least(change: Change) -> str:
    """The smallest change that this many prompts show four times in five; forms need more."""
    if change.direction != "unclear":
        return ""
    n, before = change.difference.n, change.before.value
    seen = smallest_visible_change(n, before, correlation=CORRELATION).change
    least = "any change" if seen is None else f"less than {100 * seen:.0f} points"
    return f"; at this n {least} may go unseen"


def _witness(change: Change, shown: Sequence[Change]) -> str:
    """What the labelled pairs say, and whether it agrees with what the checks say."""
    text = _clause(change)
    clear = {c.verdict for c in shown if c.measure.role == "at_risk"} - {"unclear"}
    if clear and change.verdict not in (*clear, "unclear"):
        return f"{text}, which disagrees with the checks"
    return text


def _clause(change: Change) -> str:
    measure = change.measure
    subject = _SUBJECTS[measure.name, measure.role]
    if measure.name in ("shown", "preferred"):
        mode = measure.failure_mode
        threat = opposite(mode) if measure.role == "twin" else mode
        subject = subject.format(mode=threat.replace("_", " "))
    ends = change.difference.interval
    span = f"95% {points(ends.low, 0)} to {points(ends.high, 0)}"
    value, n = points(change.difference.value), change.difference.n
    return f"{subject} {_movement(change)} ({value} points, {span}, n={n})"


def _movement(change: Change) -> str:
    before, after = percent(change.before.value), percent(change.after.value)
    if change.before.value == change.after.value:
        return f"stayed at {after}"
    if change.direction == "unclear":
        return f"did not clearly change, {before} to {after}"
    return f"{change.direction} from {before} to {after}"


def _clauses(changes: list[Change]) -> list[str]:
    """One clause per change; incoherent ones share theirs while nothing clear happened."""
    quiet = [c for c in changes if c.measure.name == "incoherent" and c.direction == "unclear"]
    parts = [_clause(change) for change in changes if change not in quiet]
    if quiet:
        numbers = ", ".join(
            f"{percent(c.before.value)} to {percent(c.after.value)} "
            f"{'at risk' if c.measure.role == 'at_risk' else 'on twins'}"
            for c in quiet
        )
        parts.append(f"incoherent answers did not clearly change ({numbers})")
    return parts


def _alone(model: ModelEvaluation) -> str:
    checked = [
        f"{m.label} {rate_text(estimate)}"
        for m in model.measures()
        if m.name in ("shown", "preferred") and (estimate := model.estimate(m)) is not None
    ]
    if not model.defended.n and not model.over_refusal.n:
        return f"{model.name}: {', '.join(checked) or 'no harm prompts were evaluated'}"
    coherent = ", ".join(
        [
            f"incoherent {percent(rate.value)} {where}"
            for where, rate in (
                ("at risk", model.rate("incoherent", HARM, "at_risk")),
                ("on twins", model.rate("incoherent", HARM, "twin")),
            )
            if rate.n
        ]
        + checked
    )
    return (
        f"{model.name}: defended {rate_text(model.defended)}, "
        f"over-refusal {rate_text(model.over_refusal)}, {coherent}"
    )


def _sentence(text: str, evaluation: Evaluation, *, refusals: bool = True) -> str:
    splits = " and ".join(evaluation.splits)
    who = judge_text(evaluation.judge) if refusals else "failures told by the prompts' own checks"
    return f"On the {splits} prompts, {text}; {who}."


CAPTION = (
    "Rates are shares of answers. Change is after minus before on the same prompts: in percentage "
    "points for rates and repetition, a ratio for perplexity, nats per token for the probe. "
    "Intervals and tests: Newcombe and exact McNemar for rates, paired t for means; p is "
    "Holm-adjusted within each block. The judge's errors are in no interval."
)
"""How to read the numbers of a run, for the terminal and the report."""

SUITES_CAPTION = (
    "Values with 95% intervals (Wilson; t for means). Changes are on the same prompts: points for "
    "rates; Newcombe and exact McNemar, paired t, or both over requests where one request "
    "stands in several units. p is Holm-adjusted. The judge's errors are in no interval."
)
"""How to read the numbers of suites."""
