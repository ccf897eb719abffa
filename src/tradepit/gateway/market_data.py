"""Routes of what everybody may see: trades and the book."""

from __future__ import annotations

from typing import Final

from litestar import Response, get

from tradepit.domain.wire import Side
from tradepit.gateway import past
from tradepit.gateway.answers import trade_text
from tradepit.gateway.gateway import Gateway, GatewayGiven
from tradepit.gateway.listing import Instrument, Listing
from tradepit.gateway.ports import TradeTuple
from tradepit.gateway.problems import refused
from tradepit.gateway.requests import (
    AnyRequest,
    choice_parameter,
    json_response,
    number_parameter,
    page_body,
)


def trade_row_text(listing: Listing, row: TradeTuple) -> str:
    """A trade of the history as JSON."""
    trade_id, _, time_ns, number, price, quantity, maker, taker, _, _, taker_side, _, _ = row
    return trade_text(
        listing.by_number[number],
        trade_id=trade_id,
        price=price,
        quantity=quantity,
        maker_order_id=maker,
        taker_order_id=taker,
        taker_side=taker_side,
        time_ns=time_ns,
    )


@get("/trades")
async def list_trades(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    await gateway.waiters.reach(request)
    wanted = gateway.slice(request)
    replica, listing = gateway.node.replica, gateway.desk.market.listing
    symbol = request.query_params.get("instrument")
    instrument = 0 if symbol is None else listing.find(symbol).number
    rows = replica.trades(instrument, 0, wanted.before, wanted.rows)
    if replica.history_floor()[1] and len(rows) < wanted.rows:
        page = await past.ask(
            gateway,
            request,
            lambda history: history.trades(
                instrument=instrument, before=wanted.before, limit=wanted.rows
            ),
        )
        if page is not None:
            return past.page_response(
                wanted,
                page,
                lambda stored: [past.stored_trade_text(*stored)],
                lambda row: row.trade_id,
            )
    shown = rows[wanted.skip : wanted.skip + wanted.limit]
    following = str(shown[-1][0]) if len(rows) == wanted.rows else None
    items = [trade_row_text(listing, row) for row in shown]
    return json_response(page_body(items, replica.sequence, following))


@get("/orderbook")
async def read_orderbook(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    await gateway.waiters.reach(request)
    symbol = request.query_params.get("instrument")
    if symbol is None:
        raise refused("invalid_parameter", "instrument is missing", field="instrument")
    instrument = gateway.desk.market.listing.find(symbol)
    config = gateway.config
    if choice_parameter(request, "by", ("level", "order")) == "order":
        limit = number_parameter(
            request, "depth", config.queue_orders_max, most=config.queue_orders_max
        )
        sides = [queue_texts(gateway, instrument, side, limit) for side in (Side.BUY, Side.SELL)]
    else:
        levels = number_parameter(
            request, "depth", config.depth_levels, most=config.depth_levels_max
        )
        sides = [level_texts(gateway, instrument, side, levels) for side in (Side.BUY, Side.SELL)]
    bids, asks = (",".join(side) for side in sides)
    as_of = gateway.node.replica.sequence
    body = (
        f'{{"instrument":{instrument.symbol_json},"as_of":{as_of},"bids":[{bids}],"asks":[{asks}]}}'
    )
    return json_response(body.encode())


def level_texts(gateway: Gateway, instrument: Instrument, side: int, levels: int) -> list[str]:
    """Price levels of one side as JSON, best first."""
    price_text, quantity_text = instrument.price_text, instrument.quantity_text
    return [
        f'{{"price":"{price_text(price)}","quantity":"{quantity_text(quantity)}","orders":{orders}}}'
        for price, quantity, orders in gateway.node.replica.depth(instrument.number, side, levels)
    ]


def queue_texts(gateway: Gateway, instrument: Instrument, side: int, limit: int) -> list[str]:
    """Resting orders of one side as JSON, in the order in which they will trade."""
    price_text, quantity_text = instrument.price_text, instrument.quantity_text
    return [
        f'{{"order_id":"{order_id}","price":"{price_text(price)}"'
        f',"quantity":"{quantity_text(leaves)}"}}'
        for order_id, price, leaves, _ in gateway.node.replica.queue(instrument.number, side, limit)
    ]


HANDLERS: Final = (list_trades, read_orderbook)
