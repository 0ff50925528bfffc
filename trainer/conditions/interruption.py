"""How a monitor leaves the training loop in order to change what comes next."""

from __future__ import annotations


class Rollback(Exception):  # noqa: N818 - an order, not an error
    """Go back to the last good check."""


class Replay(Exception):  # noqa: N818 - an order, not an error
    """Train on earlier data, then go on."""
