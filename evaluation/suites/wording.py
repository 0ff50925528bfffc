"""Suites in words: values, changes, what moved."""

from __future__ import annotations

from collections.abc import Sequence

from ...stats.intervals import Estimate
from ..change import SuiteChange
from ..measure import SuiteMeasure
from ..wording import p_text, percent, points


def value_text(measure: SuiteMeasure, estimate: Estimate | None) -> str:
    """A value with its interval in its own unit."""
    if estimate is None:
        return "not measured"
    ends = estimate.interval
    if measure.is_rate or measure.name == "probability":
        low, high = f"{100 * ends.low:.0f}", f"{100 * ends.high:.0f}"
        return f"{percent(estimate.value)} [{low} to {high}]"
    return f"{estimate.value:.2f} [{ends.low:.2f} to {ends.high:.2f}]"


def change_cells(change: SuiteChange) -> tuple[str, str, str, str]:
    """Before, after, change with interval, and the adjusted p."""
    measure, ends = change.measure, change.difference.interval
    if measure.is_rate or measure.name == "probability":
        span = f"[{points(ends.low, 0)} to {points(ends.high, 0)}]"
        moved = f"{points(change.difference.value)} {span}"
        values = (percent(change.before.value), percent(change.after.value))
    else:
        moved = f"{change.difference.value:+.2f} [{ends.low:+.2f} to {ends.high:+.2f}]"
        values = (f"{change.before.value:.2f}", f"{change.after.value:.2f}")
    return (*values, moved, p_text(change.p_holm))


def moved_words(moved: Sequence[SuiteChange]) -> str:
    """What moved and which way, one after the other."""
    return "; ".join(f"{c.measure.suite} {c.measure.label} {c.direction}" for c in moved)
