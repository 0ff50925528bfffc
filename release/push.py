"""Sends a packaged model to a model hub; without `--really` it only shows what it would send."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import ConfigurationError, StoreError
from ..files.redaction import redact
from .package import Package

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def planned_calls(package: Package, repository: str, *, private: bool) -> list[str]:
    """The calls of the hub's client that `push` makes, in order, without a secret.

    Raises:
        ConfigurationError: `repository` is not `owner/name`.
    """
    if not _REPOSITORY.fullmatch(repository):
        fix = "give it as owner/name"
        raise ConfigurationError.one("X020", "push", f"{repository!r} names no repository", fix)
    return [
        f"create_repo({repository!r}, private={private}, exist_ok=True)",
        f"upload_folder({repository!r}, {len(package.files)} files, {package.size / 1e6:.1f} MB)",
    ]


def push(package: Package, repository: str, *, private: bool, endpoint: str | None = None) -> str:
    """Uploads a package with the hub's own client, which finds the token by itself.

    Args:
        package: What is sent.
        repository: `owner/name`; made if it does not exist.
        private: Whether a new repository is private.
        endpoint: Address of another hub; None takes `$HF_ENDPOINT` or the public one.

    Returns:
        The address of the commit.

    Raises:
        ConfigurationError: `repository` is not `owner/name`.
        StoreError: The hub refuses or cannot be reached.
    """
    planned_calls(package, repository, private=private)
    from httpx import HTTPError
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint)
    try:
        api.create_repo(repository, private=private, exist_ok=True, repo_type="model")
        commit = api.upload_folder(
            repo_id=repository,
            folder_path=str(Path(package.folder)),
            repo_type="model",
            commit_message="Weights, tokenizer, model card and constitution",
        )
    except (HTTPError, OSError, ValueError) as error:
        said = redact(str(error).strip().splitlines()[0] if str(error).strip() else repr(error))
        raise StoreError(
            f"the hub did not take {repository}: {said}. Log in with `hf auth login` or set "
            "HF_TOKEN to a token that may write there; nothing was lost here."
        ) from error
    return str(commit.commit_url)
