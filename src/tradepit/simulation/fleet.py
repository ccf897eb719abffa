"""All firms and their makers: hear the market's events, ask the quoters, send what they want.

What is sent now is in the market's next frame; the answer is known by the sequence of its command.
Only makers that something concerns are woken: a fill, another best price, an answer, an outside
price, or a time that they named.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Final

from tradepit.domain import commands
from tradepit.domain.wire import Phase, RejectReason, Side
from tradepit.makers import (
    NEVER_NS,
    BookView,
    PublicTrade,
    QuoteWish,
    SymbolQuoter,
    TwoSided,
)
from tradepit.simulation.budget import Budget
from tradepit.simulation.maker import QUOTE_RECORDS, Maker, State
from tradepit.simulation.opening import Accounts
from tradepit.simulation.outbox import Outbox, Outgoing, Sent
from tradepit.simulation.scenario import Scenario, made_by, nanoseconds
from tradepit.simulation.seat import Seat
from tradepit.simulation.venue import Venue

HEARTBEATS_PER_LEASE: Final = 3
LEVELS: Final = 2
"""Of each side of the book: one may be the firm's own quote alone."""

QUOTING_PHASES: Final = frozenset(
    {Phase.PRE_OPEN, Phase.AUCTION, Phase.CONTINUOUS, Phase.CLOSING_AUCTION}
)


