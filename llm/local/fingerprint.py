"""What a local model is, as one hash: weights, adapter, tokenizer, template, dtype."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

_BLOCK = 1 << 22


def hash_weights(folder: Path) -> str:
    """SHA-256 (hex) over the bytes of all *.safetensors files of a folder, by name.

    A process reads the files once for as long as their sizes, times of change and numbers
    on the disk stay the same.
    """
    folder = folder.resolve()
    names = ("config.json", "adapter_config.json")
    configs = [folder / name for name in names if (folder / name).is_file()]
    paths = (*sorted(folder.glob("*.safetensors")), *configs)
    found = [path.stat() for path in paths]
    return _hash_files(paths, tuple((s.st_size, s.st_mtime_ns, s.st_ino) for s in found))


@lru_cache(maxsize=64)
def _hash_files(paths: tuple[Path, ...], state: tuple[tuple[int, int, int], ...]) -> str:
    """The hash of files in this state: size, time of change and number on the disk."""
    digest = hashlib.sha256()
    for path, (size, _, _) in zip(paths, state, strict=True):
        if path.suffix == ".safetensors":
            digest.update(f"{path.name}:{size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def hash_state(model: Any) -> str:
    """SHA-256 (hex) over a model's parameters and buffers in memory, and its config."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}:{tuple(tensor.shape)}:{tensor.dtype}\n".encode())
        raw = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8)
        digest.update(memoryview(raw.numpy()))
    config = model.config.to_dict()
    config.pop("_name_or_path", None)
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def hash_tokenizer(tokenizer: Any) -> str:
    """SHA-256 (hex) over the whole tokenizer and its chat template."""
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    for setting in ("truncation", "padding"):  # left over from the last call, not identity
        backend.pop(setting, None)
    payload = json.dumps(
        [
            backend,
            str(tokenizer.chat_template),
            tokenizer.eos_token,
            tokenizer.pad_token,
            # Changes decoded answers; left out where it is off, as it is by default.
            *(["clean_up"] if tokenizer.clean_up_tokenization_spaces else []),
        ]
    )
    return hashlib.sha256(payload.encode()).hexdigest()


def combine(parts: dict[str, str], kind: str = "local") -> str:
    """The fingerprint: kind, colon and a SHA-256 (hex) over the named parts."""
    payload = json.dumps(parts, sort_keys=True)
    return f"{kind}:" + hashlib.sha256(payload.encode()).hexdigest()
