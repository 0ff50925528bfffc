"""Batch plans: which requests run together. A plan depends on the requests only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .request import Request

_SHARED_CHARACTERS = 300  # a beginning this long makes two prompts a family
_SMALLEST_FAMILY = 4


def plan_batches(
    lengths: Sequence[int],
    batch_size: int,
    budget: int = 0,
    families: Sequence[int] | None = None,
) -> list[list[int]]:
    """Sorts by length, longest first, and cuts into batches.

    Longest first, so that running out of memory shows at once. Ties keep the
    given order: the same lengths always give the same plan.

    Args:
        lengths: Length of each item, in any unit (tokens, characters).
        batch_size: Most items per batch, at least 1.
        budget: Most items x longest length per batch; 0 for no such limit. A
            batch has at least one item even where that exceeds the budget.
        families: Number of each item's family; families stay together as far as they
            fill batches, 0 and the rests are batched by length. None: all are 0.

    Returns:
        Batches of indices into `lengths`; each index occurs once.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[list[int]] = []
    if families is not None:
        for family in sorted(set(families) - {0}):
            members = [index for index in order if families[index] == family]
            own = plan_batches([lengths[index] for index in members], batch_size, budget)
            whole = own if len(own[-1]) >= min(batch_size, _SMALLEST_FAMILY) else own[:-1]
            batches += [[members[place] for place in batch] for batch in whole]
        taken = {index for batch in batches for index in batch}
        order = [index for index in order if index not in taken]
    room = 0
    for index in order:
        if not room:
            longest = max(1, lengths[index])
            room = max(1, min(batch_size, budget // longest)) if budget else batch_size
            batches.append([])
        batches[-1].append(index)
        room -= 1
    return batches


def families_of(texts: Sequence[str]) -> list[int]:
    """Numbers texts by the long beginnings they share; 0 for those that share none.

    Sorted, so the numbers depend on the texts only. A family has at least four members.
    """
    order = sorted(range(len(texts)), key=lambda index: (texts[index], index))
    found: list[list[int]] = []
    head = ""
    for index in order:
        if found and texts[index].startswith(head):
            found[-1].append(index)
            continue
        head = texts[index][:_SHARED_CHARACTERS]
        if len(head) == _SHARED_CHARACTERS:
            found.append([index])
        else:
            head = "\0"  # too short to share anything; no text begins so
    numbers = [0] * len(texts)
    large = [members for members in found if len(members) >= _SMALLEST_FAMILY]
    for number, members in enumerate(large, start=1):
        for index in members:
            numbers[index] = number
    return numbers


def length_of(request: Request) -> int:
    """Length in characters, new tokens included.

    Characters, not tokens: the plan must not need the model. A token is about 4.
    """
    said = sum(len(message.content) for message in request.messages)
    return said + len(request.prefill) + 4 * request.max_tokens


def lengths_together(texts: Iterable[tuple[Request, str]]) -> list[int]:
    """Length of each text, those after the same request as long as the longest of them.

    So a plan by length keeps the options of a question in one batch, where a local
    model reads the question once.
    """
    pairs = list(texts)
    longest: dict[tuple[object, str], int] = {}
    for request, text in pairs:
        owner = (request.messages, request.prefill)
        longest[owner] = max(longest.get(owner, 0), length_of(request) + len(text))
    return [longest[request.messages, request.prefill] for request, _ in pairs]
