"""Tries principles: on labelled pairs (does each apply, decide, differ?), and on one question."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from ..constitution.principle import Principle
from ..critic.calibrate import MAX_FAILED_SHARE, as_prompt
from ..critic.compare import AnswerComparison, ComparisonItem, compare
from ..critic.critic_report import cohen_kappa
from ..critic.critique import Critique, CritiqueItem, critique, revision_job
from ..critic.frames import FrameJob, fill_frames
from ..critic.routing import candidates
from ..errors import OutcomeError
from ..files.seeds import derive_seed
from ..llm.message import Message
from ..llm.request import Model
from ..prompts.labelled import ANY_MODE, LabelledPair
from ..prompts.prompt import Prompt, threat
from ..stats.intervals import Rate

Advice = Literal["keep", "merge", "rewrite", "unused", "too few pairs"]

MIN_PAIRS = 4
"""Fewest labelled pairs before a principle is judged at all."""
SAME_VERDICTS = 0.9
"""Share of equal verdicts from which two principles decide alike; both must decide most."""


@dataclass(frozen=True, slots=True)
class PilotRow:
    """What a critic makes of one principle.

    Attributes:
        principle: Its full id.
        failure_mode: What it guards against.
        reach: Share of the training prompts it may be drawn for, weighted by its chance.
        orders: Labelled pairs on which both orders agree, of those compared.
        right: Of those, the ones in which the good answer won.
        ambiguity: Mean of 1 - |2p - 1| over the pairs, in [0, 1]: 0 is sure, 1 is a coin.
        twin: The principle that decides most alike; "" where there is no other.
        alike: Share of pairs with the same verdict as that one, in [0, 1].
        kappa: Cohen's kappa with it, or NaN.
        advice: `keep`, `merge` (with `twin`), `rewrite` (the orders disagree on half of the
            pairs, or half of the decided ones are wrong), `unused` (no prompt calls for it)
            or `too few pairs`.
    """

    principle: str
    failure_mode: str
    reach: float
    orders: Rate
    right: Rate
    ambiguity: float
    twin: str
    alike: float
    kappa: float
    advice: Advice

    def to_json(self) -> dict[str, object]:
        """All of it as plain data; a kappa that is not defined is null."""
        return asdict(self) | {"kappa": None if self.kappa != self.kappa else self.kappa}


async def pilot(
    critic: Model,
    labelled: Sequence[LabelledPair],
    principles: Sequence[Principle],
    prompts: Sequence[Prompt],
    *,
    per_principle: int = 8,
    votes: int = 1,
    seed: int = 0,
) -> list[PilotRow]:
    """Lets every principle decide the same labelled pairs of its failure mode, both ways round.

    Args:
        critic: The critic.
        labelled: Answer pairs whose better half is known.
        principles: The constitution.
        prompts: Training prompts, to see which principles are called for.
        per_principle: Most pairs for each failure mode.
        votes: As in `compare`.
        seed: Of the draw of pairs.

    Returns:
        One row per principle, by failure mode and id.

    Raises:
        OutcomeError: The calls of more than `MAX_FAILED_SHARE` of the comparisons failed.
    """
    drawn = _draw(labelled, per_principle, seed)
    order = sorted(principles, key=lambda p: (p.failure_mode, p.id))
    items = [
        ComparisonItem(as_prompt(pair, n).messages, principle.compare, pair.good, pair.failing)
        for principle in order
        for n, pair in enumerate(drawn.get(principle.failure_mode, ()))
    ]
    answers = await compare(critic, items, votes=votes, seed=seed)
    failed = [found.failed for found in answers if found.failed]
    if len(failed) > MAX_FAILED_SHARE * len(answers):
        raise OutcomeError(
            f"the pilot could not be run: {len(failed)} of {len(answers)} comparisons failed, the "
            f"first with: {failed[0]}. Remove the cause and run the same command again: what was "
            "answered is stored."
        )
    left = iter(answers)
    table = {p.id: [next(left) for _ in drawn.get(p.failure_mode, ())] for p in order}
    reach = _reach(order, prompts)
    return [_row(p, table, order, reach[p.id]) for p in order]


def _draw(labelled: Sequence[LabelledPair], limit: int, seed: int) -> dict[str, list[LabelledPair]]:
    """Failure mode that threatens -> pairs about it."""
    found: dict[str, list[LabelledPair]] = {}
    for number, pair in enumerate(labelled):
        if pair.failure_mode == ANY_MODE:
            continue  # about none of our failure modes, so for no principle
        found.setdefault(threat(as_prompt(pair, number)), []).append(pair)
    for mode, pairs in found.items():
        generator = random.Random(derive_seed(seed, "pilot", mode))  # noqa: S311
        found[mode] = generator.sample(pairs, min(limit, len(pairs)))
    return found


def _reach(principles: Sequence[Principle], prompts: Sequence[Prompt]) -> dict[str, float]:
    """Expected share of the prompts each principle is drawn for."""
    shares = dict.fromkeys((principle.id for principle in principles), 0.0)
    for prompt in prompts:
        weighted = candidates(prompt, principles)
        total = sum(weight for _, weight in weighted)
        for principle, weight in weighted:
            shares[principle.id] += weight / total / len(prompts)
    return shares


def _row(
    principle: Principle,
    table: Mapping[str, Sequence[AnswerComparison]],
    principles: Sequence[Principle],
    reach: float,
) -> PilotRow:
    own = table[principle.id]
    decided = [c for c in own if c.outcome in ("first", "second")]
    orders = Rate(len(decided), len(own))
    right = Rate(sum(c.outcome == "first" for c in decided), len(decided))
    sure = [1.0 - abs(2.0 * c.p_first - 1.0) for c in own]
    others = [
        (_alike(own, table[p.id]), p.id)
        for p in principles
        if p.id != principle.id and p.failure_mode == principle.failure_mode
    ]
    alike, twin = max(others, default=(0.0, ""), key=lambda pair: (pair[0], pair[1]))
    kappa = float("nan")
    if twin:
        kappa = cohen_kappa([c.outcome for c in own], [c.outcome for c in table[twin]]).value
    return PilotRow(
        principle=principle.id,
        failure_mode=principle.failure_mode,
        reach=reach,
        orders=orders,
        right=right,
        ambiguity=sum(sure) / len(sure) if sure else 1.0,
        twin=twin,
        alike=alike,
        kappa=kappa,
        advice=_advice(orders, right, reach, alike),
    )


def _alike(one: Sequence[AnswerComparison], other: Sequence[AnswerComparison]) -> float:
    """Share of pairs with the same verdict; pairs that both leave undecided say nothing."""
    same = [(a.outcome, b.outcome) for a, b in zip(one, other, strict=True)]
    return sum(a == b and a in ("first", "second") for a, b in same) / len(same) if same else 0.0


def _advice(orders: Rate, right: Rate, reach: float, alike: float) -> Advice:
    if reach == 0.0:
        return "unused"
    if orders.n < MIN_PAIRS:
        return "too few pairs"
    if orders.value <= 0.5 or right.value <= 0.5:
        return "rewrite"
    return "merge" if alike >= SAME_VERDICTS else "keep"


@dataclass(frozen=True, slots=True)
class AuthorLoop:
    """Draft, one critique per principle, and the revision under the worst-broken one.

    Attributes:
        draft: The model's plain answer.
        critiques: (principle, critique) in the order given.
        applied: The principle the revision follows: the one the critic found most
            severely broken, the first of them in a tie.
        opening: The good opening the revision was begun with.
        revision: The revised answer.
    """

    draft: str
    critiques: tuple[tuple[Principle, Critique], ...]
    applied: Principle
    opening: str
    revision: str


async def author_loop(
    model: Model,
    principles: Sequence[Principle],
    question: str,
    *,
    seed: int = 0,
    max_tokens: int = 64,
) -> AuthorLoop:
    """Drafts an answer, critiques it under every principle and revises it under one."""
    prompt = Prompt(
        id="question",
        messages=(Message("user", question),),
        cues=(),
        failure_mode=principles[0].failure_mode,
        role="at_risk",
        twin="",
        split="dev",
        topic="",
        form="",
    )
    job = FrameJob(prompt.messages, "", temperature=0.0, max_tokens=max_tokens, seed=seed)
    draft = (await fill_frames(model, [job]))[0].text
    items = [CritiqueItem(prompt, draft, principle) for principle in principles]
    found = tuple(zip(principles, await critique(model, items), strict=True))
    applied, worst = max(found, key=lambda pair: pair[1].severity)
    opening = random.Random(seed).choice(applied.openings.good)  # noqa: S311
    revision = revision_job(
        prompt, worst, applied, opening=opening, temperature=0.0, max_tokens=max_tokens, seed=seed
    )
    revised = (await fill_frames(model, [revision]))[0].text
    return AuthorLoop(draft, found, applied, opening, revised)
