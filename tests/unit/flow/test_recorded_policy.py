"""The policy turns recorded events into orders, and stays true to them among outsiders."""

from __future__ import annotations

from tradepit.flow.operations import Cancel, Operation, Place, Replace, Side, Trade
from tradepit.flow.price_time_book import Level, PriceTimeBook
from tradepit.flow.recorded_policy import RecordedPolicy
from tradepit.flow.recording_text import parse_events

OUTSIDER = -1
BOOK = """
A B 99 5 #1

A A 101 2 #2

A A 101 3 #3

A A 102 4 #4
"""


class Play:
    """A policy in front of a naive book, with room for an outsider."""

    def __init__(self) -> None:
        self.policy = RecordedPolicy()
        self.book = PriceTimeBook()
        self.sent: list[Operation] = []

    def record(self, text: str) -> list[Operation]:
        """Play recorded events; the operations they led to."""
        self.sent = []
        for event in parse_events(text):
            for operations in self.policy.play(event):
                for operation in operations:
                    self.sent.append(operation)
                    self._report(self.book.execute(operation).trades)
            self.policy.settle()
        return self.sent

    def outsider(self, side: Side, price: int, quantity: int, *, immediate: bool = True) -> None:
        place = Place(OUTSIDER, 0, side, price, quantity, immediate)
        self._report(self.book.execute(place).trades)

    def side(self, side: Side) -> list[tuple[int, int]]:
        return [(level.price, level.quantity) for level in self.book.levels(side)]

    def _report(self, trades: tuple[Trade, ...]) -> None:
        self.policy.report(
            Trade(
                None if trade.taker == OUTSIDER else trade.taker,
                None if trade.maker == OUTSIDER else trade.maker,
                trade.price,
                trade.quantity,
            )
            for trade in trades
        )


def played(text: str = BOOK) -> Play:
    play = Play()
    play.record(text)
    return play


def test_an_add_becomes_a_limit_order() -> None:
    assert Play().record("A B 99 5 #1") == [Place(1, 1, "buy", 99, 5, immediate=False)]


def test_a_cancel_becomes_a_cancel() -> None:
    assert played().record("C A 101 2 #2") == [Cancel(2)]


def test_a_partial_cancel_keeps_the_place_in_the_queue() -> None:
    play = played()
    assert play.record("C A 101 2 #3") == [Replace(3, 101, 1)]
    assert play.book.levels("sell")[0] == Level(101, 3, 2)


def test_a_change_becomes_an_amend() -> None:
    assert played().record("M A 103 6 #2") == [Replace(2, 103, 6)]


def test_an_aggressive_trade_becomes_one_marketable_order_and_matching_does_the_rest() -> None:
    play = played()
    sent = play.record(
        """
        T B 101 5 #9
        F A 101 2 #2
        F A 101 3 #3
        T B 102 1 #9
        F A 102 1 #4
        C A 101 2 #2
        C A 101 3 #3
        M A 102 3 #4
        """
    )
    assert sent == [Place(5, 9, "buy", 102, 6, immediate=True)]
    assert play.side("sell") == [(102, 3)]
    assert play.policy.counts.trimmed_orders == 0


def test_the_rest_of_an_aggressor_that_the_recording_keeps_stands_at_its_price() -> None:
    play = played()
    sent = play.record(
        """
        T B 101 5 #9
        F A 101 2 #2
        F A 101 3 #3
        A B 101 7 #9
        C A 101 2 #2
        C A 101 3 #3
        """
    )
    assert sent == [Place(5, 9, "buy", 101, 12, immediate=False)]
    assert play.side("buy") == [(101, 7), (99, 5)]


def test_a_resting_order_that_turns_aggressive_is_amended_up_to_its_trade() -> None:
    play = played()
    sent = play.record(
        """
        T B 101 5 #1
        F B 101 5 #1
        F A 101 2 #2
        F A 101 3 #3
        C B 99 5 #1
        C A 101 2 #2
        C A 101 3 #3
        """
    )
    assert sent == [Replace(1, 101, 5)]
    assert play.side("buy") == []
    assert play.side("sell") == [(102, 4)]


