"""Takes secrets out of text that is about to be kept: the store, artefacts, messages.

Only what is certainly a secret is replaced: the exact value of a variable that holds one,
as it is or in an escaped form, and tokens whose form says what they are. What a person or a
model wrote about keys and headers stays as it was written.
"""

from __future__ import annotations

import html
import json
import os
import re
from typing import Final
from urllib.parse import quote, quote_plus

REDACTED: Final = "[redacted]"
"""What stands where a secret stood."""

_KEY_NAME: Final = re.compile(r"(?:^|_)(?:API_?KEY|ACCESS_?KEY(?:_ID)?)S?(?:_|$)", re.IGNORECASE)
_SECRET_NAME: Final = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|CREDENTIALS?)(?:_|$)", re.IGNORECASE
)
_MIN_LENGTH: Final = 12  # shorter values are flags and names, and occur in ordinary text
_PLAIN_WORD: Final = re.compile(r"[^\W\d_]+")  # a password of one word cannot be told from it
# Enough digits among enough characters: no phrase with hyphens in it looks so.
_OPAQUE: Final = r"(?=(?:[A-Za-z._~+/=-]*\d){4})[A-Za-z0-9._~+/=-]{20,}"
_HEADER: Final = re.compile(
    r"(?i)(\b(?:proxy-)?(?:authorization|x-api-key|x-goog-api-key|api-key)\b\\*[\"']?"
    rf"\s*[:=]\s*\\*[\"']?)(?:(?:bearer|basic)\s+)?{_OPAQUE}"
)
_BEARER: Final = re.compile(rf"(?i)\b(bearer\s+){_OPAQUE}")
_TOKEN: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-(?:ant-|or-|proj-|svcacct-)?(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{20,}"
    r"|(?:hf|gsk|fw|r8|csk|tgp_v1)_(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{24,}"
    r"|(?:xai|nvapi|pplx|glpat)-(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{20,}"
    r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}"
    r"|AIza[A-Za-z0-9_-]{35}|(?:AKIA|ASIA)[A-Z0-9]{16}|xox[abposr]-\d[A-Za-z0-9-]{20,}"
    r"|eyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
    r")(?![A-Za-z0-9])"
)


def redact(text: str) -> str:
    """The text without values of secret environment variables and without tokens.

    A variable is secret by its name (`OPENAI_API_KEY`, `HF_TOKEN`, ...) if its value has at
    least 12 characters and no space. The value is matched exactly: as it is, or escaped for
    JSON (once or twice), a URL or HTML. A token is known by its form (`sk-...`, `hf_...`, a
    JWT), or stands after `Bearer` or a header's name and has at least 20 characters, 4 of
    them digits. Not covered: other secrets, and encodings such as base64.
    """
    for value in _values():
        for form in _forms(value):
            if form in text:
                text = _without(text, form)
    text = _TOKEN.sub(REDACTED, text)
    lowered = text.lower()
    if "bearer" in lowered or "auth" in lowered or "api-key" in lowered:
        text = _HEADER.sub(rf"\1{REDACTED}", text)
        text = _BEARER.sub(rf"\1{REDACTED}", text)
    return text


def names_secret(name: str) -> bool:
    """True if a variable of this name holds a secret."""
    return bool(_KEY_NAME.search(name) or _SECRET_NAME.search(name))


def _values() -> list[str]:
    """Values of secret variables, longest first: one may hold another."""
    found = {
        value
        for name, value in os.environ.items()
        if len(value) >= _MIN_LENGTH
        and not any(character.isspace() for character in value)
        and (
            _KEY_NAME.search(name)
            or (_SECRET_NAME.search(name) and not _PLAIN_WORD.fullmatch(value))
        )
    }
    return sorted(found, key=lambda value: (-len(value), value))


def _forms(value: str) -> list[str]:
    """The value as it may stand in text: as it is, in JSON (and JSON in JSON), a URL, HTML."""
    once = json.dumps(value, ensure_ascii=False)[1:-1]
    ascii_once = json.dumps(value)[1:-1]
    forms = [json.dumps(ascii_once)[1:-1], json.dumps(once, ensure_ascii=False)[1:-1]]
    forms += [ascii_once, once, quote(value, safe=""), quote(value), quote_plus(value)]
    forms += [value.replace("/", "\\/"), value.replace("/", "\\\\/")]
    return list(dict.fromkeys([*forms, html.escape(value), value]))


def _without(text: str, form: str) -> str:
    if any(character.isdigit() for character in form):
        return text.replace(form, REDACTED)
    # Letters alone could be a part of a longer word.
    return re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", lambda _: REDACTED, text)
