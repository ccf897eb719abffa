"""Tickets: a signed request buys one, and it opens streams and pages for a while.

A ticket is a secret of 256 random bits. Only its hash is kept, in memory: a restart ends all
sessions, and whoever had one signs again.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from typing import Final

from tradepit.access.principals import Permission, Principal

SESSIONS_MAX: Final = 100_000
SESSIONS_OF_KEY_MAX: Final = 256
"""Beyond it the oldest session of the key ends."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session; `principal` is who its ticket stands for."""

    principal: Principal
    expires_s: float


class TooManySessions(Exception):
    """The node holds as many sessions as it takes."""


class Sessions:
    """All sessions of the node. Times are monotonic seconds."""

    def __init__(self, lifetime_s: float) -> None:
        self.lifetime_s = lifetime_s
        self._sessions: dict[str, SessionRecord] = {}
        self._of_key: dict[str, dict[str, None]] = {}

    def open(self, principal: Principal, permission: Permission, now_s: float) -> tuple[str, str]:
        """Return the ticket of a new session, and the session's id."""
        own = self._of_key.setdefault(principal.key_id, {})
        if len(own) >= SESSIONS_OF_KEY_MAX:
            self.end(next(iter(own)))
            own = self._of_key.setdefault(principal.key_id, {})
        elif len(self._sessions) >= SESSIONS_MAX:
            raise TooManySessions
        ticket = secrets.token_urlsafe(32)
        session_id = _id_of(ticket)
        speaker = replace(principal, permission=permission, session_id=session_id)
        self._sessions[session_id] = SessionRecord(speaker, now_s + self.lifetime_s)
        own[session_id] = None
        return ticket, session_id

    def find(self, ticket: str, now_s: float) -> Principal | None:
        """Return who a ticket stands for; None when it is unknown or over."""
        found = self._sessions.get(_id_of(ticket))
        if found is None or found.expires_s <= now_s:
            return None
        return found.principal

    def is_open(self, session_id: str, now_s: float) -> bool:
        found = self._sessions.get(session_id)
        return found is not None and found.expires_s > now_s

    def end(self, session_id: str) -> None:
        """End a session."""
        found = self._sessions.pop(session_id, None)
        if found is not None:
            own = self._of_key[found.principal.key_id]
            own.pop(session_id, None)
            if not own:
                del self._of_key[found.principal.key_id]

    def end_of_key(self, key_id: str) -> None:
        """End all sessions of a key."""
        for session_id in list(self._of_key.get(key_id, ())):
            self.end(session_id)

    def sweep(self, now_s: float) -> None:
        """Forget what is over."""
        over = [id for id, found in self._sessions.items() if found.expires_s <= now_s]
        for session_id in over:
            self.end(session_id)


def _id_of(ticket: str) -> str:
    return hashlib.sha256(ticket.encode("utf-8", "surrogateescape")).hexdigest()[:32]
