"""The Python of the documents uses public names only, and each of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import anlage
import pytest

ROOT = Path(anlage.__file__).resolve().parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = re.compile(r"-m anlage\.[\w.]+")


def faults(text: str) -> list[str]:
    """Deep imports, and names of `anlage` that are not public, in code and in prose."""
    found = []
    for block in re.findall(r"(?ms)^```python\n(.*?)^```", text):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Import):
                found += [a.name for a in node.names if a.name.startswith("anlage.")]
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("anlage."):
                found.append(str(node.module))
            if isinstance(node, ast.ImportFrom) and node.module == "anlage":
                found += [a.name for a in node.names if a.name not in anlage.__all__]
    named = re.findall(r"(?<![\w/.@-])anlage\.([A-Za-z_]\w*(?:\.\w+)*)", COMMANDS.sub("", text))
    return found + [name for name in named if name.split(".")[0] not in anlage.__all__]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_documents_name_what_is_public(page: Path) -> None:
    assert faults(page.read_text(encoding="utf-8")) == []


def test_a_deep_import_and_an_unknown_name_are_found() -> None:
    deep = "```python\nfrom anlage.trainer.train import train\n```"
    unknown = "```python\nfrom anlage import trian\nanlage.trian()\n```"
    assert faults(deep) == ["anlage.trainer.train", "trainer.train"]
    assert faults(unknown) == ["trian", "trian"]
