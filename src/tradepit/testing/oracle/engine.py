"""Frames in, events out: time, expiry, keys, and which part runs which command.

Rulebook sections 1 to 3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tradepit.domain.wire import (
    RULES_VERSION,
    ActivateRules,
    CommandKind,
    CommandQuarantined,
    CommandRejected,
    FrameApplied,
    RejectReason,
    RulesActivated,
    TimeJump,
    TimeJumped,
)
from tradepit.testing.frames import Command, Event, Frame, pack_events, pack_texts, read_frames
from tradepit.testing.oracle import (
    accounts,
    cancelling,
    definitions,
    firms,
    keys,
    makers,
    moments,
    phases,
    placing,
    quotes,
    replacing,
    safety,
    sessions,
    waiting,
)
from tradepit.testing.oracle.market import Genesis, Market, Rejected

JUMP_MAX_NS = 2 * 10**9
TIME_MAX_NS = 2**62
INCARNATIONS_MAX = 64
OPENED_IN_FRAME = 0xFFFFFFFF
NAMES_ACCOUNT = CommandKind.OPEN_ACCOUNT
"""The first kind whose account may be the one opened in this frame."""
FIRST_OF_VERSION_2 = CommandKind.QUOTE
ALL_KINDS = frozenset(int(kind) for kind in CommandKind)
FROM_OPERATOR_TOO = (
    CommandKind.CANCEL_ORDER,
    CommandKind.REPLACE_ORDER,
    CommandKind.MASS_CANCEL,
)

# What runs each command that takes nothing but its record.
PLAIN: dict[CommandKind, Callable[[Market, Any], Any]] = {
    CommandKind.SET_INSTRUMENT_RULES: definitions.set_instrument_rules,
    CommandKind.REMOVE_INSTRUMENT: definitions.remove_instrument,
    CommandKind.SET_PHASE: phases.set_phase,
    CommandKind.SET_STARTING_BALANCE: definitions.set_starting_balance,
    CommandKind.SET_ACCOUNT_STATE: cancelling.set_account_state,
    CommandKind.SET_ACCOUNT_LIMITS: accounts.set_account_limits,
    CommandKind.SET_POSITION_LIMIT: accounts.set_position_limit,
    CommandKind.SET_CREDIT: accounts.set_credit,
    CommandKind.DEPOSIT: accounts.deposit,
    CommandKind.WITHDRAW: accounts.withdraw,
    CommandKind.TRANSFER: accounts.transfer,
    CommandKind.CANCEL_ORDER: cancelling.cancel_order,
    CommandKind.REPLACE_ORDER: replacing.replace_order,
    CommandKind.MASS_CANCEL: cancelling.mass_cancel,
    CommandKind.CANCEL_BY_KEY: cancelling.cancel_by_key,
    CommandKind.QUOTE: quotes.quote,
    CommandKind.RESERVE: firms.reserve,
    CommandKind.RELEASE: firms.release,
    CommandKind.END_SESSION: sessions.end_session,
    CommandKind.SET_DEAD_MAN: safety.set_dead_man,
    CommandKind.DEFINE_FIRM: firms.define_firm,
    CommandKind.SET_FIRM_SYMBOL: makers.set_firm_symbol,
    CommandKind.SET_SCHEDULE: phases.set_schedule,
    CommandKind.SET_INSTRUMENT_SAFETY: phases.set_instrument_safety,
    CommandKind.SET_ORDER_LIMITS: safety.set_order_limits,
    CommandKind.SET_ACCOUNT_GUARD: safety.set_account_guard,
}
WITH_TEXT: dict[CommandKind, Callable[[Market, Any, bytes | None], Any]] = {
    CommandKind.DEFINE_ASSET: definitions.define_asset,
    CommandKind.DEFINE_INSTRUMENT: definitions.define_instrument,
    CommandKind.OPEN_ACCOUNT: accounts.open_account,
    CommandKind.BIND_SESSION: sessions.bind_session,
    CommandKind.MAKER_HEARTBEAT: makers.heartbeat,
}


class FrameRefused(Exception):
    """The frame cannot follow what was applied; a node would stop here."""


@dataclass(frozen=True)
class OracleApplied:
    """The same answer as the native engine's `Applied`, and the events as values."""

    events: bytes
    texts: bytes
    ends: bytes
    first_sequence: int
    values: list[Event]


