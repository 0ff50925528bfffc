"""Every attempt to make a pair in a run, those that made none included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..constitution.yaml_form import load_constitution
from ..errors import PairError
from ..pipeline.run_directory import RunDirectory
from ..preferences.dataset import Pairs
from ..preferences.ledger import MADE_A_PAIR


@dataclass(frozen=True, slots=True)
class ListedPair:
    """One attempt.

    Attributes:
        id: Id of the pair; "" where the attempt made none.
        prompt_id: Its prompt.
        round: 1-based round.
        outcome: How it ended, such as `ok` or `mislabelled`.
        reason: Why it ended so, "" for none.
        mode: The failure mode that its principle guards against; "" without a principle.
        principle: Full id of the routed principle.
        label: What the label rests on; "" where there is no pair.
        p_chosen: As in the pair; None where there is none.
        asked: The last user message; "" where there is no pair.
        chosen: The better answer; "" where it was not kept.
        rejected: The failing one; "" where it was not kept.
    """

    id: str
    prompt_id: str
    round: int
    outcome: str
    reason: str
    mode: str
    principle: str
    label: str
    p_chosen: float | None
    asked: str
    chosen: str
    rejected: str


def listed_pairs(
    run: RunDirectory, *, mode: str = "", principle: str = "", outcome: str = "", label: str = ""
) -> list[ListedPair]:
    """The attempts of a run in prompt order, round after round.

    Args:
        run: A run with pairs.
        mode: Only those of this failure mode; "" for all, as in the others.
        principle: Only those of this principle, by its full id, slug or archetype.
        outcome: Only those that ended so; `pair` for all that made a pair.
        label: Only those whose label rests on this.

    Raises:
        PairError: The run has no pairs yet, its files cannot be read, or nothing fits.
    """
    every = list(_every(run))
    found = [
        row
        for row in every
        if mode in ("", row.mode)
        and principle in ("", row.principle, *row.principle.split("/"))
        and (outcome in ("", row.outcome) or (outcome == "pair" and row.id))
        and label in ("", row.label)
    ]
    if not found:
        there = {
            "modes": {row.mode for row in every},
            "outcomes": {row.outcome for row in every},
            "labels": {row.label for row in every},
        }
        known = "; ".join(f"{name}: {', '.join(sorted(v - {''}))}" for name, v in there.items())
        raise PairError.one("D020", str(run.path), "no attempt fits", f"there are {known}")
    return found


def _every(run: RunDirectory) -> Iterator[ListedPair]:
    folders = sorted(run.path.glob("round-*")) or [run.path]
    if not (folders[0] / run.pairs.name).is_file():
        fix = "run `anlage pairs` on it first"
        raise PairError.one("D020", str(run.path), "this run has no pairs yet", fix)
    modes = {p.id: p.failure_mode for p in load_constitution(run.constitution)}
    for number, folder in enumerate(folders, start=1):
        if (folder / run.pairs.name).is_file():
            yield from _of_round(folder, number, modes)


def _of_round(folder: Path, number: int, modes: dict[str, str]) -> Iterator[ListedPair]:
    pairs = {pair.prompt_id: pair for pair in Pairs.load(folder / "30_pairs.jsonl")}
    file = folder / "31_outcomes.json"
    try:
        attempts = json.loads(file.read_text("utf-8"))["attempts"]
        for row in attempts:
            pair = pairs.get(row["prompt_id"]) if row["kind"] in MADE_A_PAIR else None
            yield ListedPair(
                id=pair.id if pair else "",
                prompt_id=row["prompt_id"],
                round=number,
                outcome=row["kind"],
                reason=row["reason"],
                mode=pair.failure_mode if pair else modes.get(row["principle"], ""),
                principle=row["principle"],
                label=pair.label if pair else "",
                p_chosen=pair.p_chosen if pair else None,
                asked=pair.prompt[-1].content if pair else "",
                chosen=pair.chosen if pair else row.get("chosen", ""),
                rejected=pair.rejected if pair else row.get("rejected", ""),
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "build the pairs again: `anlage pairs CONFIG --again`"
        raise PairError.one("D020", str(file), f"cannot be read: {error!r}", fix) from None
