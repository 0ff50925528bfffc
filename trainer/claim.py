"""What a training's folder holds, so that another training does not go on in it."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import OtherTrainingError, RunDirectoryError
from .assembly import compute_dtype
from .checkpoint import write_json
from .config import NOT_PART_OF_THE_RESULT, TrainConfig
from .origin import Origin


def claim(
    folder: Path,
    config: TrainConfig,
    pairs_hash: str,
    ids_hash: str,
    processes: int,
    origin: Origin | None = None,
) -> None:
    """Writes what a folder trains, or refuses if it trains something else.

    Args:
        folder: The training's.
        config: How it trains; what is not part of the result may differ.
        pairs_hash: Of the pairs (`rows.hash_pairs`).
        ids_hash: Of the rows they became (`rows.hash_rows`): equal texts may be other tokens
            under another version of a library, or a template that looks at the clock.
        processes: Those that share it.
        origin: The earlier training it goes on from; None for the base.

    Raises:
        RunDirectoryError: The folder was begun with something else, which is named.
        StoreError: The file cannot be written.
    """
    path = folder / "training.json"
    settings = config.model_dump(mode="json", exclude=set(NOT_PART_OF_THE_RESULT))
    # "auto" is another training on other hardware.
    settings["dtype"] = str(compute_dtype(config)).removeprefix("torch.")
    settings["processes"] = processes
    wanted: dict[str, object] = {"config": settings, "pairs": pairs_hash, "ids": ids_hash}
    if origin is not None:
        wanted["origin"] = [origin.fingerprint, origin.reference]
    if not path.exists():
        write_json(path, wanted)
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        was = {"processes": 1, **before["config"]}
        other = [name for name in settings if was.get(name) != settings[name]]
        other += ["pairs"] if before["pairs"] != pairs_hash else []
        # What an earlier version began does not say which ids it trained on.
        other += ["token ids"] if before.get("ids", ids_hash) != ids_hash else []
        other += ["origin"] if before.get("origin") != wanted.get("origin") else []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunDirectoryError(
            f"{path} cannot be read ({error}); give an empty folder."
        ) from error
    if other:
        raise OtherTrainingError(
            f"{folder} holds a training that differs in: {', '.join(other)}. Give another "
            "folder, or the first settings and pairs to go on with it.",
            tuple(other),
        )
