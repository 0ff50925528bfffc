"""Compare: what differs between two runs in their settings, and what in their effect."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from ..evaluation.wording import difference_text, span_text
from ..inspection.registry import Differing, differences
from .page import Asked, screen
from .place import NotThereError
from .results import Found, results_of

_SHOWN = 60
"""Most rows of files and packages that are listed."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One measure: what each run changed, and where each ended."""

    name: str
    first: str
    second: str
    first_after: str
    second_after: str


def effects(first: Found, second: Found) -> list[Effect]:
    """The measures that both runs have, in the order of the first."""
    theirs = {change.measure: change for change in second.changes}
    return [
        Effect(
            mine.measure.full_label,
            difference_text(mine),
            difference_text(other),
            span_text(mine.measure, mine.after),
            span_text(mine.measure, other.after),
        )
        for mine in first.changes
        if (other := theirs.get(mine.measure)) is not None
    ]


def flipped(first: Found, second: Found) -> list[tuple[str, str, str, str, str, str]]:
    """Prompts on which the two trained models got another verdict.

    Returns:
        Prompt, its id, verdict and answer of the first, verdict and answer of the second.
    """
    theirs = {row.after.prompt_id: row for row in second.rows}
    return [
        (row.after.prompt, row.after.prompt_id, row.after_said, row.after.text, other.after_said,
         other.after.text)
        for row in first.rows
        if (other := theirs.get(row.after.prompt_id)) is not None
        and other.after_said != row.after_said
    ]  # fmt: skip


def _compare(asked: Asked) -> Response:
    names = [run.name for run in asked.place.runs()]
    first, second = asked.query("first"), asked.query("second")
    data: dict[str, object] = {"names": names, "first": first, "second": second, "found": None}
    if first and second:
        runs = asked.place.run(first), asked.place.run(second)
        rows = differences(runs[0].path, runs[1].path)
        data["settings"] = [row for row in rows if row.where == "config"]
        data["others"] = _counted([row for row in rows if row.where != "config"])
        try:
            found = results_of(runs[0]), results_of(runs[1])
            data |= {"effects": effects(*found), "flips": flipped(*found), "found": found}
        except NotThereError as error:
            data["why_not"] = str(error)
    return asked.page("compare.html", data=data)


def _counted(rows: list[Differing]) -> list[str]:
    shown = [f"{row.where}: {row.name}" for row in rows[:_SHOWN]]
    return [*shown, f"and {len(rows) - _SHOWN} more"] if len(rows) > _SHOWN else shown


ROUTES = (screen("/compare", _compare),)
