"""Takes the pictures of `docs/studio.md`: the studio on a real folder, in Chromium.

python benchmarks/studio_pictures.py FOLDER RUN [--out docs/pictures]

FOLDER holds `archetypes/guardian.yaml` and `runs/RUN`, a finished run; a sheet of `reviewer-1` is
begun in it. Needs the extra `studio-test` and a Chromium.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
from pathlib import Path

from anlage.inspection.judgements import open_sheet
from anlage.pipeline.run_directory import RunDirectory
from PIL import Image
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
WIDE, NARROW = (1180, 760), (390, 760)
SHOTS = {
    "studio-home": ("/", WIDE),
    "studio-write": ("/write/archetypes/guardian.yaml", WIDE),
    "studio-pairs": ("/runs/{run}/pairs", WIDE),
    "studio-review": ("/runs/{run}/review/reviewer-1", NARROW),
    "studio-results": ("/runs/{run}/results", WIDE),
    "studio-live": ("/runs/{run}/live", WIDE),
}
"""Picture -> page and size of the window."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("run")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    asked = parser.parse_args()
    out = asked.out.resolve()
    open_sheet(RunDirectory(asked.folder / "runs" / asked.run), "reviewer-1", limit=30)
    command = [sys.executable, "-m", "anlage.cli", "studio", str(asked.folder), "--port", "0"]
    with subprocess.Popen([*command, "--no-open"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(address)
            page.wait_for_url(f"{address.split('/?')[0]}/")
            for name, (path, (width, height)) in SHOTS.items():
                page.set_viewport_size({"width": width, "height": height})
                page.goto(address.split("/?")[0] + path.format(run=asked.run))
                page.wait_for_timeout(1500)
                prepare(page, name)
                save(page.screenshot(), out / f"{name}.png")
        process.terminate()


def prepare(page: Page, name: str) -> None:
    """What a reader would do first."""
    if name == "studio-write":  # a slip, so that the linter has something to say
        page.click(".cm-content")
        page.keyboard.press("Control+Home")
        for _ in range(3):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        page.keyboard.type("motiv: self_protection")
        page.wait_for_selector(".cm-lint-marker-error")
    if name == "studio-live":
        page.evaluate("window.scrollTo(0, 430)")
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)


def save(picture: bytes, file: Path) -> None:
    """With 64 colours: text stays sharp, and the file is a third as large."""
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    image.save(file, optimize=True)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