class Fleet:
    """Every maker of every firm."""

    def __init__(self, scenario: Scenario, accounts: Accounts, venue: Venue, now_ns: int) -> None:
        self._venue = venue
        self.seats: list[Seat] = []
        self.makers: list[Maker] = []
        self.budgets: dict[int, Budget] = {}
        self.by_instrument: dict[int, list[Seat]] = {
            number: [] for number in range(1, len(scenario.instruments) + 1)
        }
        self._seats: dict[tuple[int, int], Seat] = {}
        self._phases: dict[int, int] = {}
        self._last_ticks: dict[int, int] = {}
        self._tops: dict[int, tuple[int, int, int, int]] = {}
        """Books that were shown; forgotten when an own order changes, which hides others."""
        self._timers: list[tuple[int, int]] = []
        self._awake: dict[int, Seat] = {}
        self._outbox = Outbox()
        self._beats_at_ns = 0
        self.quotes_sent = 0
        self.refusals: dict[RejectReason, int] = {}
        self.late_refusals = 0
        """Quotes of makers that woke up and owned nothing any more."""
        for firm in scenario.firms:
            self._add_firm(scenario, firm.name, accounts.firms[firm.name], now_ns)
        self._by_name = {maker.name: maker for maker in self.makers}
        self._references = [seat for seat in self.seats if seat.choice.reference is not None]

    def _add_firm(self, scenario: Scenario, name: str, account: int, now_ns: int) -> None:
        [firm] = [each for each in scenario.firms if each.name == name]
        numbers = {each.symbol: number for number, each in enumerate(scenario.instruments, 1)}
        beat = nanoseconds(firm.lease_seconds) // HEARTBEATS_PER_LEASE
        for index in range(firm.makers):
            first = now_ns + index * beat // firm.makers
            maker = Maker(f"{name}-{index}", account, heartbeat_ns=beat, first_ns=first)
            self.makers.append(maker)
        seats = []
        for each in made_by(scenario, firm):
            number = numbers[each.symbol]
            seat = Seat(len(self.seats), account, number, each.spec, firm.strategy, firm.settings)
            self.seats.append(seat)
            seats.append(seat)
            self.by_instrument[number].append(seat)
            self._seats[account, number] = seat
        self.budgets[account] = Budget(firm.budget, seats)

    # Makers come and go.

    def kill(self, maker: Maker, back_at_ns: int, now_ns: int) -> None:
        """A maker process dies; it comes back as a new run."""
        for seat in self._seats_of(maker):
            seat.end(now_ns)
        maker.state, maker.back_at_ns = State.DOWN, back_at_ns
        self._beats_at_ns = 0

    def pause(self, maker: Maker, back_at_ns: int) -> None:
        """A maker process stops for a while, and believes afterwards that nothing happened."""
        maker.held = [(seat, seat.quoter) for seat in self._seats_of(maker) if seat.quoter]
        for seat, _ in maker.held:
            seat.quoter = None
        maker.state, maker.back_at_ns = State.PAUSED, back_at_ns
        self._beats_at_ns = 0

    def _seats_of(self, maker: Maker) -> list[Seat]:
        return [
            seat
            for seat in self.seats
            if seat.account == maker.account and seat.maker_name == maker.name and seat.quoter
        ]

    def _return(self, maker: Maker, now_ns: int) -> None:
        if maker.state is State.PAUSED:
            self._wake_up(maker, now_ns)
        else:
            maker.epoch += 1
            maker.joined = False
        maker.state, maker.beats_at_ns = State.UP, now_ns

    def _wake_up(self, maker: Maker, now_ns: int) -> None:
        """What a paused maker does first: it quotes what it had, owned or not; then it hears."""
        for seat, quoter in maker.held:
            wish = quoter.wants(now_ns)
            if wish is not None:
                self._send(maker, seat, quoter, wish)
            if seat.quoter is None and seat.owner == maker.number:
                seat.quoter, seat.wakes_ns = quoter, -1
                quoter.on_position(seat.position)
                self._awake[seat.index] = seat
            elif not quoter.has_ended:
                seat.retire(quoter, now_ns)
        maker.held = []

    def _beat(self, now_ns: int) -> None:
        """Heartbeats, and makers that come back."""
        if now_ns < self._beats_at_ns:
            return
        for maker in self.makers:
            if not maker.is_up and maker.back_at_ns <= now_ns:
                self._return(maker, now_ns)
            if maker.is_up and maker.beats_at_ns <= now_ns:
                maker.beats_at_ns = now_ns + maker.heartbeat_ns
                told = None if maker.joined else maker
                self._outbox.put(maker.heartbeat(), text=commands.text_entry(maker.name), what=told)
        self._beats_at_ns = min(map(_acts_ns, self.makers), default=NEVER_NS)

    # What goes out.

    def _send(self, maker: Maker, seat: Seat, quoter: SymbolQuoter, wish: QuoteWish) -> None:
        sent = Sent(seat, quoter, wish.number, wish.quote is None)
        if wish.quote is None:
            self._outbox.put(maker.release(seat.instrument), what=sent)
            return
        self.quotes_sent += 1
        record = maker.quote(seat.instrument, wish.quote, ttl_ns=wish.ttl_ns)
        self._outbox.put(record, count=QUOTE_RECORDS, what=sent)

    def outgoing(self, now_ns: int, first_sequence: int) -> Outgoing:
        """What makers send in the frame of this time, which begins with this sequence."""
        self._beat(now_ns)
        self._wake(now_ns)
        return self._outbox.take(first_sequence)

    def next_ns(self) -> int:
        """When somebody has to do something, if nothing happens."""
        if self._awake:
            return 0
        return min(self._timers[0][0], self._beats_at_ns) if self._timers else self._beats_at_ns

    def _wake(self, now_ns: int) -> None:
        """Ask whom something concerns."""
        timers, awake = self._timers, self._awake
        while timers and timers[0][0] <= now_ns:
            due, index = heappop(timers)
            seat = self.seats[index]
            if seat.wakes_ns == due:
                seat.wakes_ns = -1
                awake[index] = seat
        if not awake:
            return
        self._awake = {}
        makers = self._by_name
        for seat in awake.values():
            quoter = seat.quoter
            if quoter is None:
                continue
            wish = quoter.wants(now_ns)
            if wish is not None:
                self._send(makers[seat.maker_name], seat, quoter, wish)
            self._schedule(seat, quoter, now_ns)

    def _schedule(self, seat: Seat, quoter: SymbolQuoter, now_ns: int) -> None:
        due = quoter.wakes_at_ns(now_ns)
        if due != seat.wakes_ns:
            seat.wakes_ns = due
            if due != NEVER_NS:
                heappush(self._timers, (due, seat.index))

    # What makers hear.

    def on_reference(self, prices: Iterable[float], now_ns: int) -> None:
        """Tell outside prices, in ticks by instrument, to those that follow one."""
        if not self._references:
            return
        ticks = [max(1, round(price)) for price in prices]
        for seat in self._references:
            if seat.quoter is not None:
                seat.quoter.on_reference(ticks[seat.instrument - 1], now_ns)
                self._awake[seat.index] = seat

    def on_books(self, instruments: Iterable[int], now_ns: int) -> None:
        """Show the books that changed to whom they look different."""
        tops, top_of = self._tops, self._venue.replica.top
        for instrument in instruments:
            top = top_of(instrument)
            if top == tops.get(instrument):
                continue
            tops[instrument] = top
            seats = [seat for seat in self.by_instrument[instrument] if seat.quoter is not None]
            if not seats:
                continue
            bids = self._venue.replica.depth(instrument, Side.BUY, LEVELS)
            asks = self._venue.replica.depth(instrument, Side.SELL, LEVELS)
            for seat in seats:
                self._show(seat, bids, asks, now_ns)

    def _show(
        self,
        seat: Seat,
        bids: list[tuple[int, int, int]],
        asks: list[tuple[int, int, int]],
        now_ns: int,
    ) -> None:
        bid, bid_lots, ask, ask_lots = seat.others(bids, asks)
        shown, bid_ticks, ask_ticks = seat.view, bid or None, ask or None
        if shown is not None and shown.bid_ticks == bid_ticks and shown.ask_ticks == ask_ticks:
            return
        seat.view = view = BookView(
            time_ns=now_ns,
            bid_ticks=bid_ticks,
            bid_lots=bid_lots,
            ask_ticks=ask_ticks,
            ask_lots=ask_lots,
            last_ticks=self._last_ticks.get(seat.instrument),
        )
        assert seat.quoter is not None
        seat.quoter.on_book(view)
        self._awake[seat.index] = seat

    def on_trade(self, instrument: int, trade: PublicTrade) -> None:
        """Tell a trade to all makers of the instrument."""
        self._last_ticks[instrument] = trade.price_ticks
        for seat in self.by_instrument[instrument]:
            if seat.quoter is not None:
                seat.quoter.on_trade(trade)

    def on_fill(
        self, account: int, instrument: int, order_side: Side, price: int, lots: int, now_ns: int
    ) -> None:
        """A side of a firm's quote traded."""
        seat = self._seats[account, instrument]
        self._tops.pop(instrument, None)
        seat.on_fill(order_side, price, lots, now_ns)
        self._awake[seat.index] = seat

    def on_shrunk(self, account: int, instrument: int, order_id: int, leaves: int) -> None:
        """An order of a firm's quote was cancelled or reduced."""
        if self._seats[account, instrument].on_shrunk(order_id, leaves):
            self._tops.pop(instrument, None)

    def on_phase(self, instrument: int, phase: int) -> None:
        """Tell whether quotes are taken."""
        self._phases[instrument] = phase
        for seat in self.by_instrument[instrument]:
            if seat.quoter is not None:
                seat.quoter.on_phase(can_quote=phase in QUOTING_PHASES)
                self._awake[seat.index] = seat

    # Answers.

    def on_reserved(self, account: int, instrument: int, bid_lots: int, ask_lots: int) -> None:
        """A grant; the budget is looked at."""
        seat = self._seats[account, instrument]
        seat.granted_bid, seat.granted_ask = bid_lots, ask_lots
        self.budgets[account].look()

    def on_quote_set(
        self,
        account: int,
        instrument: int,
        sequence: int,
        sides: tuple[int, int, int, int, int, int],
        expires_ns: int,
        now_ns: int,
    ) -> None:
        """A quote stands: bid price and lots, ask price and lots, ids of both orders."""
        bid_ticks, bid_lots, ask_ticks, ask_lots, bid_id, ask_id = sides
        seat = self._seats[account, instrument]
        seat.bid.set(bid_id, bid_ticks, bid_lots)
        seat.ask.set(ask_id, ask_ticks, ask_lots)
        self._tops.pop(instrument, None)
        sent = self._outbox.answered(sequence)
        if sent is None:
            return
        granted = two_sided(bid_ticks, bid_lots, ask_ticks, ask_lots)
        sent.quoter.on_granted(sent.number, granted, expires_ns=expires_ns, now_ns=now_ns)
        self._awake[seat.index] = seat

    def on_released(self, account: int, instrument: int, sequence: int, now_ns: int) -> None:
        """A quote and its reservation ended."""
        seat = self._seats[account, instrument]
        seat.on_released()
        self._tops.pop(instrument, None)
        sent = self._outbox.waiting(sequence)
        if sent is not None and sent.is_release and sent.seat is seat:
            self._outbox.answered(sequence)
            sent.quoter.on_granted(sent.number, None, expires_ns=0, now_ns=now_ns)
        elif seat.quoter is not None:
            seat.quoter.on_standing(None, expires_ns=0, now_ns=now_ns)
        self._awake[seat.index] = seat

    def on_rejected(self, sequence: int, reason: int, now_ns: int) -> None:
        """A maker's command was refused."""
        sent = self._outbox.answered(sequence)
        name = RejectReason(reason)
        self.refusals[name] = self.refusals.get(name, 0) + 1
        if sent is None:
            return
        if sent.quoter is not sent.seat.quoter:
            self.late_refusals += 1
        sent.quoter.on_refused(sent.number, now_ns=now_ns)
        self._awake[sent.seat.index] = sent.seat

    # Assignment.

    def on_joined(self, account: int, number: int, sequence: int, now_ns: int) -> None:
        """The market counts a maker among the live ones."""
        maker = self._outbox.joined(sequence)
        if maker is None:
            return
        maker.number, maker.joined = number, True
        for seat in self.seats:
            if seat.account == account and seat.owner == number and seat.quoter is None:
                self._take_over(seat, maker, now_ns)

    def on_left(self, account: int, number: int) -> None:
        """A maker's lease ended."""
        for maker in self.makers:
            if maker.account == account and maker.number == number:
                maker.joined = False

    def on_assigned(self, account: int, instrument: int, number: int, now_ns: int) -> None:
        """The market says who makes an instrument from now on; 0: nobody."""
        seat = self._seats[account, instrument]
        seat.owner = number
        seat.end(now_ns)
        for maker in self.makers:
            if maker.account == account and maker.number == number and maker.is_up and number:
                self._take_over(seat, maker, now_ns)

    def _take_over(self, seat: Seat, maker: Maker, now_ns: int) -> None:
        bids = self._venue.replica.depth(seat.instrument, Side.BUY, LEVELS)
        asks = self._venue.replica.depth(seat.instrument, Side.SELL, LEVELS)
        bid, _, ask, _ = seat.others(bids, asks)
        last = self._last_ticks.get(seat.instrument)
        mark = bid + ask if bid and ask else None if last is None else 2 * last
        can_quote = self._phases.get(seat.instrument, Phase.CLOSED) in QUOTING_PHASES
        seat.begin(maker.name, mark, can_quote=can_quote)
        self._show(seat, bids, asks, now_ns)
        self._awake[seat.index] = seat


def two_sided(bid_ticks: int, bid_lots: int, ask_ticks: int, ask_lots: int) -> TwoSided | None:
    """A quote as the market tells it: a side of nothing has no price; None: nothing at all."""
    if not bid_lots and not ask_lots:
        return None
    return TwoSided(
        bid_ticks=bid_ticks or max(1, ask_ticks - 1),
        bid_lots=bid_lots,
        ask_ticks=ask_ticks if ask_lots else bid_ticks + 1,
        ask_lots=ask_lots,
    )


def _acts_ns(maker: Maker) -> int:
    """When a maker process does something by itself."""
    return maker.beats_at_ns if maker.is_up else maker.back_at_ns
