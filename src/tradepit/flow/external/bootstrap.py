"""Quotes where nobody quotes yet, so that first orders meet something; gone once makers quote."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from tradepit.client import AsyncClient
from tradepit.client.errors import NotFound, Rejected
from tradepit.client.models import Instrument, Top
from tradepit.flow.external.crossing import to_step, whole_units
from tradepit.flow.external.participants import SEEDER

UNITS: Final = 1_000
"""Quoted on each side."""

HALF_SPREAD: Final = Decimal("0.005")
"""Share of the price: around 100 it gives 99.50 and 100.50."""

TTL_MS: Final = 300_000
RENEW_AFTER_S: Final = 240.0
"""A minute before the end."""

ABSENCE_S: Final = 15.0
"""A symbol without any quote for so long is seeded again; a maker that died is replaced before."""


class Bootstrap:
    """The publisher's own quotes. `look` is called now and then, and does what is due."""

    def __init__(self, client: AsyncClient, top_of: Callable[[str], Top | None]) -> None:
        self._client = client
        self._top_of = top_of
        self._renew_at: dict[str, float] = {}
        """Own quotes that stand, and when each is sent anew."""
        self._bare_since: dict[str, float] = {}
        """Symbols that nobody quotes."""
        self.seeded = 0
        """Quotes made."""
        self.ended = 0
        """Quotes that were taken away because somebody else quotes."""

    @property
    def standing(self) -> list[str]:
        """Symbols with a quote of the publisher."""
        return sorted(self._renew_at)

    async def seed(
        self, symbols: Iterable[str], instruments: Mapping[str, Instrument]
    ) -> list[str]:
        """Quote those symbols that nobody quotes.

        Returns:
            Of each new quote the id of its bid order, which names it.
        Raises:
            KeyError: a symbol that is none of the instruments.
        """
        wanted = [instruments[symbol] for symbol in symbols]
        return [
            quote_id
            for one in wanted
            if await self._quoter(one.symbol) is None
            and (quote_id := await self._quote(one)) is not None
        ]

    async def look(self, instruments: Mapping[str, Instrument]) -> None:
        """End own quotes beside somebody else's, renew the others, seed what was bare for long."""
        for one in instruments.values():
            quoter = await self._quoter(one.symbol)
            if quoter is not None:
                self._bare_since.pop(one.symbol, None)
            if quoter == SEEDER:
                await self._renew(one)
            elif one.symbol in self._renew_at:
                await self._end(one.symbol, is_replaced=quoter is not None)
            elif quoter is None and self._is_bare_for_long(one.symbol):
                await self._quote(one)

    async def end_all(self) -> None:
        """Take all own quotes away."""
        for symbol in self.standing:
            await self._end(symbol, is_replaced=False)

    async def _quoter(self, symbol: str) -> str | None:
        """Whose quote is the newest of a symbol."""
        try:
            quote = await self._client.quote(symbol)
        except NotFound:
            return None
        return quote.client_id

    def _is_bare_for_long(self, symbol: str) -> bool:
        now = time.monotonic()
        return now - self._bare_since.setdefault(symbol, now) >= ABSENCE_S

    async def _renew(self, one: Instrument) -> None:
        """Also takes over a quote that an earlier run of the publisher left."""
        if time.monotonic() >= self._renew_at.get(one.symbol, 0.0):
            await self._quote(one)

    async def _quote(self, one: Instrument) -> str | None:
        prices = bootstrap_prices(one, self._top_of(one.symbol))
        if prices is None:
            return None
        bid, ask = prices
        quantity = whole_units(UNITS, one)
        try:
            quote = await self._client.set_quote(
                one.symbol,
                client_id=SEEDER,
                bid_price=bid,
                bid_quantity=quantity,
                ask_price=ask,
                ask_quantity=quantity,
                ttl_ms=TTL_MS,
            )
        except Rejected:
            return None  # not now: halted, or the price is outside the collar
        self._renew_at[one.symbol] = time.monotonic() + RENEW_AFTER_S
        self.seeded += 1
        return quote.bid_order_id

    async def _end(self, symbol: str, *, is_replaced: bool) -> None:
        await self._client.end_quote(symbol, client_id=SEEDER)
        self._renew_at.pop(symbol, None)
        self.ended += is_replaced


def bootstrap_prices(one: Instrument, top: Top | None) -> tuple[Decimal, Decimal] | None:
    """Bid and ask half a percent around the middle of the book, else the last price, else the
    reference price; neither takes what rests already. None: there is no price at all."""
    top = top or Top()
    if top.bid_price and top.ask_price:
        middle = (top.bid_price + top.ask_price) / 2
    else:
        known = one.last_price or one.reference_price
        if not known:
            return None
        middle = known
    tick = one.tick_size
    bid = to_step(middle * (1 - HALF_SPREAD), tick, ROUND_FLOOR)
    ask = to_step(middle * (1 + HALF_SPREAD), tick, ROUND_CEILING)
    if top.ask_price:
        bid = min(bid, top.ask_price - tick)
    if top.bid_price:
        ask = max(ask, top.bid_price + tick)
    return (bid, ask) if bid > 0 else None
