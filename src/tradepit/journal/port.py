"""What the node needs of a journal, and how a journal says no.

A journal takes one group of commands at a time and gives it back, durable and in its place, through
`deliver`. The file adapter gives back what it was given; an adapter for a shared log gives back
every node's frames in the log's order, its own among them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol


class Group(NamedTuple):
    """Commands that become one frame."""

    records: bytes
    """`commands` command records of 96 bytes."""
    texts: bytes
    """Text entries of the records with flag TEXT, in record order."""
    commands: int
    time_ns: int
    """The node's clock."""


class DurableFrame(NamedTuple):
    """One frame, durable and in its place."""

    data: bytes
    first_sequence: int
    commands: int
    is_own: bool
    """Submitted by this journal object (a shared log also delivers other nodes' frames)."""


class JournalError(Exception):
    """A journal cannot do what was asked; the text is written for an operator."""


class JournalFailed(JournalError):
    """Writing or syncing failed. What is on the disk is unknown; only a restart finds out.

    A failed fsync is never tried again: the kernel may have dropped the dirty pages, and a second
    call would then report success for bytes that never reached the disk.
    """


class Journal(Protocol):
    """An ordered, durable log of command frames. Not thread-safe: one event loop owns it."""

    @property
    def is_busy(self) -> bool:
        """A group was submitted and not delivered yet."""

    @property
    def sequence(self) -> int:
        """Last sequence submitted."""

    @property
    def durable_sequence(self) -> int:
        """Last sequence that is durable. Nothing beyond it may be shown to anybody."""

    @property
    def incarnation(self) -> int:
        """Random name of this run."""

    @property
    def generation(self) -> int:
        """Which history this is; raised when an operator accepts a lost tail."""

    @property
    def frame_bytes_max(self) -> int:
        """Largest frame that may be submitted."""

    @property
    def is_full(self) -> bool:
        """The disk is full: what space is left is for urgent commands."""

    def space(self, *, urgent: bool) -> int:
        """Size of the largest frame that fits now; the reserve counts for urgent ones only.
        Little of it, without `is_full`, means that more is being prepared."""

    def start(
        self,
        deliver: Callable[[DurableFrame], None],
        fail: Callable[[JournalFailed], None],
        more_room: Callable[[], None],
    ) -> None:
        """Begin. The callbacks run on the event loop that runs now; `more_room` when the answer of
        `space` may have grown."""

    def submit(self, group: Group) -> None:
        """Hand over one group that fits; never blocks. Only one at a time (`is_busy`).

        Raises:
            JournalFailed: the journal has failed before.
        """

    def close(self) -> None:
        """Wait for what was submitted, sync, and let go of the files. Delivers nothing more."""
