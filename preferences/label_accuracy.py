"""Labels by construction earn their place: per failure mode, the share of them that is right.

Who says so: the checks that prompts carry, a critic whose comparisons passed their gate, and
reviewers (a filled sheet). Counts are pooled over the principles and builders of one failure
mode, never over modes. A label is right where the chosen answer keeps and the rejected one
does not, wrong where the chosen answer fails or the rejected one keeps; all else is undecided
and counts for neither.

A pair that its own check calls wrong makes no pair; one that it calls right is labelled by the
check. What remains, labelled by construction alone, is trained as the share of its mode allows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from ..archetypes.vocabulary import opposite
from ..errors import PairError
from ..evaluation.checks.verify import check_verdict
from ..llm.request import Outcome
from ..prompts.check import Check
from ..prompts.prompt import Prompt, threat
from ..stats.intervals import Rate, wilson
from .builders.attempt import BuildResult
from .builders.labelling import PREFERS_REJECTED
from .dataset import Pairs
from .ledger import MADE_A_PAIR
from .pair import Pair
from .selection import Trust
from .settings import PairSettings

ENOUGH: Final = 0.7
"""What the lower end of a mode's two-sided 95% Wilson interval must reach. 9 of 9, 14 of 15
and 19 of 20 do; 8 of 8, 13 of 14 and 18 of 20 do not (an exact interval would refuse 9 of 9)."""
REVIEWS: Final = "review"
"""Folder of a run that keeps the keys of its review sheets and what they said."""

Found = Literal["right", "wrong", "undecided"]
Said = Literal["chosen", "rejected", "tie"]
Tallies = Mapping[str, Mapping[str, Mapping[str, int]]]
"""Failure mode -> who measured (`check`, `critic`) -> how many labels are right, wrong, ..."""


def by_check(pair: Pair, check: Check) -> tuple[Found, str]:
    """Whether a pair's label is right by the check of its prompt, and what is wrong with it."""
    asked = pair.prompt[-1].content
    chosen, rejected = (check_verdict(check, text, asked) for text in (pair.chosen, pair.rejected))
    faults = ["chosen fails"] if chosen == "fails" else []
    faults += ["rejected keeps"] if rejected == "keeps" else []
    if faults:
        return "wrong", " and ".join(faults) + " by the prompt's check"
    return ("right" if chosen == "keeps" else "undecided"), ""


def checked(
    result: BuildResult,
    prompts: Sequence[Prompt],
    checks: Mapping[str, Check],
    settings: PairSettings,
) -> BuildResult:
    """Holds built pairs against the checks of their prompts, and counts right labels.

    Args:
        result: What a builder made.
        prompts: What it was made from.
        checks: Prompt id -> check; prompts without one are left as they are.
        settings: How it was built. A critic's comparisons count where they are gated.

    Returns:
        The same without the pairs whose check says that the label is wrong; these end as
        `mislabelled`. Labels by construction that a check confirms become labels by `check`.

    Raises:
        OutcomeError: More than `max_failed_share` of the attempts made no pair.
    """
    found: dict[tuple[str, str], Counter[Found]] = {}
    kept: list[Pair] = []
    wrong: dict[str, tuple[str, Pair]] = {}

    def count(mode: str, who: str, verdict: Found) -> None:
        found.setdefault((mode, who), Counter())[verdict] += 1

    for pair in result.pairs:
        check = checks.get(pair.prompt_id)
        verdict, fault = by_check(pair, check) if check else ("undecided", "")
        if check:
            count(pair.failure_mode, "check", verdict)
        elif pair.label == "comparison" and settings.labels == "calibrated":
            count(pair.failure_mode, "critic", "right")
        if verdict == "wrong":
            wrong[pair.prompt_id] = (fault, pair)
            continue
        confirmed = verdict == "right" and pair.label == "construction"
        kept.append(replace(pair, label="check") if confirmed else pair)
    threats = {prompt.id: threat(prompt) for prompt in prompts}
    attempts = []
    for attempt in result.outcomes.attempts:
        if attempt.outcome.reason == PREFERS_REJECTED and settings.labels == "calibrated":
            count(threats[attempt.prompt_id], "critic", "wrong")
        if attempt.prompt_id in wrong and attempt.outcome.kind in MADE_A_PAIR:
            fault, pair = wrong[attempt.prompt_id]
            outcome = Outcome("mislabelled", fault)
            attempt = replace(attempt, outcome=outcome, answers=(pair.chosen, pair.rejected))
        attempts.append(attempt)
    tallies: dict[str, dict[str, dict[str, int]]] = {}
    for (mode, who), counts in sorted(found.items()):
        tallies.setdefault(mode, {})[who] = {str(v): n for v, n in sorted(counts.items())}
    ledger = replace(result.outcomes, attempts=tuple(attempts), labels=tallies)
    ledger.check(settings.max_failed_share)
    return BuildResult(Pairs(kept), ledger)