class Oracle:
    """The rulebook as a program that favours being read over being fast."""

    def __init__(self) -> None:
        self.market = Market()

    def quarantine(self, sequence: int) -> None:
        """Skip the command at this sequence when it comes."""
        self.market.quarantined.add(sequence)

    def apply(self, frames: bytes) -> OracleApplied:
        """Apply whole frames and return the events they caused."""
        values: list[Event] = []
        ends: list[int] = []
        before = self.market.sequence
        for frame in read_frames(frames):
            for events in self.apply_frame(frame):
                values += events
                ends.append(len(values))
        return OracleApplied(
            events=pack_events(values),
            texts=pack_texts([e.text for e in values if e.text is not None]),
            ends=struct.pack(f"<{len(ends)}I", *ends),
            first_sequence=before + 1 if ends else 0,
            values=values,
        )

    def apply_frame(self, frame: Frame) -> list[list[Event]]:
        """Events of each command of the frame; nothing for a repeated frame."""
        market = self.market
        if not self.is_new(frame):
            return []
        if frame.header.first_sequence not in (0, market.sequence + 1):
            raise FrameRefused(f"frame at {frame.header.first_sequence}, not {market.sequence + 1}")
        market.frame_account = 0
        market.follows_reserved_id = False
        result = []
        for index, command in enumerate(frame.commands):
            market.sequence += 1
            market.events = []
            if index == 0:
                self.start_frame(frame)
            self.run(command)
            result.append(market.events)
        return result

    def is_new(self, frame: Frame) -> bool:
        seen = self.market.incarnations
        incarnation = frame.header.incarnation
        if frame.header.frame_number <= seen.get(incarnation, 0):
            return False
        seen[incarnation] = frame.header.frame_number
        if len(seen) > INCARNATIONS_MAX:
            del seen[next(iter(seen))]
        return True

    def start_frame(self, frame: Frame) -> None:
        market = self.market
        if market.time_ns:
            stamp = min(frame.header.time_ns, market.time_ns + JUMP_MAX_NS, TIME_MAX_NS)
            market.time_ns = max(market.time_ns, stamp)
        market.frame_time_ns = market.time_ns
        market.incarnation = frame.header.incarnation
        sessions.renew(market)
        market.emit(
            FrameApplied(
                time_ns=market.time_ns,
                incarnation=frame.header.incarnation,
                frame_number=frame.header.frame_number,
                record_count=len(frame.commands),
            )
        )

    def pass_moment(self) -> None:
        moments.pass_moment(self.market)

    def run(self, command: Command) -> None:
        """One command, after what is due before it and followed by what it triggered."""
        market = self.market
        self.pass_moment()
        if market.sequence in market.quarantined:
            self.skip(command)
            return
        fields = self.resolved(command.fields())
        try:
            self.dispatch(command, fields)
        except Rejected as rejected:
            self.reject(fields, rejected)
        if command.kind == CommandKind.OPEN_ACCOUNT:
            id = accounts.account_id_of(command.text).decode("latin-1")
            market.frame_account = market.account_of_id(id)
        market.follows_reserved_id = command.kind == CommandKind.RESERVE_ORDER_ID
        waiting.run_triggered(market)

    def skip(self, command: Command) -> None:
        """A quarantined command has no effect at all."""
        market, fields = self.market, command.fields()
        market.quarantined.discard(market.sequence)
        market.emit(
            CommandQuarantined(
                status=command.kind, account=fields.account, instrument=fields.instrument
            )
        )
        market.follows_reserved_id = False
        if command.kind == CommandKind.OPEN_ACCOUNT:
            market.frame_account = 0

    def resolved(self, fields: Any) -> Any:
        """The record with the account that was opened in this frame, if it means that."""
        market = self.market
        known = fields.kind < FIRST_OF_VERSION_2 or market.version >= 2
        named = fields.kind >= NAMES_ACCOUNT and known
        if named and fields.account == OPENED_IN_FRAME and market.frame_account:
            return fields._replace(account=market.frame_account)
        return fields

    def reject(self, fields: Any, rejected: Rejected) -> None:
        names_order = fields.kind in keys.NAMES_ORDER
        self.market.emit(
            CommandRejected(
                status=fields.kind,
                account=fields.account,
                instrument=fields.instrument,
                reason=rejected.reason,
                asset=rejected.asset,
                required=rejected.required,
                available=rejected.available,
                order_id=fields.order_id if names_order else 0,
            )
        )
        if isinstance(rejected, safety.RunsAway):
            safety.stop_account(self.market, self.market.accounts[fields.account])

    def dispatch(self, command: Command, fields: Any) -> None:
        market = self.market
        if market.genesis is None and command.kind != CommandKind.GENESIS:
            raise Rejected(RejectReason.NO_GENESIS)
        known = command.kind < FIRST_OF_VERSION_2 or market.version >= 2
        if not known or command.kind not in ALL_KINDS:
            raise Rejected(RejectReason.UNKNOWN_COMMAND)
        kind = CommandKind(command.kind)
        if kind < CommandKind.DEFINE_ASSET:
            self.run_journal_command(kind, fields)
            return
        if kind == CommandKind.RESERVE_ORDER_ID:
            return
        if kind in keys.ORDER_KINDS:
            self.check_speaker(kind, fields.account)
        scope = keys.scope_of(fields)
        print_ = keys.fingerprint(fields, command)
        if not keys.look_up(market, scope, fields, print_):
            self.run_keyed(command, fields, scope, print_)

    def check_speaker(self, kind: CommandKind, account: int) -> None:
        is_operator = account == 0 and kind in FROM_OPERATOR_TOO
        if account not in self.market.accounts and not is_operator:
            raise Rejected(RejectReason.UNKNOWN_ACCOUNT)

    def run_journal_command(self, kind: CommandKind, fields: Any) -> None:
        """Commands 1 to 5, which know neither keys nor valid_until."""
        if kind == CommandKind.GENESIS:
            self.start_market(fields)
        elif kind == CommandKind.ACTIVATE_RULES:
            self.activate_rules(fields)
        elif kind == CommandKind.TIME_JUMP:
            self.jump(fields)

    def start_market(self, fields: Any) -> None:
        market = self.market
        if market.genesis is not None:
            raise Rejected(RejectReason.NO_GENESIS)
        if not 1 <= fields.rules_version <= RULES_VERSION:
            raise FrameRefused(f"rules version {fields.rules_version}")
        market.genesis = Genesis(
            key_window_ns=fields.key_window_ns,
            key_capacity=fields.key_capacity,
            accounts_max=fields.accounts_max,
            market_id=fields.market_id,
            rules_version=fields.rules_version,
        )
        self.show_rules(market.genesis)

    def activate_rules(self, fields: ActivateRules) -> None:
        assert self.market.genesis is not None
        if not self.market.version <= fields.rules_version <= RULES_VERSION:
            raise Rejected(RejectReason.UNSUPPORTED_RULES)
        if self.market.version < 2:
            self.forget_sessions()
        self.market.genesis.rules_version = fields.rules_version
        self.show_rules(self.market.genesis)

    def forget_sessions(self) -> None:
        """Version 1 only showed what orders named as their session."""
        for order in self.market.orders.values():
            order.session = 0

    def show_rules(self, genesis: Genesis) -> None:
        self.market.emit(
            RulesActivated(rules_version=genesis.rules_version, market_id=genesis.market_id)
        )

    def jump(self, fields: TimeJump) -> None:
        self.market.time_ns = max(self.market.time_ns, min(fields.to_ns, TIME_MAX_NS))
        self.market.emit(TimeJumped(time_ns=self.market.time_ns))
        self.market.frame_time_ns = self.market.time_ns
        sessions.renew(self.market)
        self.pass_moment()

    def run_keyed(
        self, command: Command, fields: Any, scope: keys.Scope | None, print_: bytes
    ) -> None:
        """Run a command that is new under its key, and remember how it ended."""
        market = self.market
        reason = result = 0
        try:
            if fields.valid_until and market.time_ns > fields.valid_until:
                raise Rejected(RejectReason.TOO_LATE)
            result = self.execute(command, fields, scope)
        except Rejected as rejected:
            if rejected.reason in (RejectReason.STALE_DEFINITION, RejectReason.KEYS_EXHAUSTED):
                raise
            reason = rejected.reason
            self.reject(fields, rejected)
        if scope:
            keys.record(market, scope, fields, print_, reason=reason, result=result)

    def execute(self, command: Command, fields: Any, scope: keys.Scope | None) -> int:
        """Count of the command's MASS_CANCELLED, else 0."""
        kind = CommandKind(command.kind)
        if kind == CommandKind.PLACE_ORDER:
            placing.place_order(self.market, fields, command.text, scope)
            return 0
        if kind in WITH_TEXT:
            WITH_TEXT[kind](self.market, fields, command.text)
            return 0
        return PLAIN[kind](self.market, fields) or 0
