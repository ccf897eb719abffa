"""Commands that wait for the next frame: who goes first, and how many fit."""

from __future__ import annotations

from typing import Final, NamedTuple

from tradepit.node.outcome import Done, Overloaded


class Limits(NamedTuple):
    """Bounds on what is in flight, in commands."""

    node_max: int = 50_000
    """10,000 connections with an order each, and room for batches; drained in about a second by
    one core that answers every one."""
    urgent_extra: int = 10_000
    """Cancels and kills still fit when orders are refused."""
    account_max: int = 4_096
    """Four full batches: one account cannot crowd out the others."""
    frame_max: int = 4_096
    """Commands of one frame; keeps the engine's turn on the event loop at a few milliseconds."""


AccountName = int | str
"""Names an account in the queue, the same way every time: its id. Its number would not do: an
account that an earlier submission is about to open has none yet."""


class Submission(NamedTuple):
    """Commands that were handed to the node together, and stay together."""

    records: bytes
    texts: bytes
    commands: int
    done: Done | None
    account: AccountName
    is_urgent: bool


OPERATOR: Final = 0
"""Not bounded per account."""


class CommandQueue:
    """Two queues. Urgent submissions overtake others, but never an earlier one of their account."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._urgent: list[Submission] = []
        self._normal: list[Submission] = []
        self._accounts_waiting: set[AccountName] = set()
        self._loads: dict[AccountName, int] = {}
        self.in_flight = 0
        """Commands that were added and not finished."""
        self.waiting = 0
        """Commands that were added and not taken."""

    def add(self, submission: Submission) -> None:
        """Queue a submission.

        Raises:
            Overloaded: nothing was queued.
        """
        _, _, count, _, account, is_urgent = submission
        limits = self._limits
        bound = limits.node_max + (limits.urgent_extra if is_urgent else 0)
        if self.in_flight + count > bound:
            raise Overloaded("node", bound)
        if account != OPERATOR:
            load = self._loads.get(account, 0) + count
            if load > limits.account_max and not is_urgent:
                raise Overloaded("account", limits.account_max)
            self._loads[account] = load
        self.in_flight += count
        self.waiting += count
        if is_urgent and account not in self._accounts_waiting:
            self._urgent.append(submission)
        else:
            self._normal.append(submission)
            self._accounts_waiting.add(account)

    def take(self, bytes_max: int) -> list[Submission]:
        """Return what goes into the next frame, in order, and forget it here.

        Args:
            bytes_max: most bytes of records and texts.
        """
        queued = self._urgent + self._normal
        taken = count = size = 0
        for submission in queued:
            size += len(submission.records) + len(submission.texts)
            if count + submission.commands > self._limits.frame_max or size > bytes_max:
                break
            count += submission.commands
            taken += 1
        self.waiting -= count
        if taken == len(queued):
            self._urgent, self._normal, self._accounts_waiting = [], [], set()
            return queued
        urgent_left = max(0, len(self._urgent) - taken)
        left = queued[taken:]
        self._urgent, self._normal = left[:urgent_left], left[urgent_left:]
        self._accounts_waiting = {submission.account for submission in self._normal}
        return queued[:taken]

    def take_all(self) -> list[Submission]:
        """Return everything that waits, however much, and forget it here."""
        taken = self._urgent + self._normal
        self._urgent, self._normal, self._accounts_waiting, self.waiting = [], [], set(), 0
        return taken

    def take_normal(self) -> list[Submission]:
        """Return what is not urgent, however much, and forget it here."""
        taken = [submission for submission in self._normal if not submission.is_urgent]
        self._normal = [submission for submission in self._normal if submission.is_urgent]
        self._accounts_waiting = {submission.account for submission in self._normal}
        self.waiting -= sum(submission.commands for submission in taken)
        return taken

    def finish(self, submission: Submission) -> None:
        """Count a submission as no longer in flight."""
        count, account = submission.commands, submission.account
        self.in_flight -= count
        if account != OPERATOR:
            load = self._loads[account] - count
            if load:
                self._loads[account] = load
            else:
                del self._loads[account]
