"""Tests run side by side on all cores, each process with one thread and no terminal."""

from __future__ import annotations

import os

# Before torch is imported, here and in every process a test starts: two workers with
# two threads each would wait for one another, and small models gain nothing from threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A worker is told the terminal's width, and a console made at import would keep to it.
os.environ.pop("COLUMNS", None)
