"""Who may ask the studio anything, and what a browser may do with what it answers.

The studio runs on the user's own machine, so every page open in the same browser could ask it
something. Four things stand against that: it listens on 127.0.0.1 only; `Host` must name that
address (a name that somebody else's DNS points here is refused); whoever asks needs the token of
the start address, which becomes a cookie; and what changes something must come from our own
pages (`Origin`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY: Final = 1_000_000
"""Most bytes of a request; an archetype file has some 30,000."""
COOKIE: Final = "anlage-studio"

_HOST = re.compile(r"(?:127\.0\.0\.1|localhost)(?::\d{1,5})?")
_REPORT_POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
)
"""For files written by `anlage report` and by the export: styles in the page, no script at all."""
_CLOSED = (
    "Open the address that `anlage studio` printed when it started; it holds the key to this page."
)
_ENTERED = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Anlage studio</title>'
    '<link rel="icon" href="data:,">'
    '<meta http-equiv="refresh" content="0; url=/"><p><a href="/">Open the studio</a></p></html>'
)


def page_policy(nonce: str) -> str:
    """The content security policy of a page: our own files only, no inline script."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
        "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


class Guard:
    """Stands before the app: refuses what is not ours, and gives every answer its headers.

    Args:
        app: The app.
        token: The start address's token.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, by itself where it is refused."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no web sockets here
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["nonce"] = nonce
        answer = self._refusal(scope)
        guarded = _with_headers(send, nonce)
        if answer is not None:
            await answer(scope, receive, guarded)
            return
        await self.app(scope, _Limited(receive), guarded)

    def _refusal(self, scope: Scope) -> HTMLResponse | None:
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        host = headers.get("host", "")
        if not _HOST.fullmatch(host):
            return _refused(403, "This address is not the studio's: use 127.0.0.1.")
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and self._is_token(given):
            entered = HTMLResponse(_ENTERED)
            name = cookie_name(host)
            entered.set_cookie(name, self.token, httponly=True, samesite="strict")
            return entered
        if not self._is_token(_cookies(headers).get(cookie_name(host), "")):
            return _refused(403, _CLOSED)
        if scope["method"] in ("GET", "HEAD"):
            return None
        if headers.get("origin") != f"http://{host}":
            return _refused(403, "Only the studio's own pages may change anything.")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return too_large()
        return None

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self.token.encode())


def cookie_name(host: str) -> str:
    """One name per port: cookies do not tell ports apart, and two studios may be open."""
    return f"{COOKIE}-{host.rpartition(':')[2]}" if ":" in host else COOKIE


def _cookies(headers: Mapping[str, str]) -> dict[str, str]:
    try:
        found = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in found.items()}


def _refused(status: int, sentence: str) -> HTMLResponse:
    page = '<!doctype html><html lang="en"><title>Refused</title>'
    page += f'<link rel="icon" href="data:,"><p>{sentence}</p></html>'
    return HTMLResponse(page, status_code=status)


def too_large() -> HTMLResponse:
    """What is said where more was sent than is taken."""
    return _refused(413, f"More than {MAX_BODY:,} bytes were sent.")


class TooLargeError(Exception):
    """More was sent than the request announced, and more than is taken."""


class _Limited:
    """Counts what is received: a request may come without its length."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.bytes = 0

    async def __call__(self) -> Message:
        message = await self.receive()
        self.bytes += len(message.get("body", b""))
        if self.bytes > MAX_BODY:
            raise TooLargeError
        return message


def _with_headers(send: Send, nonce: str) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [pair for pair in message.get("headers", []) if pair[0] != b"x-anlage-report"]
            is_report = len(headers) < len(message.get("headers", []))
            policy = _REPORT_POLICY if is_report else page_policy(nonce)
            for name, value in (
                ("content-security-policy", policy),
                ("x-content-type-options", "nosniff"),
                # `no-referrer` would make the browser send `Origin: null` with our own forms.
                ("referrer-policy", "same-origin"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
            ):
                headers.append((name.encode(), value.encode()))
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await send(message)

    return guarded
