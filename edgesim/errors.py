"""The errors a user can meet. Every message says what, where, what was given and what to change."""

from __future__ import annotations


class EdgesimError(Exception):
    """Base of every error that edgesim raises for bad input; the CLI prints it as one line."""


class InputError(EdgesimError, ValueError):
    """A file, argument or value from outside is missing, malformed or out of range."""


class UnreachableTargetError(InputError):
    """A latency target that no sentence could meet, however early it may leave."""


class UnstableQueueError(InputError):
    """An arrival rate at or above what a chip serves; carries both, in sentences a second."""

    def __init__(self, message: str, rate_per_s: float, capacity_per_s: float) -> None:
        super().__init__(message)
        self.rate_per_s = rate_per_s
        self.capacity_per_s = capacity_per_s


class ChipError(EdgesimError):
    """A chip description is wrong; the message lists every fault with file and line."""


class TechnologyError(EdgesimError):
    """A technology table lacks an entry or an entry is malformed."""


class LoweringError(EdgesimError):
    """A model holds operations that cannot be lowered; the message names all of them."""


class InfeasibleError(EdgesimError):
    """A trace does not fit a chip; carries the `Infeasible` record as `.infeasible`."""

    def __init__(self, message: str, infeasible: object = None) -> None:
        super().__init__(message)
        self.infeasible = infeasible


class DeadlockError(EdgesimError):
    """A simulation ended with unfinished work; the message names who waits for what."""
