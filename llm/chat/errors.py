"""What an exception of a chat model means: try again, wait how long, or give up."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ...errors import AnlageError
from ...files.redaction import redact

Kind = Literal["busy", "retry", "parameter", "refused", "barred", "fatal"]

_MESSAGE_LENGTH: Final = 400
_SEARCHED: Final = 4000  # characters of a body in which a reason is looked for
_RETRY_STATUS: Final = frozenset({408, 409, 425, 429, 529})
_UNREADABLE: Final = (json.JSONDecodeError, IndexError, KeyError, TypeError, ValueError)
_NO_CREDIT: Final = re.compile(
    r"insufficient[_ ](?:quota|balance|credits?|funds)|credit balance|out of credits?"
    r"|no (?:more )?credits?\b|more credits|payment required|billing.{0,12}limit"
    r"|exceeded_current_quota"
)
_SCREENED: Final = re.compile(
    r"moderation|flagged|content[ _-]?(?:filter|policy|policies|management|safety|blocked)"
    r"|responsible ?ai|safety|harmful|prohibited[ _]?content|inappropriate"
    r"|(?<!case[ -])sensitive|self-harm"
    r"|illicit|inspection_failed|jailbreak|unsafe|violat\w* (?:\w+ ){0,4}(?:policy|policies|terms)"
    r"|(?:policy|usage)[_ ]violation|recitation|copyright"
)
_ACCOUNT_HIT: Final = re.compile(
    r"(?:account|organi[sz]ation|project|user|key)\b.{0,20}\b"
    r"(?:flagged|suspended|disabled|deactivated|blocked|banned|terminated|restricted)"
)
_ACCOUNT: Final = re.compile(
    r"api[ _-]?key|credential|unauthori[sz]ed|authenticat|permission|access denied|no access"
    r"|not (?:have|allowed|permitted|entitled|authorized|enabled)\b.{0,40}\b(?:access|model|use)"
    r"|billing|quota|balance|payment|suspended|account|organi[sz]ation|subscription|\bplan\b"
    r"|region|country|territory|ip address"
    r"|(?:invalid|expired|wrong|bad|missing) (?:\w+ )?(?:token|key)"
    r"|signature"
)
_BUSY: Final = re.compile(r"rate.?limit|too many requests|overloaded|capacity")


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt.

    Attributes:
        kind: `busy` (429, overload, time-out: fewer calls at a time, then again), `retry`
            (server or network error, unreadable answer), `parameter` (the server does
            not take what was sent: perhaps a parameter), `refused` (this request will never
            succeed: its content was screened, it is too long), `barred` (a 403 that says
            nothing: of this request, or of all) or `fatal` (no request to this model will
            succeed: wrong key, no credit, no such model).
        reason: For a person; what the server said, without secrets.
        wait: Seconds the server asks to wait; 0 where it does not say.
        text: What the server said, at length.
        fields: Names of fields that the body marks as the wrong ones.
    """

    kind: Kind
    reason: str
    wait: float = 0.0
    text: str = ""
    fields: frozenset[str] = frozenset()


def classify(error: BaseException) -> Failure:
    """Reads status, headers, body and class of an exception of any provider."""
    body = _body(error)
    status = _status(error) or _status_in(body)
    said = _said(body) or " ".join(str(error).split())
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        said = said or "no answer in time"
    prefix = f"HTTP {status}: " if status and str(status) not in said[:40] else ""
    reason = redact(f"{type(error).__name__}: {prefix}{said[:_MESSAGE_LENGTH]}")
    text = f"{said} {_flat(body)} {error}"[:_SEARCHED]
    fields = frozenset(_fields(body))
    kind = _kind(error, status, text.lower())
    if kind == "refused" and status in (400, 422) and fields:
        kind = "parameter"  # a marked field says more than a word somewhere in the text
    return Failure(kind, reason, _wait(error), text, fields)


def _kind(error: BaseException, status: int | None, text: str) -> Kind:
    screened = _SCREENED.search(text) is not None and _ACCOUNT_HIT.search(text) is None
    if isinstance(error, AnlageError) or status == 402 or _NO_CREDIT.search(text):
        return "fatal"
    if status in (429, 529, 503):
        return "busy"
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return "busy"
    if status in (401, 403):
        if screened:
            return "refused"
        return "fatal" if status == 401 or _ACCOUNT.search(text) else "barred"
    if status == 404 and "model" in text:
        return "fatal"
    if status in (400, 422):
        if _ACCOUNT_HIT.search(text) or re.search(r"(?:invalid|missing|valid) api[ _-]?key", text):
            return "fatal"
        return "refused" if screened else "parameter"
    if status is not None and (status in _RETRY_STATUS or status >= 500):
        return "retry"
    if status is not None:
        return "refused"
    return _kind_without_status(error, text, screened=screened)


