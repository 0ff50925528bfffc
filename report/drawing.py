"""Colours, markers and SVG for every plot."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Okabe and Ito's palette, for colour-blind readers. Grey first, since the baseline comes first;
# a lighter one could be taken for green or pink.
COLOURS = ("#5f5f5f", "#0072B2", "#D55E00", "#009E73", "#CC79A7")


MARKERS = ("o", "s", "D", "^", "v")


@contextmanager
def plot_style() -> Iterator[None]:
    """Our settings, for drawing as well as for saving; the caller's own stay as they are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcParams.update(
            {
                "font.size": 12,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "svg.hashsalt": "anlage",  # the same data give the same bytes
                "text.parse_math": False,  # a model's name may hold a dollar sign
            }
        )
        yield


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of some inches with one set of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def to_svg(figure: Figure) -> bytes:
    """The figure as SVG; the same data give the same bytes."""
    target = io.BytesIO()
    figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    return target.getvalue()
