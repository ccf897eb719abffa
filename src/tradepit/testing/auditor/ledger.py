"""Money and positions as the events move them, and what must balance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from tradepit.domain.wire import AccountType, CommandKind, Option, Phase, Side
from tradepit.testing.auditor.facts import AuditedAccount, AuditedInstrument, AuditedOrder

UNITS = 10**8


def toward_zero(value: Fraction) -> int:
    return int(value)


class Ledger:
    """Accounts, instruments, and the sums that conservation compares."""

    def __init__(self) -> None:
        self.scales: dict[int, int] = {}
        self.accounts: dict[int, AuditedAccount] = {}
        self.instruments: dict[int, AuditedInstrument] = {}
        self.deposits: dict[int, int] = defaultdict(int)
        self.withdrawals: dict[int, int] = defaultdict(int)
        self.fees: dict[int, int] = defaultdict(int)
        self.touched: set[int] = set()

    def define_instrument(self, event: Any) -> None:
        lot = Fraction(event.lot_mantissa, 10**event.lot_exponent)
        tick = Fraction(event.tick_mantissa, 10**event.tick_exponent)
        defined = AuditedInstrument(
            base_asset=event.base_asset,
            quote_asset=event.quote_asset,
            lot=whole(lot * 10 ** self.scales[event.base_asset]),
            unit=whole(lot * tick * 10 ** self.scales[event.quote_asset]),
            phase=event.status,
            lot_units=lot * UNITS,
            reference_price=event.reference_price,
        )
        existing = self.instruments.get(event.instrument)
        if existing is not None:
            defined.maker_fee_ppm = existing.maker_fee_ppm
            defined.taker_fee_ppm = existing.taker_fee_ppm
            defined.band_ppm = existing.band_ppm
        self.instruments[event.instrument] = defined

    def open_account(self, event: Any) -> None:
        is_cash = event.status == AccountType.CASH
        self.accounts[event.account] = AuditedAccount(is_cash=is_cash, state=1)

    def move(self, event: Any) -> str | None:
        """Take in FUNDS_MOVED; what is wrong with it, if anything."""
        account = self.accounts[event.account]
        total = account.totals.get(event.asset, 0) + event.amount
        account.totals[event.asset] = total
        self.touched.add(event.account)
        if event.status in (CommandKind.DEPOSIT, CommandKind.OPEN_ACCOUNT):
            self.deposits[event.asset] += event.amount
        elif event.status == CommandKind.WITHDRAW:
            self.withdrawals[event.asset] -= event.amount
        self.follow_asset(account, event.asset, event.amount)
        if event.balance != total:
            return f"balance {event.balance} shown, {total} by its movements"
        return None

    def follow_asset(self, account: AuditedAccount, asset: int, amount: int) -> None:
        """What is brought in or taken out of a base asset moves a position."""
        primary = next(
            (
                (number, instrument)
                for number, instrument in sorted(self.instruments.items())
                if instrument.base_asset == asset and instrument.phase != Phase.REMOVED
            ),
            None,
        )
        if primary is None:
            return
        number, instrument = primary
        lots = abs(amount) // instrument.lot
        net = account.nets.get(number, 0)
        if amount > 0:
            account.nets[number] = net + lots
        elif net > 0:
            account.nets[number] = net - min(lots, net)

    def trade(self, event: Any, maker: AuditedOrder, taker: AuditedOrder) -> str | None:
        """Settle a trade; what is wrong with its fees, if anything."""
        instrument = self.instruments[event.instrument]
        notional = event.price * event.quantity * instrument.unit
        maker_fee = toward_zero(Fraction(notional * maker.fees_ppm[0], 1_000_000))
        taker_fee = toward_zero(Fraction(notional * taker.fees_ppm[1], 1_000_000))
        for order, fee in ((maker, event.maker_fee), (taker, event.taker_fee)):
            account = self.accounts[order.account]
            sign = 1 if order.side == Side.BUY else -1
            add(account.totals, instrument.quote_asset, -sign * notional - fee)
            add(account.totals, instrument.base_asset, sign * event.quantity * instrument.lot)
            add(account.nets, event.instrument, sign * event.quantity)
            add(account.fills, event.instrument, 1)
            self.touched.add(order.account)
            self.fees[instrument.quote_asset] += fee
        if (event.maker_fee, event.taker_fee) != (maker_fee, taker_fee):
            return f"fees {event.maker_fee}, {event.taker_fee} are not {maker_fee}, {taker_fee}"
        return None

    def hold(self, order: AuditedOrder) -> tuple[int, int]:
        """Asset and amount that an open order sets aside."""
        instrument = self.instruments[order.instrument]
        if order.side == Side.SELL:
            return instrument.base_asset, order.leaves * instrument.lot
        notional = order.price * order.leaves * instrument.unit
        highest = max(*order.fees_ppm, 0)
        return instrument.quote_asset, notional + toward_zero(
            Fraction(notional * highest, 1_000_000)
        )

    def held(self, orders: Iterable[AuditedOrder], account: int) -> dict[int, int]:
        held: dict[int, int] = defaultdict(int)
        for order in orders:
            if order.account == account:
                asset, amount = self.hold(order)
                held[asset] += amount
        return held

    def imbalance(self) -> str | None:
        """Deposits less withdrawals must be what accounts and fee accounts hold."""
        sums: dict[int, int] = defaultdict(int)
        for account in self.accounts.values():
            for asset, total in account.totals.items():
                sums[asset] += total
        for asset in self.scales:
            brought = self.deposits[asset] - self.withdrawals[asset]
            if brought != sums[asset] + self.fees[asset]:
                return f"asset {asset}: {brought} brought in, {sums[asset] + self.fees[asset]} held"
        return None

    def overdrawn(self, orders: Iterable[AuditedOrder]) -> str | None:
        """A cash account never has less than its holds; looks at accounts touched since."""
        orders = list(orders)
        for number in sorted(self.touched):
            account = self.accounts[number]
            if not account.is_cash:
                continue
            held = self.held(orders, number)
            for asset in {*held, *account.totals}:
                if account.totals.get(asset, 0) < held[asset]:
                    total = account.totals.get(asset, 0)
                    return f"cash account {number} has {total} of asset {asset}, {held[asset]} held"
        return None

    def over_reducing(self, orders: Iterable[AuditedOrder]) -> str | None:
        """Resting reduce-only orders never exceed the position that they reduce."""
        sums: dict[tuple[int, int, int], int] = defaultdict(int)
        for order in orders:
            if order.options & Option.REDUCE_ONLY and not order.waits:
                sums[order.account, order.instrument, order.side] += order.leaves
        for (account, instrument, side), leaves in sums.items():
            net = self.accounts[account].nets.get(instrument, 0)
            if leaves > max(0, net if side == Side.SELL else -net):
                return f"account {account}: reduce-only orders of {leaves} lots, position {net}"
        return None


def add(amounts: dict[int, int], key: int, amount: int) -> None:
    amounts[key] = amounts.get(key, 0) + amount


def whole(value: Fraction) -> int:
    if value.denominator != 1:
        raise ValueError(f"{value} is not whole")
    return int(value)
