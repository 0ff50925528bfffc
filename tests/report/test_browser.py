"""Reports in a real browser, where one is installed: nothing is blocked, nothing is blank.

Colours are checked without one: what a colour-blind reader sees must still differ.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from anlage.inspection.suites import keep_with_run
from anlage.report.drawing import COLOURS
from PIL import Image

from .run.test_report import write_run
from .run.test_suites import BAD, GOOD, attacked, measured

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
needs_browser = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")


def shoot(page: Path, width: int, picture: Path) -> str:
    """Takes a picture of the page; returns what the console said."""
    flags = (
        *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
        "--disable-dev-shm-usage",
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--enable-logging=stderr", f"--user-data-dir={picture.parent / 'profile'}"),
    )
    size = f"--window-size={width},6000"
    done = subprocess.run(
        [CHROMIUM, *flags, size, f"--screenshot={picture}", page.resolve().as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return "\n".join(line for line in done.stderr.splitlines() if ":CONSOLE" in line)


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("width", [500, 1280])
def test_the_report_is_drawn_without_a_complaint(tmp_path: Path, width: int) -> None:
    run = write_run(tmp_path / "demo")
    page = keep_with_run(run, measured(BAD, GOOD, attacked(BAD, "email")))
    assert shoot(page, width, tmp_path / "page.png") == ""
    drawn = np.asarray(Image.open(tmp_path / "page.png").convert("L"))
    # ink in every fifth of the page, and none at its right edge, where only what overflows gets
    assert all((part < 200).mean() > 0.002 for part in np.array_split(drawn, 5))
    assert (drawn[:, -3:] > 240).all()


@pytest.mark.slow
@needs_browser
def test_a_page_that_asks_for_more_is_noticed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo")
    page = keep_with_run(run, measured(BAD, GOOD))
    planted = tmp_path / "planted.html"
    planted.write_text(page.read_text().replace("<main>", "<main><script>alert(1)</script>"))
    assert "Content Security Policy" in shoot(planted, 500, tmp_path / "page.png")


# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
PROTANOPIA = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
              (-0.003882, -0.048116, 1.051998))  # fmt: skip
DEUTERANOPIA = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
                (-0.011820, 0.042940, 0.968881))  # fmt: skip
XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750),
       (0.0193339, 0.1191920, 0.9503041))  # fmt: skip
WHITE = np.array((0.95047, 1.0, 1.08883))


def lab(colour: str, seen: tuple[tuple[float, ...], ...] | None) -> np.ndarray:
    """CIELAB of a colour as the eye sees it."""
    rgb = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if seen is not None:
        linear = np.clip(np.array(seen) @ linear, 0, 1)
    x, y, z = np.cbrt(np.maximum(np.array(XYZ) @ linear / WHITE, 1e-3))
    return np.array((116 * y - 16, 500 * (x - y), 200 * (y - z)))


@pytest.mark.parametrize("seen", [None, PROTANOPIA, DEUTERANOPIA])
def test_colours_differ_for_every_eye(seen: tuple[tuple[float, ...], ...] | None) -> None:
    for one, other in itertools.combinations(COLOURS, 2):
        assert np.linalg.norm(lab(one, seen) - lab(other, seen)) > 12, (one, other)


def test_red_and_green_would_not_do() -> None:
    gap = np.linalg.norm(lab("#B05030", DEUTERANOPIA) - lab("#708030", DEUTERANOPIA))
    assert gap < 12
