"""The ledger of attempts: every attempt to make a pair ends here, exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from ..errors import OutcomeError
from ..llm.request import Outcome, OutcomeKind

MADE_A_PAIR: frozenset[OutcomeKind] = frozenset({"ok", "repaired"})
NO_PRINCIPLE = "(no principle)"


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How one prompt's attempt ended.

    Attributes:
        prompt_id: The prompt.
        principle: Full id of the principle, or `NO_PRINCIPLE`.
        outcome: `ok` and `repaired` made a pair; all others did not.
        answers: Chosen and rejected of a pair that its prompt's check calls mislabelled.
    """

    prompt_id: str
    principle: str
    outcome: Outcome
    answers: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """All attempts of one build, in prompt order.

    Attributes:
        attempts: How each ended.
        on_policy: True if one model wrote both sides of every pair.
        labels: Failure mode -> who measured -> labels right, wrong and undecided; see
            `label_accuracy`. Empty where nobody did.
    """

    attempts: tuple[AttemptOutcome, ...]
    on_policy: bool = True
    labels: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)

    @property
    def by_kind(self) -> dict[str, int]:
        """Outcome kind -> attempts; sums to the number of attempts."""
        return dict(sorted(Counter(a.outcome.kind for a in self.attempts).items()))

    @property
    def by_principle(self) -> dict[str, dict[str, int]]:
        """Principle id -> outcome kind -> attempts."""
        table: dict[str, Counter[str]] = {}
        for attempt in self.attempts:
            table.setdefault(attempt.principle, Counter())[attempt.outcome.kind] += 1
        return {principle: dict(sorted(table[principle].items())) for principle in sorted(table)}

    @property
    def failed(self) -> int:
        """Attempts that made no pair."""
        return sum(a.outcome.kind not in MADE_A_PAIR for a in self.attempts)

    def check(self, max_failed_share: float) -> None:
        """Refuses a build in which too many attempts failed.

        A prompt that no principle guards against was never tried: it is known before the first
        call, so it counts neither as an attempt here nor as a failed one.

        Raises:
            OutcomeError: More than `max_failed_share` of the prompts that were tried made no
                pair, or there were prompts and none was tried.
        """
        tried = [a for a in self.attempts if a.principle != NO_PRINCIPLE]
        failed = [a for a in tried if a.outcome.kind not in MADE_A_PAIR]
        if len(failed) <= max_failed_share * len(tried) and (
            tried or not self.attempts or max_failed_share == 1.0
        ):
            return
        reasons = Counter(
            f"{a.outcome.kind}: {a.outcome.reason}" if a.outcome.reason else a.outcome.kind
            for a in (failed if tried else self.attempts)
        )
        listed = "; ".join(f"{n} x {reason}" for reason, n in reasons.most_common(5))
        if not tried:
            raise OutcomeError(
                f"none of {len(self.attempts)} prompts can make a pair: {listed}. Add an archetype "
                "that guards against it (`archetypes.library`), or choose other prompt sets."
            )
        add = ""
        if any(reason.startswith("mislabelled") for reason in reasons):
            add = " give the principles openings of their own or take another model or builder,"
        raise OutcomeError(
            f"{len(failed)} of {len(tried)} attempts made no pair, more than the allowed share of "
            f"{max_failed_share:.0%}. Most frequent: {listed}. To mend it,{add} raise max_tokens "
            "for truncated answers, change openings or principles for filtered ones, or raise "
            "max_failed_share."
        )

    def to_json(self) -> dict[str, object]:
        """The content of `31_outcomes.json`."""
        return {
            "total": len(self.attempts),
            "on_policy": self.on_policy,
            "by_kind": self.by_kind,
            "by_principle": self.by_principle,
            **({"labels": self.labels} if self.labels else {}),
            "attempts": [
                {"prompt_id": a.prompt_id, "principle": a.principle, **asdict(a.outcome)}
                | (dict(zip(("chosen", "rejected"), a.answers, strict=True)) if a.answers else {})
                for a in self.attempts
            ],
        }


def collect(rows: Sequence[tuple[str, str, Outcome]], *, on_policy: bool = True) -> Ledger:
    """The ledger of (prompt id, principle id, outcome) rows."""
    return Ledger(tuple(AttemptOutcome(*row) for row in rows), on_policy)
