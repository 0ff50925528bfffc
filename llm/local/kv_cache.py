"""A key/value cache that grows in blocks instead of being copied at every token."""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

_BLOCK = 64  # positions added when the room is used up


class BlockLayer(DynamicLayer):  # type: ignore[no-untyped-call]  # its __init_subclass__
    """One layer's cache; `keys` and `values` are views of the part in use.

    transformers' own layer concatenates, which copies everything at each token.
    `benchmarks/generation.py` times the difference.
    """

    def update(  # ** is the signature of the class this one stands in for
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Appends (B, H, new, D) keys and values; returns all (B, H, T, D)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._room: tuple[torch.Tensor, torch.Tensor] | None = None
        used = self.get_seq_length()
        total = used + key_states.shape[-2]
        room = self._room
        if room is None or total > room[0].shape[-2]:
            room = (
                self._wider(self.keys, key_states, used, total),
                self._wider(self.values, value_states, used, total),
            )
            self._room = room
        room[0][:, :, used:total] = key_states
        room[1][:, :, used:total] = value_states
        self.keys, self.values = room[0][:, :, :total], room[1][:, :, :total]
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keeps the rows at `indices`; the next update makes new room."""
        super().batch_select_indices(indices)
        self._room = None

    @staticmethod
    def _wider(old: torch.Tensor | None, new: torch.Tensor, used: int, total: int) -> torch.Tensor:
        batch, heads, _, width = new.shape
        room = new.new_empty(batch, heads, total + _BLOCK, width)
        if used and old is not None:
            room[:, :, :used] = old
        return room


def make_cache(config: Any) -> Any:
    """The cache for a model: in blocks where all its layers attend to everything."""
    cache: Any = DynamicCache(config=config)
    if all(type(layer) is DynamicLayer for layer in cache.layers):
        make: Any = BlockLayer  # untyped in transformers
        cache.layers = [make() for _ in cache.layers]
    return cache


def in_blocks(cache: Any) -> bool:
    """True if all layers of a cache attend to everything, so that rows can share a prefix."""
    return all(isinstance(layer, BlockLayer) for layer in cache.layers)
