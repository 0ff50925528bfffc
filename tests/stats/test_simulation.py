"""Coverage and false-positive rates by simulation: `benchmarks/intervals.py`, held to limits."""

import importlib.util
from pathlib import Path
from types import ModuleType

import anlage
import numpy as np
import pytest


def benchmark() -> ModuleType:
    path = Path(anlage.__file__).parent / "benchmarks" / "intervals.py"
    spec = importlib.util.spec_from_file_location("intervals_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # its dataclass looks its module up
    spec.loader.exec_module(module)
    return module


def test_wilson_covers_between_93_and_97_percent_on_the_mean() -> None:
    assert 0.93 <= benchmark().grid_of_wilson().share <= 0.97


@pytest.mark.slow
def test_intervals_cover_and_tests_keep_their_level() -> None:
    module = benchmark()
    rng = np.random.default_rng(7)
    paired = module.grid_of_paired(rng, 200)
    assert 0.93 <= paired.share <= 0.97, paired
    for row in module.covering(rng, 2000):
        low, high = (0.93, 0.985) if "x prompts" in row.what else (0.92, 0.97)
        assert low <= row.share <= high, row
    for row in module.rejecting(rng, 2000, 1000):
        assert row.share < (0.06 if row.n == 2000 else 0.07), row
