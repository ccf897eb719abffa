"""Firms, what they quote and reserved, and who makes what, as answers. See `statements`."""

from __future__ import annotations

from typing import Final

from tradepit.domain.decimals import format_units
from tradepit.domain.wire import AccountState, Phase, ReservationStatus
from tradepit.engine.firm_rows import ExposureRow, FirmRow, MakerRow, SideRow, SymbolRow
from tradepit.engine.rows import InstrumentRow, PositionRow
from tradepit.gateway.administration import known_account
from tradepit.gateway.channel_texts import last_fills
from tradepit.gateway.drafts import Market
from tradepit.gateway.firms import results
from tradepit.gateway.listing import Instrument
from tradepit.gateway.problems import refused
from tradepit.gateway.results import LastFill
from tradepit.gateway.statements import position_of
from tradepit.gateway.times import format_time

UNIT_PLACES: Final = 8
"""Budgets and position limits are whole multiples of 10^-8."""

GRANTED: Final = int(ReservationStatus.GRANTED)
NS_PER_MS: Final = 1_000_000


def firm_rows(market: Market) -> list[FirmRow]:
    """All firms, by account."""
    return [FirmRow._make(row) for row in market.replica.firms()]


def find_firm(market: Market, firm_id: str) -> FirmRow | None:
    """The firm of an id."""
    return next((row for row in firm_rows(market) if row.account_id == firm_id), None)


def known_firm(market: Market, firm_id: str) -> FirmRow:
    """The firm of an id; raises `Refused` unknown_firm."""
    row = find_firm(market, firm_id)
    if row is None:
        raise refused("unknown_firm", f"there is no firm {firm_id!r}")
    return row


def speaking_for(market: Market, client_id: str | None) -> str:
    """The account that a request is about: the one it names, else the market's only firm.

    Raises:
        Refused: invalid_field; it names nobody, and there is not exactly one firm.
    """
    if client_id is not None:
        return client_id
    rows = firm_rows(market)
    if len(rows) != 1:
        detail = f"client_id names the firm: there are {len(rows)} of them"
        raise refused("invalid_field", detail, field="client_id")
    return rows[0].account_id


def units_text(units: int) -> str:
    """Decimal text of budget units."""
    return format_units(units, 1, UNIT_PLACES)


def symbols_of(market: Market, numbers: list[int]) -> list[str]:
    """The symbols of some instruments, in their order."""
    return [market.listing.by_number[number].row.symbol for number in numbers]


def firm_symbols(market: Market, account: int) -> list[SymbolRow]:
    """The instruments that a firm makes, by number."""
    return [SymbolRow._make(row) for row in market.replica.firm_symbols(account)]


def maker_rows(market: Market, account: int) -> list[MakerRow]:
    """A firm's live makers, by number."""
    return [MakerRow._make(row) for row in market.replica.makers(account)]


def exposure_rows(market: Market, account: int) -> list[ExposureRow]:
    """What an account has reserved and quotes, by instrument."""
    return [
        ExposureRow(*row[:4], SideRow._make(row[4]), SideRow._make(row[5]))
        for row in market.replica.exposures(account)
    ]


def exposure_in(market: Market, account: int, instrument: int) -> ExposureRow | None:
    """What an account has reserved and quotes in one instrument."""
    rows = exposure_rows(market, account)
    return next((row for row in rows if row.instrument == instrument), None)


# Firms.


def firm_of(market: Market, firm_id: str) -> results.Firm:
    """A firm with all that belongs to it; raises `Refused` unknown_firm."""
    row = known_firm(market, firm_id)
    values = market.replica.account(row.account)
    name, state = (values[1], values[3]) if values else ("", 0)
    symbols = firm_symbols(market, row.account)
    return results.Firm(
        id=row.account_id,
        name=name,
        state=AccountState(state).name.lower(),
        budget_bid=units_text(row.budget_bid),
        budget_ask=units_text(row.budget_ask),
        bid_usage=units_text(row.used_bid),
        ask_usage=units_text(row.used_ask),
        position_limit=units_text(row.position_limit),
        lease_ms=row.lease_ns // NS_PER_MS,
        symbols=symbols_of(market, [each.instrument for each in symbols]),
        makers=makers_of(market, row.account),
        unassigned=unassigned_of(market, symbols),
        positions=firm_positions(market, row.account),
        as_of=market.replica.sequence,
    )