def test_each_aggressor_of_an_event_sends_its_own_order() -> None:
    sent = played().record(
        """
        T B 101 5 #8
        F A 101 2 #2
        F A 101 3 #3
        T B 102 1 #9
        F A 102 1 #4
        C A 101 2 #2
        C A 101 3 #3
        M A 102 3 #4
        """
    )
    assert [operation.owner for operation in sent if isinstance(operation, Place)] == [8, 9]


def test_an_iceberg_shows_its_next_part_at_the_end_of_the_queue() -> None:
    play = played()
    play.record(
        """
        T B 101 2 #9
        F A 101 2 #2
        M A 101 2 #2
        """
    )
    assert play.side("sell") == [(101, 5), (102, 4)]
    assert play.policy.counts.refreshed_orders == 1
    play.outsider("buy", 101, 1)
    assert play.policy.counts.hit_by_outsider == 1
    assert play.book.order(3).leaves == 2  # type: ignore[union-attr]


def test_quantity_hidden_behind_an_iceberg_trades_after_what_is_shown() -> None:
    play = played()
    sent = play.record(
        """
        T B 101 9 #9
        F A 101 6 #2
        F A 101 3 #3
        C A 101 3 #3
        M A 101 1 #2
        """
    )
    takes = [o for o in sent if isinstance(o, Place) and o.owner == 9]
    assert [take.quantity for take in takes] == [5, 4]
    assert play.side("sell") == [(101, 1), (102, 4)]


def test_cancels_of_an_event_go_before_what_could_hit_them() -> None:
    play = played()
    sent = play.record(
        """
        A B 101 1 #9
        C A 101 2 #2
        C A 101 3 #3
        """
    )
    assert sent == [Cancel(2), Cancel(3), Place(5, 9, "buy", 101, 1, immediate=False)]
    assert play.side("buy") == [(101, 1), (99, 5)]


def test_fills_without_an_aggressor_still_lead_to_a_marketable_order() -> None:
    play = played()
    play.record("F A 101 2 #2\nC A 101 2 #2")
    assert play.side("sell") == [(101, 3), (102, 4)]
    assert play.policy.counts.trimmed_orders == 0


def test_an_aggressor_without_a_side_takes_the_side_against_its_makers() -> None:
    play = played()
    play.record("T N 101 2 #0\nF N 101 2 #2\nC A 101 2 #2")
    assert play.side("sell") == [(101, 3), (102, 4)]


def test_a_crossed_book_is_not_sent_and_the_uncross_sends_it_as_it_stands() -> None:
    play = played()
    assert play.record("A B 101 4 #7\n\nA B 98 1 #8") == []
    assert play.policy.is_holding
    play.record("T N 101 4 #0\nF N 101 2 #2\nF N 101 2 #7\nC A 101 2 #2\nC B 101 4 #7")
    assert not play.policy.is_holding
    assert play.side("buy") == [(99, 5), (98, 1)]
    assert play.side("sell") == [(101, 3), (102, 4)]
    assert play.policy.counts.held_events == 2


def test_after_an_auction_what_makes_room_goes_first_and_nothing_trades() -> None:
    play = played()
    play.record("M B 103 5 #1")
    assert play.policy.is_holding
    play.record("M A 104 2 #2\n\nM A 104 3 #3\n\nM A 104 4 #4")
    assert play.side("buy") == [(103, 5)]
    assert play.side("sell") == [(104, 9)]
    assert play.policy.counts.refreshed_orders == 0


def test_a_snapshot_replaces_the_book() -> None:
    play = played()
    play.record("snapshot\nA B 99 5 #1\nA B 98 1 #7\nA A 101 9 #2")
    assert play.side("buy") == [(99, 5), (98, 1)]
    assert play.side("sell") == [(101, 9)]


def test_a_clear_empties_the_book() -> None:
    play = played()
    play.record("R N - 0 #0")
    assert (play.side("buy"), play.side("sell")) == ([], [])


def test_a_cancel_of_an_order_never_seen_is_ignored_and_a_change_is_its_first_sight() -> None:
    play = Play()
    assert play.record("C B 99 5 #1") == []
    assert play.record("M B 99 5 #2") == [Place(1, 2, "buy", 99, 5, immediate=False)]


