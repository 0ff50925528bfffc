"""A critic's measurement as tables and sentences."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...critic.calibrate import MIN_DECIDED, CalibrationRow, missing_pairs
from ...critic.critic_report import CriticReport, Kappa, SelfPreference
from ...stats.intervals import Rate


def critic_report_text(found: CriticReport) -> RenderableType:
    """The verdict first, then accuracy by failure mode and role, biases, reliability."""
    calibration = found.calibration
    table = Table(title="How often the critic chose the better answer, in both orders")
    for column in ("failure mode", "role"):
        table.add_column(column)
    for column in ("pairs", "decided", "accuracy [95%]"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("may label")
    for row in calibration.rows:
        allowed = calibration.allows(row.failure_mode, row.role)
        table.add_row(*_cells(row), _may_label(row, allowed, len(calibration.rows)))
    table.add_section()
    table.add_row(*_cells(calibration.overall), "")
    return Group(
        Text(calibration.reason, style="bold"),
        table,
        *(Text(line) for line in _bias_lines(found)),
        _reliability(found),
    )


def _cells(row: CalibrationRow) -> tuple[str, ...]:
    accuracy = f"{row.accuracy:.2f} [{row.low:.2f}, {row.high:.2f}]" if row.decided else "none"
    names = (row.failure_mode.replace("_", " "), row.role.replace("_", " "))
    return (*names, str(row.n), str(row.decided), accuracy)


def _may_label(row: CalibrationRow, allowed: bool, slices: int) -> str:
    if allowed:
        return "yes"
    if row.high < 0.5 and row.decided >= MIN_DECIDED:
        return "no: inverted"
    missing = missing_pairs(row, slices)
    return f"no: {missing} pairs more" if missing else "no"


def _bias_lines(found: CriticReport) -> list[str]:
    overall = found.calibration.overall
    lines = [
        f"Position: the answer shown first gets {overall.shown_first:.2f} of the probability on "
        f"average (0.50 is none); {overall.abstained} of {overall.n} pairs undecided, "
        f"{found.unreadable} of them without a readable choice.",
        f"Length: it prefers the longer answer in {_share(found.longer)}; the longer answer is "
        f"the better one in {_share(found.good_is_longer)}.",
    ]
    if found.failed:
        lines.append(f"The calls of {found.failed} pairs failed; the same command asks them again.")
    if found.left_out:
        lines.append(f"{found.left_out} pairs were left out: no principle guards against them.")
    return lines


def _share(rate: Rate) -> str:
    if not rate.n:
        return "none of 0 decided pairs"
    ends = rate.interval
    return f"{rate.value:.2f} [{ends.low:.2f}, {ends.high:.2f}] of {rate.n} decided pairs"


def self_preference_text(found: SelfPreference) -> str:
    """One sentence."""
    return (
        f"Self-preference: over {found.pairs} prompts the policy's own answer wins against the "
        f"good one in {_share(found.against_good)}, against the failing one in "
        f"{_share(found.against_failing)}. A fair critic lets the good one win."
    )


def _reliability(found: CriticReport) -> RenderableType:
    title = f"Reliability: expected calibration error {found.calibration_error:.3f}"
    table = Table(title=title)
    for column in ("confidence", "pairs", "mean confidence", "accuracy"):
        table.add_column(column, justify="right")
    for row in found.bins:
        measured = (f"{row.confidence:.2f}", f"{row.accuracy:.2f}") if row.n else ("", "")
        table.add_row(f"{row.low:.1f} to {row.high:.1f}", str(row.n), *measured)
    return table


def kappa_text(found: Kappa, what: str) -> str:
    """One sentence, e.g. `A and B: kappa 0.61 [0.40, 0.79], agreement 0.82, n = 40`."""
    if found.n == 0:
        return f"{what}: nothing to compare."
    if found.value != found.value:  # NaN: both always said the same word
        return f"{what}: kappa is not defined, agreement {found.observed:.2f}, n = {found.n}."
    ends = found.interval
    return (
        f"{what}: kappa {found.value:.2f} [{ends.low:.2f}, {ends.high:.2f}], "
        f"agreement {found.observed:.2f}, n = {found.n}."
    )
