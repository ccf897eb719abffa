"""Drafts that let an account's orders leave by themselves: the dead-man timer, and sessions."""

from __future__ import annotations

from typing import Final

import msgspec

from tradepit.domain import safety_commands
from tradepit.domain.commands import OPENED_HERE, text_entry
from tradepit.domain.wire import DEAD_MAN_SET_DTYPE, SESSION_BOUND_DTYPE, EventKind
from tradepit.gateway.administration import known_account, optional_key
from tradepit.gateway.bindings import Binding
from tradepit.gateway.drafts import Draft, Market, offset_of
from tradepit.gateway.fields import time_field, visible
from tradepit.gateway.problems import Refused, refused
from tradepit.gateway.replies import Answer
from tradepit.gateway.results import BoundSession, DeadMan
from tradepit.gateway.shapes import SetDeadMan
from tradepit.gateway.statements import dead_man_text
from tradepit.gateway.times import format_time

MS_NS: Final = 1_000_000

_EXPIRES_AT: Final = offset_of(DEAD_MAN_SET_DTYPE, "expires_at")
_SESSION: Final = offset_of(SESSION_BOUND_DTYPE, "session")
_BINDING: Final = offset_of(SESSION_BOUND_DTYPE, "binding")


class DeadManDraft(Draft):
    """The dead-man timer of an account, set anew or off."""

    __slots__ = ("account_id", "timeout_ms")

    def __init__(
        self, market: Market, account_id: str, body: SetDeadMan, key: bytes | None
    ) -> None:
        super().__init__(market)
        self.account_id = self.speaker = account_id
        self.account = known_account(market, account_id)
        self.timeout_ms = body.timeout_ms
        self.is_urgent = True
        self.records = safety_commands.set_dead_man(
            account=self.account,
            timeout_ns=body.timeout_ms * MS_NS,
            key=optional_key(key),
            valid_until=time_field(body.valid_until, "valid_until"),
        )

    def _concerns(self, events: bytes, position: int, kind: int) -> bool:
        return kind == EventKind.DEAD_MAN_SET

    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        due = int.from_bytes(events[position + _EXPIRES_AT : position + _EXPIRES_AT + 8], "little")
        return self._answer(format_time(due) if due else None, sequence)

    def _replayed(self, order_id: int, sequence: int, result: int) -> Answer:
        return self._answer(dead_man_text(self.market, self.account), sequence)

    def _answer(self, expires_at: str | None, sequence: int) -> Answer:
        result = DeadMan(self.account_id, self.timeout_ms, expires_at)
        return Answer(200, msgspec.json.encode(result), sequence)


class BindDraft(Draft):
    """A session of an account, bound to the connection that asks."""

    __slots__ = ("bound", "cancels", "name")

    def __init__(self, market: Market, client_id: str | None, name: str | None, *, cancels: bool):
        super().__init__(market)
        if client_id is None:
            raise refused("invalid_field", "client_id names the account", field="client_id")
        if name is None:
            raise refused("invalid_field", "name is missing", field="name")
        try:
            visible(name, "name")
        except Refused:
            raise refused("invalid_name", field="name") from None
        self.speaker = client_id
        self.account = market.replica.account_number(client_id)
        self.name = name
        self.cancels = cancels
        self.bound: Binding | None = None
        """What was bound, once it is."""
        self.records = safety_commands.bind_session(
            account=self.account or OPENED_HERE, cancels=cancels
        )
        self.texts = text_entry(name)
        if not self.account:
            self._prefix_open(client_id)

    def _concerns(self, events: bytes, position: int, kind: int) -> bool:
        return kind == EventKind.SESSION_BOUND

    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        session = int.from_bytes(events[position + _SESSION : position + _SESSION + 4], "little")
        binding = int.from_bytes(events[position + _BINDING : position + _BINDING + 8], "little")
        client_id = str(self.speaker)
        account = self.market.replica.account_number(client_id)
        self.bound = Binding(account, client_id, session, binding)
        result = BoundSession(str(session), self.name, str(binding), self.cancels)
        return Answer(200, msgspec.json.encode(result), sequence)

    def _replayed(self, order_id: int, sequence: int, result: int) -> Answer:
        raise AssertionError("a session is bound without a key, so that it is bound anew each time")