def test_what_an_outsider_took_is_not_given_back() -> None:
    play = played()
    play.outsider("buy", 101, 3)  # order 2 whole, one lot of order 3
    assert play.record("A B 98 1 #7") == [Place(5, 7, "buy", 98, 1, immediate=False)]
    assert play.record("M A 102 3 #3") == [Replace(3, 102, 3)]  # total 3, one of it filled
    assert play.record("C A 101 2 #2") == []
    assert play.side("sell") == [(102, 6)]


def test_an_order_that_grows_after_an_outsider_took_from_it_stays_short_by_that() -> None:
    play = played()
    play.outsider("buy", 101, 2)
    play.record("M A 101 6 #2")
    assert play.side("sell") == [(101, 7), (102, 4)]


def test_an_order_left_over_because_an_outsider_was_hit_is_trimmed_and_counted() -> None:
    play = played()
    play.outsider("sell", 100, 2, immediate=False)
    play.record("T B 101 2 #9\nF A 101 2 #2\nC A 101 2 #2")
    assert play.side("sell") == [(101, 3), (102, 4)]
    counts = play.policy.counts
    assert (counts.trimmed_orders, counts.trimmed_quantity, counts.outsider_hits) == (1, 2, 1)


def test_an_order_partly_left_over_is_trimmed_to_its_recorded_size() -> None:
    play = played()
    play.outsider("sell", 100, 1, immediate=False)
    play.record("T B 101 1 #9\nF A 101 1 #2\nM A 101 1 #2")
    assert play.side("sell") == [(101, 4), (102, 4)]


def test_the_loss_moves_to_the_order_hit_in_place_of_one_an_outsider_had_taken() -> None:
    play = played()
    play.outsider("buy", 101, 2)  # order 2, which the recording trades only now
    play.record("T B 101 2 #9\nF A 101 2 #2\nC A 101 2 #2")
    assert play.side("sell") == [(101, 1), (102, 4)]  # 5 shown, 2 + 2 traded
    play.record("M A 102 3 #3")
    assert play.side("sell") == [(102, 5)]


def test_an_add_that_meets_an_outsider_is_not_made_whole() -> None:
    play = played()
    play.outsider("sell", 100, 2, immediate=False)
    play.record("A B 100 5 #9")
    assert play.side("buy") == [(100, 3), (99, 5)]
    play.record("M B 100 4 #9")
    assert play.side("buy") == [(100, 2), (99, 5)]


def test_a_foreseen_fill_that_did_not_happen_is_taken_back_and_trimmed() -> None:
    play = played()
    play.record("T B 101 2 #9\nF A 101 2 #2\nC A 101 2 #2")
    # In truth the aggressor met an outsider, and order 2 still stands whole.
    play.policy.retract([Trade(5, 2, 101, 2)])
    play.policy.report([Trade(5, None, 100, 2)])
    play.policy.observe(2, price=101, total=2, filled=0, is_open=True)
    assert play.policy.revisit([5, 2]) == [Cancel(2)]
    assert play.policy.counts.trimmed_orders == 1


def test_an_order_that_is_gone_without_a_trade_is_not_sent_again() -> None:
    play = played()
    play.policy.observe(2, price=101, total=2, filled=0, is_open=False)
    assert play.record("M A 102 2 #2") == []
    assert play.policy.counts.lost_orders == 1


def test_a_fill_seen_before_its_report_is_no_loss() -> None:
    play = played()
    play.policy.observe(2, price=101, total=2, filled=2, is_open=False)
    play.policy.report([Trade(None, 2, 101, 2)])
    assert play.record("M A 102 2 #2") == []
    assert play.policy.counts.lost_orders == 0
    assert play.policy.counts.hit_by_outsider_quantity == 2


def test_an_order_never_seen_is_shown_for_the_trade_that_names_it() -> None:
    play = played()
    sent = play.record("T N 100 1 #0\nF N 100 1 #77\nC A 100 1 #77")
    assert [type(operation) for operation in sent] == [Place, Place]
    assert play.side("sell") == [(101, 5), (102, 4)]
    assert play.side("buy") == [(99, 5)]
