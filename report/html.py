"""Builds small pieces of HTML and escapes every text that comes from outside."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape


def text(value: object) -> str:
    """Any value as escaped text; quotes too, so that it is safe in an attribute."""
    return escape(str(value), quote=True)


def paragraph(value: object, css: str = "") -> str:
    """An escaped paragraph."""
    return f"<p{_css(css)}>{text(value)}</p>"


def table(head: Sequence[object], rows: Iterable[Sequence[object]], css: str = "") -> str:
    """A table of escaped cells; the first column holds words, the others numbers."""
    header = "".join(f'<th scope="col">{text(cell)}</th>' for cell in head)
    body = "".join(
        "<tr>"
        + f'<th scope="row">{text(row[0])}</th>'
        + "".join(f"<td>{text(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table{_css(css)}><thead><tr>{header}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def bullets(items: Iterable[object]) -> str:
    """An escaped list."""
    return "<ul>" + "".join(f"<li>{text(item)}</li>" for item in items) + "</ul>"


def section(title: str, body: str) -> str:
    """A titled section around finished HTML."""
    return f"<section><h2>{text(title)}</h2>{body}</section>"


def figure(svg: bytes, caption: str, *, alt: str) -> str:
    """An SVG as an image with alternative text; as an image it cannot run anything."""
    data = base64.b64encode(svg).decode("ascii")
    return (
        f'<figure><img alt="{text(alt)}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def _css(name: str) -> str:
    return f' class="{name}"' if name else ""
