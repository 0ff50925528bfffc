"""What every screen shares: what was asked, and how a page is made from its template."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from .place import Place

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, with its form already read.

    Attributes:
        request: The request.
        place: The folder that is shown.
        form: The form's fields; of several with one name the last.
    """

    request: Request
    place: Place
    form: Mapping[str, str]

    def path(self, name: str) -> str:
        """A part of the address."""
        return str(self.request.path_params[name])

    def query(self, name: str, otherwise: str = "") -> str:
        """A field behind the `?`, without spaces around it."""
        return str(self.request.query_params.get(name, otherwise)).strip()

    @property
    def is_part(self) -> bool:
        """Whether only a part of the page is wanted (htmx asks for it)."""
        return self.request.headers.get("hx-request") == "true"

    def page(self, template: str, /, *, status: int = 200, data: Mapping[str, Any]) -> HTMLResponse:
        """A page made from a template beside this file; all text is escaped."""
        common = {"nonce": self.request.state.nonce, "here": self.request.url.path, "part": False}
        text = _templates().get_template(template).render({**common, **data})
        return HTMLResponse(text, status_code=status)

    def sentence(self, title: str, text: str, *, status: int = 200) -> HTMLResponse:
        """A page that says one thing."""
        return self.page("message.html", status=status, data={"title": title, "text": text})


Handler = Callable[[Asked], Response]


def screen(path: str, handler: Handler, *, post: bool = False) -> Route:
    """A route whose handler runs in a thread of its own, so that a slow one stops no other."""

    async def endpoint(request: Request) -> Response:
        body = await request.body() if post else b""
        fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        asked = Asked(request, request.app.state.place, dict(fields))
        return await run_in_threadpool(handler, asked)

    return Route(path, endpoint, methods=["POST"] if post else ["GET"])


def go_to(path: str, query: Mapping[str, str] | None = None) -> RedirectResponse:
    """Sends the browser to one of our pages, so that reloading repeats nothing."""
    tail = f"?{urlencode(query)}" if query else ""
    return RedirectResponse(quote(path) + tail, status_code=303)


def when(seconds: float) -> str:
    """A time as this machine's date and clock."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def pages_of(rows: Sequence[Any], number: str, size: int) -> tuple[Sequence[Any], int, int]:
    """One page of rows, its number from 1 and how many there are."""
    last = max(1, -(-len(rows) // size))
    page = min(max(1, int(number) if number.isdecimal() and len(number) < 9 else 1), last)
    return rows[(page - 1) * size : page * size], page, last


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["when"] = when
    environment.filters["words"] = lambda value: str(value).replace("_", " ")
    environment.filters["link"] = lambda value: quote(str(value), safe="")
    environment.globals["urlencode"] = urlencode
    return environment


def static_page(template: str, data: Mapping[str, Any]) -> str:
    """A page that is written to a file, outside the studio; all text is escaped."""
    return _templates().get_template(template).render(data)
