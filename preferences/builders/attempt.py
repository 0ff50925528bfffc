"""One attempt to make a pair, from a prompt to a pair or to the reason there is none."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...constitution.principle import Constitution, Principle
from ...critic.calibrate import LabelSource
from ...critic.frames import FilledFrame, FrameJob
from ...critic.routing import route
from ...files.seeds import derive_seed
from ...llm.message import Message
from ...llm.request import Outcome
from ...prompts.prompt import Prompt, check_ids, mate_threat, threat
from ..confounds import balance
from ..dataset import Pairs
from ..filters import filter_reason, same_text
from ..ledger import NO_PRINCIPLE, Ledger, collect
from ..pair import Pair
from ..settings import PairSettings

TOO_PLAIN = "its surface gives the label away (balance)"


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a builder returns: the pairs, and how every attempt ended."""

    pairs: Pairs
    outcomes: Ledger


@dataclass(slots=True)
class Attempt:
    """The state of one prompt while its pair is being built.

    Attributes:
        prompt: The prompt.
        principle: The routed principle; None if the constitution has none.
        settings: The build's settings.
        chosen: The better answer so far.
        rejected: The failing answer so far.
        calls: Step -> cache keys.
        outcome: Set once, when the attempt ends without a pair; None while open.
        note: What was repaired on the way ("" for nothing).
        also: Principles of later revisions that were kept.
        label: How the label came about.
        p_chosen: Of a label by comparison; None for one by construction.
    """

    prompt: Prompt
    principle: Principle | None
    settings: PairSettings
    chosen: str = ""
    rejected: str = ""
    calls: dict[str, tuple[str, ...]] = field(default_factory=dict)
    outcome: Outcome | None = None
    note: str = ""
    also: tuple[str, ...] = ()
    label: LabelSource = "construction"
    p_chosen: float | None = None

    @property
    def applied(self) -> Principle:
        """The principle of an attempt that is still open."""
        if self.principle is None:
            raise ValueError(f"attempt on {self.prompt.id} has no principle")
        return self.principle

    def seed(self, step: str) -> int:
        """Seed of one step: depends on the build's seed, round, prompt and step only."""
        return derive_seed(self.settings.seed, self.settings.round, self.prompt.id, step)

    def generator(self, step: str) -> random.Random:
        """A generator for the choices of one step."""
        return random.Random(self.seed(step))  # noqa: S311

    def job(
        self, step: str, messages: Sequence[Message], opening: str, *, whole: bool = True
    ) -> FrameJob:
        """A writing job with this build's sampling settings."""
        return FrameJob(
            whole=whole,
            messages=tuple(messages),
            opening=opening,
            temperature=self.settings.temperature,
            top_p=self.settings.top_p,
            max_tokens=self.settings.max_tokens,
            seed=self.seed(step),
        )

    def take(self, step: str, filled: FilledFrame) -> str:
        """Books a written answer; ends the attempt if it failed. Returns its text."""
        if filled.keys:
            self.calls[step] = self.calls.get(step, ()) + filled.keys
        if filled.outcome.kind != "ok":
            kind, reason = filled.outcome.kind, filled.outcome.reason
            self.outcome = Outcome(kind, f"{step}: {reason}" if reason else step)
        return filled.text


def start(
    prompts: Sequence[Prompt], constitution: Constitution, settings: PairSettings
) -> list[Attempt]:
    """One attempt per prompt, each with its principle; those without one end here.

    Raises:
        PromptError: Two prompts have one id.
    """
    check_ids(prompts)
    attempts = []
    for prompt in prompts:
        principle = route(prompt, constitution, seed=derive_seed(settings.seed, settings.round))
        attempt = Attempt(prompt, principle, settings)
        if principle is None:
            reason = f"no principle guards against {threat(prompt)}"
            attempt.outcome = Outcome("filtered", reason)
        attempts.append(attempt)
    return attempts