def reviewed(folder: Path) -> dict[str, Said]:
    """What the sheets read back into a run say: pair id -> the answer held better.

    Where two sheets disagree on a pair, the one that does not hold `chosen` better counts.
    """
    said: dict[str, Said] = {}
    for file in sorted((folder / REVIEWS).glob("*.labels.json")):
        try:
            labels = json.loads(file.read_text("utf-8"))["labels"]
            for pair_id, word in labels.items():
                if said.get(pair_id, "chosen") == "chosen":
                    said[pair_id] = word
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            fix = "read the sheet again with `anlage review RUN --read SHEET`"
            raise PairError.one("D030", str(file), f"damaged: {error}", fix) from None
    return said


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of one failure mode's labels by construction.

    Attributes:
        mode: The failure mode.
        pairs: Pairs whose label rests on construction alone.
        rate: Right labels out of those that somebody decided.
        sources: Who decided, in words, with how many where there are several.
        action: `trained`, `unmeasured` (trained, too), `weighed` or `left out`.
    """

    mode: str
    pairs: int
    rate: Rate
    sources: tuple[str, ...]
    action: Literal["trained", "unmeasured", "weighed", "left out"]

    @property
    def missing(self) -> int:
        """Right labels that would lift the lower end to `ENOUGH`; 0 where it is there."""
        more = 0
        while wilson(self.rate.successes + more, self.rate.n + more).low < ENOUGH:
            more += 1
        return more


_NAMES = {"check": "checks", "critic": "a gated critic", "review": "reviewers"}


def standings(
    pairs: Iterable[Pair], tallies: Tallies, said: Mapping[str, Said], trust: Trust
) -> list[Standing]:
    """Per failure mode whose labels rest on construction: how many are right, what follows.

    Args:
        pairs: What was built.
        tallies: What checks and critic found while it was built.
        said: What reviewers said of pairs.
        trust: What is done about modes that did not earn their place.
    """
    mine: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.label == "construction":
            mine.setdefault(pair.failure_mode, []).append(pair)
    found = []
    for mode, rows in sorted(mine.items()):
        words = Counter(said[pair.id] for pair in rows if pair.id in said)
        counts = {
            **{
                who: (c.get("right", 0), c.get("wrong", 0))
                for who, c in tallies.get(mode, {}).items()
            },
            "review": (words["chosen"], words["rejected"]),
        }
        right, wrong = (sum(count[side] for count in counts.values()) for side in (0, 1))
        deciding = {who: good + bad for who, (good, bad) in counts.items() if good + bad}
        sources = tuple(
            _NAMES.get(who, who) + (f" ({n})" if len(deciding) > 1 else "")
            for who, n in deciding.items()
        )
        rate = Rate(right, right + wrong)
        found.append(Standing(mode, len(rows), rate, sources, _action(rate, trust)))
    return found


def _action(rate: Rate, trust: Trust) -> Literal["trained", "unmeasured", "weighed", "left out"]:
    if not rate.n:
        return "left out" if trust == "strict" else "unmeasured"
    if trust == "all" or rate.interval.low >= ENOUGH:
        return "trained"
    return "weighed" if trust == "weighed" and rate.value >= 0.5 else "left out"


def earned(
    pairs: Iterable[Pair], table: Sequence[Standing], said: Mapping[str, Said], trust: Trust
) -> Pairs:
    """The pairs that may be trained on, in their order.

    Left out: those of the modes that are, and, unless everything is trusted, each pair that
    a reviewer holds the wrong way round. Weighed modes get the measured share as `p_chosen`.

    Raises:
        PairError: None is left.
    """
    by_mode = {standing.mode: standing for standing in table}
    kept, every = [], list(pairs)
    for pair in every:
        standing = by_mode.get(pair.failure_mode) if pair.label == "construction" else None
        turned = said.get(pair.id) == "rejected" and trust != "all"
        if turned or (standing and standing.action == "left out"):
            continue
        weighed = standing is not None and standing.action == "weighed"
        kept.append(replace(pair, p_chosen=standing.rate.value) if weighed and standing else pair)
    if every and not kept:
        message = f"no pair has a label that earned its place: {sentence(table)}"
        fix = (
            "review pairs (`anlage review RUN --out sheet.csv`, then `--read`), give prompts a "
            "`check`, or set `selection.trust` to weighed or all"
        )
        raise PairError.one("D060", "selection.trust", message, fix)
    return Pairs(kept)


def effect(table: Sequence[Standing], said: Mapping[str, Said]) -> list[object]:
    """What `earned` changes, as plain data; empty where every pair is trained as it is."""
    changes: list[object] = [
        [one.mode, one.action, one.rate.value if one.action == "weighed" else None]
        for one in table
        if one.action in ("weighed", "left out")
    ]
    return [*changes, *sorted(pair_id for pair_id, word in said.items() if word == "rejected")]


def sentence(table: Sequence[Standing]) -> str:
    """One plain sentence on labels that rest on construction; "" where there are none."""
    parts = []
    unmeasured = [one for one in table if one.action == "unmeasured"]
    if unmeasured:
        listed = ", ".join(f"{one.mode} ({one.pairs})" for one in unmeasured)
        parts.append(f"nobody measured {listed}, trained as they are")
    for one in table:
        if one.action == "unmeasured":
            continue
        share = "not measured"
        if one.rate.n:
            ends, who = one.rate.interval, " and ".join(one.sources)
            share = (
                f"{one.rate.successes} of {one.rate.n} right by {who} "
                f"(95% {100 * ends.low:.0f} to {100 * ends.high:.0f})"
            )
        weighed = f"trained with p_chosen {one.rate.value:.2f}"
        then = weighed if one.action == "weighed" else one.action
        parts.append(f"{one.mode}: {share}, pairs {then}: {one.pairs}")
    out = {one.mode for one in table if one.action == "left out"}
    stays = {opposite(one.mode) for one in table if one.mode not in out} if out else set()
    if stays & out:
        more = ", ".join(sorted(stays & out))
        parts.append(f"pairs against the opposite stay, so look for more {more} after training")
    return f"Labels by construction: {'; '.join(parts)}." if parts else ""


def advice(table: Sequence[Standing], run: Path) -> list[str]:
    """Per mode that is short of it: how many right labels are missing, and how to get them."""
    return [
        f"{one.mode}: {one.missing} reviewed pairs are missing if all turn out right, and "
        f"{one.pairs} of this run can be reviewed: anlage review {run} --mode {one.mode} "
        f"--out {one.mode}.csv"
        for one in table
        if one.missing and one.action != "trained"
    ]
