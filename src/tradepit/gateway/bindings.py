"""The sessions that a connection holds: its orders carry them, and they end with it.

A session is engine state. The node's part is to end it when the connection is gone, and to show
until then that it lives (`keeps_sessions`); when the node itself dies, the lease lapses.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

import structlog

from tradepit.domain import safety_commands
from tradepit.gateway.ports import MarketNode
from tradepit.node.outcome import NoSpace, NotAccepted, Outcome, Overloaded

log = structlog.get_logger(__name__)

SESSIONS_MAX: Final = 16
"""Sessions of one connection; an account may have 256."""

RETRY_SECONDS: Final = 0.2
"""The end of a session that the node had no room for is tried again: nobody else does it while
this node lives."""


class Binding(NamedTuple):
    """A session of an account, and the BIND_SESSION that holds it."""

    account: int
    client_id: str
    session: int
    binding: int


class Bindings:
    """The sessions of one connection."""

    def __init__(self, node: MarketNode) -> None:
        self._node = node
        self.is_over = False
        """The connection is gone."""
        self._held: dict[int, Binding] = {}
        """By session number."""
        self.sessions: dict[str, int] = {}
        """What orders of an account carry: the session that was bound last."""

    @property
    def is_full(self) -> bool:
        """Whether no more can be bound."""
        return len(self._held) >= SESSIONS_MAX

    def add(self, binding: Binding) -> None:
        """A session is bound to this connection. When that is gone already, it ends at once."""
        if binding.session not in self._held:
            self._node.keeps_sessions += 1
        self._held[binding.session] = binding
        self.sessions[binding.client_id] = binding.session
        if self.is_over:
            self.end()

    def end(self) -> None:
        """The connection is gone: its sessions end, except those that were bound anew."""
        self.is_over = True
        held, self._held = self._held, {}
        self.sessions = {}
        for binding in held.values():
            _Ending(self._node, binding).submit()


class _Ending:
    """The end of one session on its way into the journal."""

    def __init__(self, node: MarketNode, binding: Binding) -> None:
        self._node = node
        self._binding = binding

    def submit(self) -> None:
        binding = self._binding
        record = safety_commands.end_session(
            account=binding.account, session=binding.session, binding=binding.binding
        )
        try:
            self._node.submit(record, b"", 1, self._done, urgent=True, account=binding.client_id)
        except (Overloaded, NoSpace):
            self._again()
        except NotAccepted as error:
            # A node that takes no commands writes no frames: the lease lapses.
            self._node.keeps_sessions -= 1
            log.warning("a session is left to lapse", session=binding.session, reason=str(error))

    def _done(self, outcome: Outcome) -> None:
        if outcome.failure is not None:
            self._again()
        else:
            self._node.keeps_sessions -= 1

    def _again(self) -> None:
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self.submit)