def makers_of(market: Market, account: int) -> list[results.Maker]:
    """A firm's live makers with what they make."""
    return [
        results.Maker(
            name=row.name,
            number=row.maker,
            epoch=row.epoch,
            lease_until=format_time(row.lease_until_ns),
            symbols=symbols_of(market, row.instruments),
        )
        for row in maker_rows(market, account)
    ]


def unassigned_of(market: Market, symbols: list[SymbolRow]) -> list[str]:
    """Those of a firm's symbols that nobody makes."""
    return symbols_of(market, [each.instrument for each in symbols if not each.maker])


def firm_makers(market: Market) -> list[results.FirmMakers]:
    """Who makes what, firm by firm."""
    return [
        results.FirmMakers(
            id=row.account_id,
            makers=makers_of(market, row.account),
            unassigned=unassigned_of(market, firm_symbols(market, row.account)),
        )
        for row in firm_rows(market)
    ]


def heartbeat_answer(
    market: Market, account: int, name: str, *, epoch: int, left: int
) -> results.HeartbeatAnswer:
    """What a maker owns; `left` is its number when it has just left, else 0."""
    firm = next(row for row in firm_rows(market) if row.account == account)
    row = next((each for each in maker_rows(market, account) if each.name == name), None)
    answer = results.HeartbeatAnswer(
        maker=left or None,
        name=name,
        epoch=epoch,
        lease_ms=firm.lease_ns // NS_PER_MS,
        lease_until=None,
        symbols=[],
    )
    if row is not None:
        answer.maker, answer.epoch = row.maker, row.epoch
        answer.lease_until = format_time(row.lease_until_ns)
        answer.symbols = symbols_of(market, row.instruments)
    return answer


# Exposure.


def exposure_of(market: Market, firm_id: str) -> results.Exposure:
    """What a firm has used of its budgets; raises `Refused` unknown_firm."""
    row = known_firm(market, firm_id)
    held = [
        each for each in exposure_rows(market, row.account) if each.bid.granted or each.ask.granted
    ]
    return results.Exposure(
        firm=firm_id,
        bid_usage=units_text(row.used_bid),
        ask_usage=units_text(row.used_ask),
        bid_capacity=units_text(row.budget_bid),
        ask_capacity=units_text(row.budget_ask),
        active_reservations=len(held),
        as_of=market.replica.sequence,
    )


def reservation_id(firm_id: str, symbol: str) -> str:
    """A firm has one reservation in an instrument: its name."""
    return f"{firm_id}:{symbol}"


def reservations_of(market: Market, firm_id: str) -> list[results.Reservation]:
    """A firm's reservations as they stand; raises `Refused` unknown_firm."""
    account = known_firm(market, firm_id).account
    return [
        reservation_of(market, firm_id, row) for row in exposure_rows(market, account) if row.status
    ]


def reservation_of(market: Market, firm_id: str, row: ExposureRow) -> results.Reservation:
    """One reservation as it stands."""
    instrument = market.listing.by_number[row.instrument]
    text = instrument.quantity_text
    return results.Reservation(
        symbol=instrument.row.symbol,
        id=reservation_id(firm_id, instrument.row.symbol),
        status=ReservationStatus(row.status).name,  # type: ignore[arg-type]
        requested_bid_quantity=text(row.bid.requested),
        requested_ask_quantity=text(row.ask.requested),
        granted_bid_quantity=text(row.bid.granted),
        granted_ask_quantity=text(row.ask.granted),
        expires_at=format_time(row.expires_at_ns),
        maker=row.maker or None,
    )


# Quotes.


def quote_now(market: Market, instrument: Instrument, client_id: str | None) -> results.Quote:
    """The quote of an account, or the newest of all, as it stands.

    Raises:
        Refused: unknown_quote; there is none.
    """
    replica = market.replica
    if client_id is not None:
        accounts = [known_account(market, client_id, field="client_id")]
    else:
        accounts = replica.exposed_accounts(instrument.number)
    found = [
        (max(row.bid.order_id, row.ask.order_id), account, row)
        for account in accounts
        if (row := exposure_in(market, account, instrument.number)) is not None
    ]
    newest, account, row = max(found, key=lambda each: each[0], default=(0, 0, None))
    if row is None or not newest:
        raise refused("unknown_quote", f"nobody quotes {instrument.row.symbol}")
    answer = _standing_quote(instrument, replica.account_id(account), row)
    answer.as_of = replica.sequence
    return answer


