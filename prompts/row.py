"""One line of a prompt set, checked and turned into a `Prompt`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, cast, get_args

from .fields import (
    Row,
    check_keys,
    decode,
    read_choice,
    read_cues,
    read_messages,
    read_slug,
    read_text,
)
from .prompt import Prompt, Role, Split

REQUIRED: Final = (
    "id",
    "messages",
    "cues",
    "failure_mode",
    "role",
    "twin",
    "split",
    "topic",
    "form",
)
OPTIONAL: Final = ("licence",)


def parse_row(
    text: str,
    row: Row,
    split: Split,
    *,
    cues: Collection[str],
    failure_modes: Collection[str],
) -> Prompt | None:
    """Checks one line; whatever is wrong with it goes to `row.problems`.

    Args:
        text: The line, without its line break.
        row: Where it is.
        split: The split of the folder it lies in; the row must say the same.
        cues: Known cue ids.
        failure_modes: Known failure modes.

    Returns:
        The prompt, or None where the row has a problem. Whether its twin exists
        is not checked here: that takes all rows.
    """
    data = decode(text, row)
    if data is None:
        return None
    check_keys(data, REQUIRED, (*REQUIRED, *OPTIONAL), row)
    prompt = Prompt(
        id=read_slug(data, "id", row),
        messages=read_messages(data, row),
        cues=read_cues(data, cues, row),
        failure_mode=read_choice(data, "failure_mode", failure_modes, row),
        role=cast("Role", read_choice(data, "role", get_args(Role), row)),
        twin=read_slug(data, "twin", row),
        split=cast("Split", read_choice(data, "split", get_args(Split), row)),
        topic=read_slug(data, "topic", row),
        form=read_slug(data, "form", row),
        licence=read_text(data, "licence", row) or "Apache-2.0",
    )
    if prompt.split and prompt.split != split:
        row.report(
            "P009",
            f"'split' is {prompt.split!r}, but the file lies in {split!r}.",
            f"write {split!r}, or move the row.",
        )
    return None if row.problems else prompt