def _kind_without_status(error: BaseException, text: str, *, screened: bool) -> Kind:
    name = type(error).__name__
    if _body(error) is not None:  # an error inside an answer with status 200
        if screened:
            return "refused"
        if _BUSY.search(text):
            return "busy"
        wrong_key = re.search(r"api[ _-]?key|unauthori[sz]ed|authenticat", text)
        return "fatal" if wrong_key or _ACCOUNT_HIT.search(text) else "retry"
    if isinstance(error, UnicodeError):
        return "refused"  # half a character in the request: it cannot be sent at all
    connection = isinstance(error, OSError) or "Connect" in name or "Protocol" in name
    if connection or getattr(error, "is_retryable", False) or "ReadError" in name:
        return "retry"
    return "retry" if isinstance(error, _UNREADABLE) or "Validation" in name else "refused"


def _body(error: BaseException) -> Any:
    """What the server wrote: parsed where it is JSON; None where nothing is known."""
    body = getattr(error, "body", None)
    if body not in (None, ""):
        return _parsed(body)
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # boto
        return response.get("Error")
    try:
        text = getattr(response, "text", None)
    except Exception:  # a stream that was not read: its body is gone
        text = None
    if isinstance(text, str) and text.strip():
        return _parsed(text)
    if error.args and isinstance(error.args[0], dict | list):  # LangChain: an error in a 200
        return error.args[0]
    return None


def _parsed(body: Any) -> Any:
    if isinstance(body, bytes):
        body = body.decode(errors="replace")
    if isinstance(body, str):
        try:
            return json.loads(body)
        except ValueError:
            return body
    return body


def _said(body: Any) -> str:
    """The sentence in a body, wherever it stands; else the body."""
    if isinstance(body, list) and len(body) == 1:
        return _said(body[0])
    if isinstance(body, dict):
        for name in ("error", "message", "detail", "msg", "Message", "errors"):
            if body.get(name):
                inner = _said(body[name])
                if isinstance(place := body.get("loc"), list) and place:
                    inner = f"{'.'.join(map(str, place))}: {inner}"
                code = body.get("code") or body.get("type")
                known = not isinstance(code, str) or name == "error" or code in inner
                return inner if known else f"{inner} ({code})"
    if body is None or isinstance(body, str):
        return " ".join((body or "").split())
    return _flat(body)


def _flat(body: Any) -> str:
    if body is None or isinstance(body, str):
        return body or ""
    return json.dumps(body, ensure_ascii=False, default=str)


def _fields(body: Any) -> Iterator[str]:
    """Names of the fields that a body marks: OpenAI's `param`, FastAPI's `loc`."""
    if isinstance(body, list):
        for item in body:
            yield from _fields(item)
    if isinstance(body, dict):
        if isinstance(body.get("param"), str) and body["param"]:
            yield body["param"].rpartition(".")[2]
        place = body.get("loc")
        if isinstance(place, list | tuple) and place:
            yield from (str(part) for part in place if str(part) != "body")
        for name in ("error", "message", "detail", "errors"):
            yield from _fields(body.get(name))


def _status(error: BaseException) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        for attribute in ("status_code", "status", "code"):
            value = getattr(holder, attribute, None)
            if isinstance(value, int) and 400 <= value < 600:
                return value
        if isinstance(holder, Mapping):
            about = holder.get("ResponseMetadata")
            if isinstance(about, Mapping) and isinstance(about.get("HTTPStatusCode"), int):
                return int(about["HTTPStatusCode"])
    return None


def _status_in(body: Any) -> int | None:
    """The status that stands inside a body: some providers send it with status 200."""
    if isinstance(body, dict):
        for name in ("code", "status", "status_code", "error"):
            value = body.get(name)
            if isinstance(value, str) and value.isdigit():
                value = int(value)
            if isinstance(value, dict):
                value = _status_in(value)
            if isinstance(value, int) and 400 <= value < 600:
                return value
    return None


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
