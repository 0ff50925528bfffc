"""Puts a study's numbers into words, for tables, the report and the terminal alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..evaluation.measure import Measure
from ..evaluation.wording import p_text
from ..stats.intervals import Interval
from .comparison import Comparison, HarmCheck


def amount(value: float, measure: Measure, *, sign: bool = False) -> str:
    """A value or difference: points for shares, three decimals otherwise."""
    if math.isnan(value):
        return "-"
    form = "+" if sign else ""
    return f"{100 * value:{form}.1f}" if measure.in_points else f"{value:{form}.3f}"


def ends(interval: Interval, measure: Measure) -> str:
    """Both ends of an interval."""
    low, high = (amount(end, measure, sign=True) for end in (interval.low, interval.high))
    return f"{low} to {high}"


def sentence(comparison: Comparison) -> str:
    """One comparison as a sentence that claims no more than its interval."""
    best, name = comparison.best, comparison.outcome.what.label
    if best is None:
        have = len(comparison.seeds)
        return f"{comparison.arm}: {name} cannot be compared ({have} paired seeds, 2 are needed)."
    unit = " points" if comparison.outcome.what.in_points else f" {comparison.outcome.what.unit}"
    figures = (
        f"{amount(best.value, comparison.outcome.what, sign=True)}{unit}, "
        f"95% {ends(best.interval, comparison.outcome.what)}, {len(comparison.seeds)} seeds"
    )
    words = {
        "higher": f"{name} was higher than in {comparison.against}",
        "lower": f"{name} was lower than in {comparison.against}",
        "unclear": f"no clear difference from {comparison.against} in {name}",
        "not tested": f"{name} against {comparison.against}, not declared, so without a test",
    }[comparison.verdict]
    p = "" if math.isnan(comparison.p_holm) else f", p = {p_text(comparison.p_holm)} after Holm"
    return f"{comparison.arm}: {words} ({figures}{p})."


def headline(comparisons: Sequence[Comparison]) -> str:
    """What the study found in its declared comparisons, in one sentence."""
    declared = [c for c in comparisons if c.declared]
    measured = [c for c in declared if c.best is not None]
    if not measured:
        return "Nothing can be compared yet: no arm has two seeds finished beside the reference."
    said = sentence(measured[0]) if len(measured) == 1 else _found(measured)
    left = len(declared) - len(measured)
    return said + (f" {left} of {len(declared)} arms are not measured yet." if left else "")


def _found(measured: Sequence[Comparison]) -> str:
    clear = [c for c in measured if c.verdict in ("higher", "lower")]
    label, against = measured[0].outcome.what.label, measured[0].against
    if not clear:
        return (
            f"None of {len(measured)} arms differs clearly from {against} in {label}. "
            "That is not evidence that they are equal; the intervals say how large a "
            "difference is still possible."
        )
    shown = "; ".join(
        f"{c.arm} {c.verdict} by {amount(abs(best.value), c.outcome.what)}"
        for c in clear[:6]
        if (best := c.best) is not None
    )
    unit = " (points)" if measured[0].outcome.what.in_points else ""
    rest = f" and {len(clear) - 6} more" if len(clear) > 6 else ""
    return (
        f"{len(clear)} of {len(measured)} arms differ from {against} in {label}{unit}: "
        f"{shown}{rest}; no clear difference in the others."
        if len(clear) < len(measured)
        else f"All {len(measured)} arms differ from {against} in {label}{unit}: {shown}{rest}."
    )


def harm_sentence(check: HarmCheck) -> str:
    """One no-harm check as a sentence."""
    what = f"{check.arm}: {check.outcome.what.label}"
    margin = amount(check.margin, check.outcome.what)
    if check.test is None:
        return f"{what} was not tested (2 paired seeds are needed)."
    figures = (
        f"{amount(check.test.value, check.outcome.what, sign=True)}, "
        f"90% {ends(check.test.interval, check.outcome.what)}"
    )
    if check.kept:
        return f"{what} is no worse by the margin of {margin} ({figures})."
    return f"{what} is not shown to be within the margin of {margin} ({figures})."
