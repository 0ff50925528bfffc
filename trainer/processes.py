"""The processes that share one training, when a launcher started more than one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def launched() -> int:
    """How many processes a launcher (`accelerate launch`, `torchrun`) started; 1 without one."""
    if "LOCAL_RANK" not in os.environ:
        return 1
    return int(os.environ.get("WORLD_SIZE", "1"))


def on_cpu() -> bool:
    """Whether training runs on the CPU: no CUDA here, or the launcher was told so."""
    forced = os.environ.get("ACCELERATE_USE_CPU", "").lower() in {"1", "true", "yes"}
    return forced or not torch.cuda.is_available()


class Processes:
    """This process among those of the training. Without a launcher it is the only one.

    All methods but the properties must be called by every process, in the same order.
    A process that ends with an error is noticed by the launcher, which ends the others.
    """

    def __init__(self) -> None:
        self.count = launched()
        self.index = 0
        self._state: Any = None
        if self.count > 1:
            from accelerate import PartialState

            self._state = PartialState(cpu=on_cpu())
            self.index = int(self._state.process_index)

    @property
    def is_main(self) -> bool:
        """True for the one that writes files and shows progress."""
        return self.index == 0

    def wait(self) -> None:
        """Goes on once every process has come this far."""
        if self._state is not None:
            self._state.wait_for_everyone()

    def main_first(self, make: Callable[[], T]) -> T:
        """Lets the main process do it before the others: they find what it left behind."""
        if not self.is_main:
            self.wait()
        made = make()
        if self.is_main:
            self.wait()
        return made

    def from_main(self, make: Callable[[], T]) -> T:
        """What the main process makes, in every process; the others do not make it."""
        value: list[Any] = [make() if self.is_main else None]
        if self._state is not None:
            from accelerate.utils import broadcast_object_list

            broadcast_object_list(value)
        found: T = value[0]
        return found

    def gather(self, values: Iterable[T]) -> list[T]:
        """The values of all processes, in the order of the processes."""
        own = list(values)
        if self._state is None:
            return own
        from accelerate.utils import gather_object

        return list(gather_object(own))
