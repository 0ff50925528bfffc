"""A measure without a judge: does the model prefer the good answer to the failing one?"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..llm.message import Message
from ..llm.request import Model, Request
from ..prompts.labelled import LabelledPair, messages_of
from ..prompts.prompt import Role


@dataclass(frozen=True, slots=True)
class ProbeItem:
    """Both answers of one labelled pair, scored.

    Attributes:
        id: 12 hex digits over the pair's texts.
        failure_mode: The pair's failure mode.
        role: The pair's role.
        good: Log-likelihood of the good answer, mean nats per token.
        failing: The same of the failing answer.
    """

    id: str
    failure_mode: str
    role: Role
    good: float
    failing: float

    @property
    def margin(self) -> float:
        """Nats per token by which the good answer is likelier; above 0 is right."""
        return self.good - self.failing


async def measure_probe(
    model: Model, exemplars: Sequence[LabelledPair], *, system: str = ""
) -> tuple[ProbeItem, ...]:
    """Score both answers of every labelled pair; nothing is generated or judged.

    The mean per token removes most of the preference for short answers, not
    all of it. What a model finds likely is not what it says: read the margins
    as a direction of change, before against after, on the same pairs. A pair that cannot
    be scored (too long for the model) is left out.

    Cost: two scored texts a pair; on two cores, with a model of 135M parameters,
    about 10 s for 100 pairs. `balanced_sample` draws fewer.

    Args:
        model: A model that can score.
        exemplars: Labelled answer pairs (exemplars, labelled answers), never trained on.
        system: System prompt, "" for none.

    Raises:
        NotSupportedError: The model cannot score.
    """
    lead = (Message("system", system),) if system else ()
    texts: list[tuple[Request, str]] = []
    for exemplar in exemplars:
        request = Request((*lead, *messages_of(exemplar)))
        texts += [(request, exemplar.good), (request, exemplar.failing)]
    scores = await model.score(texts)
    items: dict[str, ProbeItem] = {}
    for exemplar, good, failing in zip(exemplars, scores[0::2], scores[1::2], strict=True):
        if not (math.isfinite(good.logprob) and math.isfinite(failing.logprob)):
            continue  # one that cannot be scored spoils no other
        item = ProbeItem(
            item_id(exemplar), exemplar.failure_mode, exemplar.role, good.mean, failing.mean
        )
        items[item.id] = item  # the same exemplar in two archetypes counts once
    return tuple(items.values())


def item_id(exemplar: LabelledPair) -> str:
    """12 hex digits over the pair's texts."""
    parts = (
        exemplar.failure_mode,
        exemplar.role,
        *(message.content for message in messages_of(exemplar)),
        exemplar.good,
        exemplar.failing,
    )
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:12]
