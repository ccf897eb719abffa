"""Commands that wait for the next frame: who goes first, and how many fit."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from tradepit.domain.wire import RECORD_BYTES
from tradepit.node.outcome import Done, GatheredDone, Outcome, Overloaded

GATHERED_MAX: Final = 256
"""Commands of one gathering; a frame is filled by many, so that they fit what is left of it."""


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


OPERATOR: Final = 0
"""Not bounded per account."""


class Submission:
    """Commands that were handed to the node together, and stay together."""

    __slots__ = ("accounts", "commands", "done", "is_urgent", "parts", "texts")

    def __init__(
        self,
        records: bytes,
        texts: bytes,
        commands: int,
        done: Done | None,
        account: AccountName,
        is_urgent: bool,
    ) -> None:
        self.parts = [records]
        """Runs of whole records."""
        self.texts = texts
        self.commands = commands
        self.done = done
        self.accounts = [account]
        self.is_urgent = is_urgent

    @property
    def size_bytes(self) -> int:
        """Of records and texts."""
        return len(self.parts[0]) + len(self.texts)

    @property
    def share(self) -> int:
        """Commands of each account."""
        return self.commands

    def tell(self, outcome: Outcome) -> None:
        """Call `done`."""
        if self.done is not None:
            self.done(outcome)


class Gathering(Submission):
    """Single commands of many accounts that came one after the other, told of at once: most of
    what the node does for a submission has nothing to do with how many commands it holds."""

    __slots__ = ("done_all", "items")

    def __init__(self, done: GatheredDone) -> None:
        super().__init__(b"", b"", 0, _ignore, OPERATOR, is_urgent=False)
        self.accounts.clear()
        self.parts.clear()
        self.done_all = done
        self.items: list[Any] = []

    @property
    def size_bytes(self) -> int:
        return self.commands * RECORD_BYTES

    @property
    def share(self) -> int:
        return 1

    def tell(self, outcome: Outcome) -> None:
        self.done_all(self.items, outcome)


class CommandQueue:
    """Two queues. Urgent submissions overtake others, but never an earlier one of their account."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._gathered_max = min(GATHERED_MAX, limits.frame_max)
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
        (account,) = submission.accounts
        is_urgent = submission.is_urgent
        self._admit(account, submission.commands, is_urgent=is_urgent)
        if is_urgent and account not in self._accounts_waiting:
            self._urgent.append(submission)
        else:
            self._normal.append(submission)
            self._accounts_waiting.add(account)

    def gather(self, record: bytes, item: Any, done: GatheredDone, account: AccountName) -> None:
        """Queue one command that is not urgent, with those before it when they want the same call.
        It joins the last submission only, so that nothing is overtaken.

        Raises:
            Overloaded: nothing was queued.
        """
        self._admit(account, 1, is_urgent=False)
        last = self._normal[-1] if self._normal else None
        if (
            not isinstance(last, Gathering)
            or last.done_all is not done
            or last.commands >= self._gathered_max
        ):
            last = Gathering(done)
            self._normal.append(last)
        last.commands += 1
        last.parts.append(record)
        last.items.append(item)
        last.accounts.append(account)
        self._accounts_waiting.add(account)

    def _admit(self, account: AccountName, count: int, *, is_urgent: bool) -> None:
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

    def take(self, bytes_max: int) -> list[Submission]:
        """Return what goes into the next frame, in order, and forget it here.

        Args:
            bytes_max: most bytes of records and texts.
        """
        queued = self._urgent + self._normal
        taken = count = size = 0
        for submission in queued:
            size += submission.size_bytes
            if count + submission.commands > self._limits.frame_max or size > bytes_max:
                break
            count += submission.commands
            taken += 1
        self.waiting -= count
        urgent_left = max(0, len(self._urgent) - taken)
        left = queued[taken:]
        self._urgent, self._normal = left[:urgent_left], left[urgent_left:]
        self._note_accounts()
        return queued[:taken]

    def take_all(self) -> list[Submission]:
        """Return everything that waits, however much, and forget it here."""
        taken = self._urgent + self._normal
        self._urgent, self._normal, self.waiting = [], [], 0
        self._note_accounts()
        return taken

    def take_normal(self) -> list[Submission]:
        """Return what is not urgent, however much, and forget it here."""
        taken = [submission for submission in self._normal if not submission.is_urgent]
        self._normal = [submission for submission in self._normal if submission.is_urgent]
        self._note_accounts()
        self.waiting -= sum(submission.commands for submission in taken)
        return taken

    def _note_accounts(self) -> None:
        """Those with something in the normal queue; urgent submissions of theirs must wait."""
        self._accounts_waiting = {name for each in self._normal for name in each.accounts}

    def finish(self, submission: Submission) -> None:
        """Count a submission as no longer in flight."""
        loads, share = self._loads, submission.share
        self.in_flight -= submission.commands
        for account in submission.accounts:
            if account != OPERATOR:
                load = loads[account] - share
                if load:
                    loads[account] = load
                else:
                    del loads[account]


def _ignore(_outcome: Outcome) -> None:
    """A gathering tells its items instead."""
