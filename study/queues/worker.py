"""One run of a study in a process of its own: `python -m anlage.study.queues.worker CONFIG`.

If the run dies, the other runs go on. If the process that started it ends, this one ends,
too, so that no run of a killed study keeps working.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

# Read when torch is imported; see the command line for the reason.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from ...errors import AnlageError
from ...pipeline.config import load_config
from ...pipeline.run import run
from ..planning.sharing import LAST_STAGE
from .run_progress import FILE, FileProgress

_LOOK_SECONDS = 1.0


def _end_with_parent() -> None:
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(4)

    threading.Thread(target=watch, daemon=True).start()


def main(config_file: str) -> int:
    """Runs the config; the reason of a failure is the last line on stderr."""
    _end_with_parent()
    config = load_config(config_file)
    try:
        progress = FileProgress(Path(config.runs) / config.name / FILE)
        run(config, until=LAST_STAGE, progress=progress)
    except AnlageError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except MemoryError:
        print("out of memory: lower `batch_size` or run fewer arms at once", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
