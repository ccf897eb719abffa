"""Who speaks, and what that allows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

Word = Literal["read", "trade", "admin"]


class Permission(IntEnum):
    """What a key is good for; each includes those before it."""

    READ = 1
    TRADE = 2
    ADMIN = 3

    @property
    def word(self) -> Word:
        return _WORDS[self]


_WORDS: Final[dict[Permission, Word]] = {
    Permission.READ: "read",
    Permission.TRADE: "trade",
    Permission.ADMIN: "admin",
}
PERMISSIONS: Final[dict[str, Permission]] = {
    permission.word: permission for permission in Permission
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A key, or a session that a key has opened."""

    key_id: str
    account: str | None
    """The account that it speaks for; None for the operator, who may name any."""
    permission: Permission
    session_id: str | None = None
    """Set when a ticket was shown instead of a signature."""

    @property
    def is_operator(self) -> bool:
        return self.account is None
