"""Golden values: files that hold what the package did, and how to compare with them.

`ANLAGE_GOLDEN_WRITE=1 pytest tests/golden` writes them anew; `=archive` makes the old run, too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent / "data"
ARCHIVE = DATA / "old_run.tar.xz"
WRITE = os.environ.get("ANLAGE_GOLDEN_WRITE", "")
TOLERANCE = 1e-5


def same_json(name: str, value: Any) -> None:
    """Compares plain data with a golden file: order of keys counts, floats to 1e-5."""
    value = json.loads(json.dumps(value))
    file = DATA / name
    if WRITE:
        text = json.dumps(_rounded(value), indent=1, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")
    assert differences(json.loads(file.read_text("utf-8")), value) == []


def same_text(name: str, text: str) -> None:
    """Compares a text with a golden file."""
    file = DATA / name
    if WRITE:
        file.write_bytes(text.encode())
    assert text.splitlines() == file.read_bytes().decode().splitlines()


def differences(old: Any, new: Any, at: str = "") -> list[str]:
    """Where two plain data differ; floats may by 1e-5."""
    if isinstance(old, dict) and isinstance(new, dict):
        if list(old) != list(new):
            return [f"{at}: keys {list(old)} became {list(new)}"]
        return [found for key in old for found in differences(old[key], new[key], f"{at}.{key}")]
    if isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            return [f"{at}: {len(old)} items became {len(new)}"]
        pairs = enumerate(zip(old, new, strict=True))
        return [found for i, (a, b) in pairs for found in differences(a, b, f"{at}[{i}]")]
    if isinstance(old, float) and isinstance(new, float):
        # Files hold numbers to seven digits, so the bound is relative for large ones.
        close = abs(old - new) <= TOLERANCE * max(1.0, abs(old))
        return [] if close else [f"{at}: {old!r} became {new!r}"]
    same = type(old) is type(new) and old == new
    return [] if same else [f"{at}: {old!r} became {new!r}"]


def _rounded(value: Any) -> Any:
    """Seven digits: what lies behind them depends on the processor."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.7g}") if isinstance(value, float) else value


_MACHINE = r"commit|cores|memory_gib|packages\.[a-z]+|platform|processor|python"
_RULES = (
    # The machine, its packages, and how long things took.
    (rf'(<th scope="row">(?:{_MACHINE})</th><td>)[^<]*', r"\1*"),
    (r'(<th scope="row">stages\.[^<]*\.seconds</th><td>)[^<]*', r"\1*"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)? UTC", "DATE"),
    (r"(Anlage )\d+\.\d+\.\d+", r"\1VERSION"),
    # Hashes of what holds floats; the others are frozen in the manifest.
    (r"\b[0-9a-f]{64}\b", "SHA256"),
)


def normalised(page: str, *, trained: bool = False) -> str:
    """A report without what differs from one machine or day to another.

    Figures become the words on them. `trained`: decimal numbers become `#`, for a training
    may end a little differently on another processor.
    """
    page = re.sub(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", _words, page)
    for pattern, to in _RULES:
        page = re.sub(pattern, to, page)
    if trained:
        page = re.sub(r"[-\N{MINUS SIGN}+]?\d+\.\d+(?:e-?\d+)?", "#", page)
    # One element a line, so that a difference can be read.
    return re.sub(r"(</(?:p|li|tr|h[1-6]|section|figure|table|pre|style)>)", r"\1\n", page) + "\n"


def _words(found: re.Match[str]) -> str:
    svg = base64.b64decode(found.group(1)).decode()
    return "figure:" + "|".join(word.strip() for word in re.findall(r"<!--(.*?)-->", svg, re.S))


def sha(data: str | bytes) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def unpack(folder: Path) -> Path:
    """Unpacks the old run: `model/` and `runs/` with its store."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@contextmanager
def workplace(folder: Path) -> Iterator[None]:
    """In `folder`, so that no path is absolute, with local models in float32.

    A model's dtype follows the processor and is part of its fingerprint.
    """
    import torch

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(torch.cuda, "is_available", lambda: False)
        for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            patch.setattr(torch.cpu, probe, lambda: False, raising=False)
        yield


def run_config(**changes: Any) -> dict[str, Any]:
    """A run of seconds on the archived model; `changes` are merged one level deep."""
    plain: dict[str, Any] = {
        "name": "tiny",
        "runs": "runs",
        "model": "model",
        "critic": "scripted",
        "teacher": "scripted",
        "batch_size": 4,
        "archetypes": {"only": ["guardian", "explorer"]},
        "calibration": {"limit": 16},
        "prompts": {"sets": ["harm"], "limit": 8},
        "pairs": {"max_tokens": 60, "min_words": 1, "max_failed_share": 1.0},
        "training": {
            "dtype": "float32",
            "rank": 2,
            "alpha": 4,
            "epochs": 1,
            "batch_size": 2,
            "warmup_ratio": 0.0,
            "learning_rate": 0.001,
            "save_steps": 50,
            "threads": 1,
        },
        "evaluation": {"sets": ["harm"], "limit": 3, "max_tokens": 8, "probe_limit": 2},
    }
    for key, value in changes.items():
        merge = isinstance(value, dict) and isinstance(plain.get(key), dict)
        plain[key] = {**plain[key], **value} if merge else value
    return plain
