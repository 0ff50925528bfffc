"""What an exception of a chat model means: try again, wait how long, or give up."""

from __future__ import annotations

import email.utils
import json
import time
from dataclasses import dataclass
from typing import Any, Final, Literal

from ...files.redaction import redact

Kind = Literal["busy", "retry", "parameter", "refused", "fatal"]

_MESSAGE_LENGTH: Final = 300
_RETRY_STATUS: Final = frozenset({408, 409, 425, 429, 529})
_UNREADABLE: Final = (json.JSONDecodeError, IndexError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt.

    Attributes:
        kind: `busy` (429, overload, time-out: fewer calls at a time, then again), `retry`
            (server or network error, unreadable answer), `parameter` (the server does
            not know a parameter), `refused` (this request will never succeed) or
            `fatal` (no request to this model will: wrong key, no such model).
        reason: For a person; without secrets.
        wait: Seconds the server asks to wait; 0 where it does not say.
    """

    kind: Kind
    reason: str
    wait: float = 0.0


def classify(error: BaseException) -> Failure:
    """Reads status, headers and class of an exception of any provider."""
    status = _status(error)
    reason = _reason(error, status)
    name = type(error).__name__
    text = str(error).lower()
    if status == 429 and "insufficient_quota" in text:
        return Failure("fatal", reason)
    if status in (429, 529, 503):
        return Failure("busy", reason, _wait(error))
    if isinstance(error, TimeoutError) or "Timeout" in name:
        return Failure("busy", f"no answer in time ({name})")
    if status in (401, 403) or (status == 404 and "model" in text):
        return Failure("fatal", reason)
    if status in (400, 422) and _names_parameter(text):
        return Failure("parameter", reason)
    if status is not None and (status in _RETRY_STATUS or status >= 500):
        return Failure("retry", reason, _wait(error))
    if status is not None:
        return Failure("refused", reason)
    connection = isinstance(error, OSError) or "Connect" in name or "Protocol" in name
    if connection or getattr(error, "is_retryable", False) or "ReadError" in name:
        return Failure("retry", reason)
    if isinstance(error, _UNREADABLE) or "Validation" in name:
        return Failure("retry", f"unreadable answer: {reason}")
    return Failure("refused", reason)


def _names_parameter(text: str) -> bool:
    known = ("unsupported", "not support", "unrecognized", "unknown parameter", "extra inputs")
    return any(word in text for word in known)


def _status(error: BaseException) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        for attribute in ("status_code", "status", "code"):
            value = getattr(holder, attribute, None)
            if isinstance(value, int) and 400 <= value < 600:
                return value
    return None


def _reason(error: BaseException, status: int | None) -> str:
    said = " ".join(str(error).split())[:_MESSAGE_LENGTH] or type(error).__name__
    prefix = f"HTTP {status}: " if status and str(status) not in said[:40] else ""
    return redact(f"{type(error).__name__}: {prefix}{said}")


def _wait(error: BaseException) -> float:
    headers: Any = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return 0.0
    for header, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(header)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            seconds = _until(value)
        # Not a number, or in the past: as if nothing had been said.
        return seconds if seconds > 0 else 0.0
    return 0.0


def _until(date: str) -> float:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() - time.time()
    except (TypeError, ValueError):
        return 0.0