def _standing_quote(instrument: Instrument, client_id: str, row: ExposureRow) -> results.Quote:
    text = instrument.quantity_text
    bid, ask = row.bid, row.ask
    asked = (bid.requested, ask.requested) if row.status else (bid.quantity, ask.quantity)
    return results.Quote(
        instrument=instrument.row.symbol,
        client_id=client_id,
        status=ReservationStatus(row.status or GRANTED).name,  # type: ignore[arg-type]
        bid_price=instrument.price_text(bid.price) if bid.order_id else None,
        ask_price=instrument.price_text(ask.price) if ask.order_id else None,
        requested_bid_quantity=text(asked[0]),
        requested_ask_quantity=text(asked[1]),
        granted_bid_quantity=text(bid.quantity),
        granted_ask_quantity=text(ask.quantity),
        remaining_bid_quantity=text(bid.leaves),
        remaining_ask_quantity=text(ask.leaves),
        bid_order_id=str(bid.order_id) if bid.order_id else None,
        ask_order_id=str(ask.order_id) if ask.order_id else None,
        maker=row.maker or None,
        expires_at=format_time(row.expires_at_ns),
    )


# Positions.


def firm_positions(market: Market, account: int) -> list[results.FirmPosition]:
    """A firm's positions in what it has or ever traded, each with its last fill as far as the node
    remembers."""
    last = last_fills(market, account)
    rows = [PositionRow._make(values) for values in market.replica.positions(account)]
    return [_firm_position(market, account, row, last) for row in rows if row.version or row.net]


def firm_position(market: Market, firm_id: str, instrument: Instrument) -> results.FirmPositionNow:
    """A firm's position in one instrument, flat when it never had one."""
    account = known_firm(market, firm_id).account
    rows = [PositionRow._make(values) for values in market.replica.positions(account)]
    flat = PositionRow(instrument.number, 0, 0, 0, 0, 0, 0, 0)
    row = next((each for each in rows if each.instrument == instrument.number), flat)
    position = _firm_position(market, account, row, {})
    return results.FirmPositionNow(
        **{name: getattr(position, name) for name in position.__struct_fields__},
        as_of=market.replica.sequence,
    )


def _firm_position(
    market: Market, account: int, row: PositionRow, last: dict[int, LastFill]
) -> results.FirmPosition:
    position = position_of(market, row)
    fill = last.get(row.instrument)
    if fill is None and row.version:
        fill = last_fills(market, account, row.instrument, 1).get(row.instrument)
    return results.FirmPosition(
        symbol=position.instrument,
        net_quantity=position.net_quantity,
        average_price=position.average_price,
        realised_pnl=position.realised_pnl,
        unrealised_pnl=position.unrealised_pnl,
        version=row.version,
        last_fill=fill,
    )


# Nodes.


def writer_of(market: Market, *, has_hash: bool) -> results.ClusterNode:
    """The node that writes the journal, as its replica stands."""
    node, replica = market.node, market.replica
    writer = results.ClusterNode(
        id=f"{node.incarnation:016x}",
        role="writer",
        sequence=replica.sequence,
        is_ready=node.is_ready,
        market_time=format_time(replica.market_time_ns),
    )
    if has_hash:
        writer.state_hash = replica.state_hash()
    return writer


def cluster_of(
    market: Market, nodes: list[results.ClusterNode], own: str | None = None
) -> results.Cluster:
    """Nodes (the writer first), partitions and makers; those of the `own` firm, or of all."""
    return results.Cluster(
        nodes=nodes,
        partitions=partitions_of(market, nodes[0].id),
        firms=[firm for firm in firm_makers(market) if own in (None, firm.id)],
        as_of=market.replica.sequence,
    )


def partitions_of(market: Market, writer: str) -> list[results.Partition]:
    """The partitions of the market: one, whole."""
    replica = market.replica
    rows = (InstrumentRow._make(values) for values in replica.instruments())
    symbols = [row.symbol for row in rows if row.phase != Phase.REMOVED]
    return [results.Partition(id=0, sequence=replica.sequence, writer=writer, symbols=symbols)]