def still_open(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The attempts that have not ended."""
    return [attempt for attempt in attempts if attempt.outcome is None]


def pick_good_opening(attempt: Attempt, step: str) -> str:
    """A good opening of the attempt's principle, seeded; "" if it has none."""
    return _pick(attempt, step, attempt.applied.openings.good)


def pick_failing_opening(attempt: Attempt, constitution: Constitution, step: str) -> str:
    """An opening that makes the answer fail, seeded.

    Most come from the failing pole of the principle. `share_mirrored` of them are the
    *good* openings of the twin: what is right there is the failure here (a reasoned
    refusal of a harmless wish). So both sides of the label share their
    wording over a twin pair, and only the fit to the prompt tells them apart.
    """
    failing = attempt.applied.openings.failing
    other = mate_threat(attempt.prompt)
    mirrored = [
        opening
        for principle in constitution
        if principle.failure_mode == other
        for opening in principle.openings.good
    ]
    unique = sorted(set(mirrored))
    use_mirror = attempt.generator(f"{step}/mirror").random() < attempt.settings.share_mirrored
    return _pick(attempt, step, unique if unique and (use_mirror or not failing) else failing)


def _pick(attempt: Attempt, step: str, openings: Sequence[str]) -> str:
    return attempt.generator(f"{step}/opening").choice(openings) if openings else ""


def finish(
    attempts: Sequence[Attempt], builder: str, settings: PairSettings, *, on_policy: bool = True
) -> BuildResult:
    """Filters the finished attempts, makes the pairs and closes the ledger.

    Args:
        attempts: All attempts, in prompt order.
        builder: Name of the builder.
        settings: The build's settings.
        on_policy: True if one model wrote both sides of every pair.

    Raises:
        OutcomeError: More than `settings.max_failed_share` of the attempts failed.
    """
    pairs: list[Pair] = []
    rows: list[tuple[str, str, Outcome]] = []
    made: dict[str, int] = {}
    for attempt in attempts:
        outcome = attempt.outcome or verdict(attempt)
        principle = attempt.principle.id if attempt.principle else NO_PRINCIPLE
        if outcome.kind in ("ok", "repaired"):
            pairs.append(_pair(attempt, builder))
            made[pairs[-1].id] = len(rows)
        rows.append((attempt.prompt.id, principle, outcome))
    if settings.balance != "none":
        balanced = balance(pairs, settings.balance)
        pairs = list(balanced.pairs)
        for gone in balanced.dropped:
            row = made[gone]
            rows[row] = (*rows[row][:2], Outcome("filtered", TOO_PLAIN))
    outcomes = collect(rows, on_policy=on_policy)
    outcomes.check(settings.max_failed_share)
    return BuildResult(Pairs(pairs), outcomes)


def verdict(attempt: Attempt) -> Outcome:
    """How an attempt with both answers ends."""
    if same_text(attempt.chosen, attempt.rejected):
        return Outcome("no_op", "the revision repeats the draft")
    reason = filter_reason(
        attempt.prompt.text,
        attempt.chosen,
        attempt.rejected,
        threat(attempt.prompt),
        attempt.settings,
    )
    if reason:
        return Outcome("filtered", reason)
    return Outcome("repaired", attempt.note) if attempt.note else Outcome("ok")


def _pair(attempt: Attempt, builder: str) -> Pair:
    return Pair(
        prompt_id=attempt.prompt.id,
        prompt=attempt.prompt.messages,
        chosen=attempt.chosen,
        rejected=attempt.rejected,
        p_chosen=attempt.settings.p_chosen if attempt.p_chosen is None else attempt.p_chosen,
        weight=1.0,
        principles=(attempt.applied.id, *attempt.also),
        failure_mode=threat(attempt.prompt),
        role=attempt.prompt.role,
        builder=builder,
        round=attempt.settings.round,
        calls=dict(attempt.calls),
        label=attempt.label,
    )
