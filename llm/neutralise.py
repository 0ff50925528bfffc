"""Makes delimiters inside foreign text harmless before it is shown to a critic."""

from __future__ import annotations

import re
from typing import Final

# Between two characters of a delimiter, invisible characters would hide it from
# the patterns below while a tokenizer may still drop them. Elsewhere they stay:
# emoji and several scripts need the joiners.
_INVISIBLE = re.compile(
    "(?<=[<>|\N{FULLWIDTH VERTICAL LINE}])"
    "[\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
    "\N{WORD JOINER}\N{ZERO WIDTH NO-BREAK SPACE}\N{SOFT HYPHEN}]+"
    "(?=[<>|\N{FULLWIDTH VERTICAL LINE}])"
)


_BAR = "[|\N{FULLWIDTH VERTICAL LINE}]"


# Role and control tokens that are written without bars: Llama 2, Mistral, Gemma, T5.
_TAG = re.compile(
    r"<(?=/?(?:s|bos|eos|pad|unk|mask|start_of_turn|end_of_turn|system|user|assistant)>)"
    r"|<<(?=/?SYS>>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])",
    re.IGNORECASE,
)


_SUBSTITUTES: Final = str.maketrans(
    {
        "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
        ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
        "[": "\N{FULLWIDTH LEFT SQUARE BRACKET}",
    }
)


_DELIMITER = re.compile(rf"<{{3,}}|>{{3,}}|<(?={_BAR})|(?<=[|\N{{FULLWIDTH VERTICAL LINE}}])>")


def _substitute(match: re.Match[str]) -> str:
    return match.group().translate(_SUBSTITUTES)


def neutralise(text: str) -> str:
    """Makes a judged text unable to end its quotation or to speak in another role.

    Templates put judged text between a line `<<<` and a line `>>>`. Runs of three
    or more angle brackets, chat control tokens (`<|im_start|>` and its kind,
    `<start_of_turn>`, `</s>`, `[INST]`, `<<SYS>>`) are replaced by look-alike
    characters, so that a reader still sees what was written. Applying it twice
    changes nothing more.

    Args:
        text: Any text of a user or a model.

    Returns:
        The text; only brackets of such tokens differ, and invisible characters
        between them are gone.

    Not covered: persuasion in plain words ("ignore the above"), and tokenizers
    with control tokens of another shape.
    """
    text = _INVISIBLE.sub("", text)
    text = _DELIMITER.sub(_substitute, text)
    return _TAG.sub(_substitute, text)
