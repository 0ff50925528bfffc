"""Takes secrets out of text that is about to be kept: the store, artefacts, messages."""

from __future__ import annotations

import os
import re
from typing import Final

REDACTED: Final = "[redacted]"
"""What stands where a secret stood."""

_SECRET_NAME: Final = re.compile(
    r"(?:^|_)(?:API_?KEY|ACCESS_?KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)(?:_|$)", re.IGNORECASE
)
_MIN_LENGTH: Final = 12  # shorter values are flags and names, and occur in ordinary text
_HEADER: Final = re.compile(
    r"(?i)(\b(?:authorization|proxy-authorization|x-api-key|api-key)\b[\"']?\s*[:=]\s*[\"']?)"
    r"(?:(bearer|basic)\s+)?[^\s\"',;}\\]{8,}"
)
_BEARER: Final = re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{12,}")


def redact(text: str) -> str:
    """The text without values of secret environment variables and credentials in headers.

    A variable is secret by its name (`OPENAI_API_KEY`, `HF_TOKEN`, ...) if its value
    has at least 12 characters. A header is recognised by its name
    (`Authorization`, `x-api-key`) or by the word `Bearer`. Not covered: secrets that
    are in neither, and encodings of them (base64, URL escapes).
    """
    for name, value in os.environ.items():
        if len(value) >= _MIN_LENGTH and value in text and _SECRET_NAME.search(name):
            text = text.replace(value, REDACTED)
    lowered = text.lower()
    if "bearer" in lowered or "auth" in lowered or "api-key" in lowered:
        text = _HEADER.sub(rf"\1{REDACTED}", text)
        text = _BEARER.sub(rf"\1{REDACTED}", text)
    return text
