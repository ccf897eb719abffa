"""What a maker process says of itself: symbols, quotes, positions, profit, lease."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from msgspec import Struct

from tradepit.makers.live.counts import profit_of
from tradepit.makers.live.node import MakerNode
from tradepit.makers.live.seat import Seat
from tradepit.makers.registry import StrategyChoice
from tradepit.makers.statistics import MakerReport

ZERO = Decimal(0)


class LeaseStatus(Struct, frozen=True):
    """The lease, by the maker's own clock."""

    held: bool
    number: int | None
    remaining_ms: int
    lasts_ms: int
    renewals: int
    lapses: int


class QuoteStatus(Struct, frozen=True):
    """A quote that stands, as far as is known."""

    bid_price: Decimal
    bid_quantity: Decimal
    ask_price: Decimal
    ask_quantity: Decimal
    expires_in_ms: int


class PositionStatus(Struct, frozen=True):
    """The firm's position in a symbol."""

    symbol: str
    net_quantity: Decimal
    average_price: Decimal | None
    realised_pnl: Decimal
    unrealised_pnl: Decimal | None
    version: int


class SymbolStatus(Struct, frozen=True):
    """One symbol that this maker owns. The report covers the time since it took it over."""

    symbol: str
    strategy: StrategyChoice
    quote: QuoteStatus | None
    is_book_known: bool
    last_reason: str | None
    """Why the last quote was sent."""
    last_refusal: str | None
    """Since the last quote that was granted."""
    quotes_sent: int
    quotes_granted: int
    quotes_refused: int
    fills: int
    report: MakerReport


class Status(Struct, frozen=True):
    """A maker process."""

    name: str
    firm: str
    epoch: int
    url: str
    uptime_s: float
    lease: LeaseStatus
    feed_is_live: bool
    last_error: str | None
    """Why the last heartbeat was not answered; None: it was."""
    assigned: tuple[str, ...]
    quotes_sent: int
    quotes_refused: int
    fills: int
    profit: Decimal
    """Of all symbols it ever owned, since it took each over; realised and unrealised."""
    symbols: tuple[SymbolStatus, ...]
    positions: tuple[PositionStatus, ...]
    """The whole firm's."""
    references: dict[str, Decimal]
    two_step: bool
    time: str


def status_of(node: MakerNode) -> Status:
    """A maker as it stands now."""
    options, counts = node.options, node.counts
    seats = sorted(node.seats.values(), key=lambda seat: seat.spec.symbol)
    past = sum((each.past_profit for each in counts.values()), ZERO)
    return Status(
        name=options.speaker.name,
        firm=options.speaker.firm,
        epoch=options.speaker.epoch,
        url=options.url,
        uptime_s=round((node.clock.now_ns() - node.began_ns) / 1e9, 3),
        lease=_lease(node),
        feed_is_live=node.feed.is_live,
        last_error=node.heart.last_error,
        assigned=tuple(sorted(node.heart.lease.symbols)),
        quotes_sent=sum(each.quotes_sent for each in counts.values()),
        quotes_refused=sum(each.quotes_refused for each in counts.values()),
        fills=sum(each.fills for each in counts.values()),
        profit=past + sum((profit_of(seat.report()) for seat in seats), ZERO),
        symbols=tuple(_symbol(node, seat) for seat in seats),
        positions=_positions(node),
        references={_name(feed): price for feed, price in node.references.prices.items()},
        two_step=options.two_step,
        time=datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    )


def _name(feed: object) -> str:
    instrument = getattr(feed, "instrument", None)
    place = getattr(feed, "replay", None) or getattr(feed, "recording", None)
    return ":".join(part for part in (place, instrument) if part)


def _lease(node: MakerNode) -> LeaseStatus:
    lease, now_ns = node.heart.lease, node.clock.now_ns()
    return LeaseStatus(
        held=lease.is_held(now_ns),
        number=lease.number,
        remaining_ms=max(0, lease.held_until_ns - now_ns) // 1_000_000,
        lasts_ms=lease.lasts_ns // 1_000_000,
        renewals=lease.renewals,
        lapses=node.heart.lapses,
    )


def _symbol(node: MakerNode, seat: Seat) -> SymbolStatus:
    counts = seat.counts
    return SymbolStatus(
        symbol=seat.spec.symbol,
        strategy=seat.choice,
        quote=_quote(node, seat),
        is_book_known=seat.book.is_known,
        last_reason=seat.last_reason,
        last_refusal=seat.last_refusal,
        quotes_sent=counts.quotes_sent,
        quotes_granted=counts.granted,
        quotes_refused=counts.quotes_refused,
        fills=counts.fills,
        report=seat.report(),
    )


def _quote(node: MakerNode, seat: Seat) -> QuoteStatus | None:
    stands, spec = seat.standing, seat.spec
    if stands is None:
        return None
    return QuoteStatus(
        bid_price=spec.price(stands.bid_ticks),
        bid_quantity=spec.quantity(stands.bid_lots),
        ask_price=spec.price(stands.ask_ticks),
        ask_quantity=spec.quantity(stands.ask_lots),
        expires_in_ms=max(0, seat.quoter.expires_ns - node.clock.now_ns()) // 1_000_000,
    )


def _positions(node: MakerNode) -> tuple[PositionStatus, ...]:
    return tuple(
        PositionStatus(
            symbol=each.instrument,
            net_quantity=each.net_quantity,
            average_price=each.average_price,
            realised_pnl=each.realised_pnl,
            unrealised_pnl=each.unrealised_pnl,
            version=each.version,
        )
        for each in sorted(node.holdings.positions.values(), key=lambda each: each.instrument)
    )
