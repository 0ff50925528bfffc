"""Tests run side by side on all cores, so each process keeps to one thread."""

from __future__ import annotations

import os

# Before torch is imported, here and in every process a test starts: two workers with
# two threads each would wait for one another, and small models gain nothing from threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
