from decimal import Decimal

import msgspec
import pytest
from tests.unit.node.worlds import MARKET, NOON, SECOND

from tradepit._native import Replica
from tradepit.domain import commands
from tradepit.domain.schedule import read_entries
from tradepit.domain.wire import GENESIS, RULES_VERSION, CommandKind
from tradepit.engine.rows import TradingSessionRow
from tradepit.journal.frame import build_frame
from tradepit.journal.port import Group
from tradepit.node.definitions import (
    AssetDefinition,
    Batch,
    Change,
    DefinitionRefused,
    InstrumentDefinition,
    MarketDefinition,
    opening_commands,
)
from tradepit.node.phase_definitions import ScheduledPhase


class Market:
    """A replica that takes batches, as a node's would."""

    def __init__(self, definition: MarketDefinition | None = MARKET) -> None:
        self.replica = Replica()
        self.frames = 0
        self.open(definition)

    def open(self, definition: MarketDefinition | None) -> list[str]:
        """Open under a definition; what the commands were called, but for the clock's."""
        batches = opening_commands(
            self.replica, definition, now_ns=NOON + self.frames * SECOND, market_id=9
        )
        refused = [text for batch in batches for text in self.apply(batch)]
        if refused:
            raise DefinitionRefused("; ".join(refused))
        names = [change.what for batch in batches for change in batch.changes]
        return [name for name in names if name != "moving the clock"]

    def apply(self, batch: Batch) -> list[str]:
        self.frames += 1
        frame = build_frame(
            Group(batch.records, batch.texts, len(batch.changes), NOON + self.frames * SECOND),
            first_sequence=self.replica.sequence + 1,
            incarnation=1,
            frame_number=self.frames,
            generation=0,
            partition=0,
            previous_crc=0,
        )
        applied = self.replica.apply(frame.data)
        return batch.refusals(applied.first_sequence, applied.events)


def changed(**fields: object) -> MarketDefinition:
    return msgspec.structs.replace(MARKET, **fields)


def with_instrument(**fields: object) -> MarketDefinition:
    return changed(instruments=[msgspec.structs.replace(MARKET.instruments[0], **fields)])


def test_a_new_market_begins_with_genesis_and_a_time_jump():
    market = Market()
    assert market.replica.genesis()[:3] == (600 * SECOND, 4_000_000, 1_000_000)
    assert market.replica.market_time_ns >= NOON
    assert [code for _, code, _ in market.replica.assets()] == ["USD", "BTC"]
    assert market.replica.starting_balances() == [(1, 10**14), (2, 10**10)]
    (row,) = market.replica.instruments()
    assert row[1] == "BTC-USD"
    assert row[13] == 7_000_000


def test_a_new_market_without_a_definition_is_empty():
    market = Market(None)
    assert market.replica.rules_version == RULES_VERSION
    assert market.replica.instruments() == []


def test_the_same_definition_changes_nothing():
    assert Market().open(MARKET) == []


def test_no_definition_leaves_the_market_as_it_is():
    assert Market().open(None) == []


def test_only_differences_become_commands():
    market = Market()
    assert market.open(with_instrument(taker_fee_bps=Decimal("2.5"))) == ["rules of BTC-USD"]
    assert market.replica.instruments()[0][16] == 250
    assets = [
        AssetDefinition(code="USD", starting_balance=Decimal(5)),
        MARKET.assets[1],
        AssetDefinition(code="ETH"),
    ]
    ether = InstrumentDefinition(
        symbol="ETH-USD",
        base="ETH",
        quote="USD",
        tick_size=Decimal("0.05"),
        lot_size=Decimal(1),
        reference_price=Decimal(3000),
        quantity_max=Decimal(50),
        value_max=Decimal(10_000),
        collar_percent=Decimal("12.5"),
        phase="halted",
    )
    wanted = changed(assets=assets, instruments=[*MARKET.instruments, ether])
    assert market.open(wanted) == [
        "asset ETH",
        "rules of BTC-USD",
        "instrument ETH-USD",
        "rules of ETH-USD",
        "starting balance of USD",
    ]
    row = market.replica.instruments()[1]
    assert row[1:3] == ("ETH-USD", 2)
    assert row[10:15] == (1, 50, 10_000 * 10**8, 60_000, 125_000)
    assert market.open(wanted) == []


def session(market: Market, instrument: int = 1) -> TradingSessionRow:
    return TradingSessionRow._make(market.replica.trading_sessions()[instrument - 1])


SCHEDULE = [
    ScheduledPhase(at="09:00", phase="continuous", days=["mon", "fri"]),
    ScheduledPhase(at="08:00", phase="pre_open"),
]


def test_schedule_and_safety_are_made_so_and_what_is_not_named_stays():
    market = Market()
    wanted = with_instrument(schedule=SCHEDULE, band_percent=Decimal(10), halt_seconds=Decimal(2))
    assert market.open(wanted) == ["safety of BTC-USD", "schedule of BTC-USD"]
    assert market.open(wanted) == []
    found = session(market)
    assert (found.band_ppm, found.protection_ppm, found.halt_ns) == (100_000, 50_000, 2 * SECOND)
    assert [(entry.at, entry.days) for entry in read_entries(found.schedule)] == [
        ("08:00", []),
        ("09:00", ["mon", "fri"]),
    ]
    assert market.open(MARKET) == []
    assert session(market).schedule == found.schedule
    assert market.open(with_instrument(band_percent=Decimal(0))) == ["safety of BTC-USD"]
    assert session(market).halt_ns == 2 * SECOND
    assert market.open(with_instrument(schedule=[])) == ["schedule of BTC-USD"]
    assert session(market).next_at == 0


def test_a_new_instrument_comes_with_its_schedule_and_safety():
    definition = with_instrument(
        schedule=SCHEDULE, protection_percent=Decimal(1), auction_seconds=Decimal("0.5")
    )
    found = session(Market(definition))
    assert (found.protection_ppm, found.auction_ns) == (10_000, SECOND // 2)
    assert found.next_at > NOON


def test_an_older_journal_goes_on_under_the_rules_of_this_program():
    market = Market()
    old = Replica()
    fields = list(
        GENESIS.unpack(
            commands.genesis(
                key_window_ns=600 * SECOND,
                key_capacity=4_000_000,
                accounts_max=1_000_000,
                market_id=9,
            )
        )
    )
    fields[-2] = 1
    market.replica, market.frames = old, 0
    market.apply(Batch([Change("genesis", GENESIS.pack(*fields))]))
    assert old.rules_version == 1
    names = market.open(with_instrument(schedule=SCHEDULE))
    assert names[0] == f"rules version {RULES_VERSION}"
    assert "schedule of BTC-USD" in names
    assert old.rules_version == RULES_VERSION
    assert market.open(MARKET) == []


def test_what_the_definition_does_not_name_stays():
    market = Market()
    assert market.open(changed(instruments=[], assets=[])) == []
    assert len(market.replica.instruments()) == 1


def test_an_empty_instrument_takes_new_steps():
    market = Market()
    names = market.open(with_instrument(tick_size=Decimal("0.5"), lot_size=Decimal("0.01")))
    assert len(names) == 2
    row = market.replica.instruments()[0]
    assert row[5:10] == (5, 1, 1, 2, 2)
    assert row[13] == 140_000


@pytest.mark.parametrize(
    ("market", "text"),
    [
        (changed(key_window_seconds=60), "key_window_seconds is 600 in this journal and 60"),
        (changed(accounts_max=5), "accounts_max"),
        (changed(assets=[AssetDefinition(code="USD", scale=2)]), "8 decimal places"),
        (with_instrument(base="USD", quote="BTC"), "other assets"),
        (with_instrument(base="XAU"), "its base asset XAU is not among the assets"),
        (with_instrument(tick_size=Decimal("-0.01")), "tick_size"),
        (with_instrument(tick_size=Decimal("NaN")), "tick_size"),
        (with_instrument(reference_price=Decimal("1.001")), "reference_price = 1.001"),
        (with_instrument(taker_fee_bps=Decimal("0.001")), "finer than one part in a million"),
        (with_instrument(maker_fee_bps=Decimal(-1)), "rules of BTC-USD"),
        (with_instrument(band_percent=Decimal(101)), "band_percent = 101 is not among 0 to 100"),
        (with_instrument(halt_seconds=Decimal(-1)), "halt_seconds"),
        (with_instrument(auction_seconds=Decimal(86_401)), "auction_seconds"),
        (with_instrument(schedule=[ScheduledPhase(at="25:00", phase="closed")]), "time of day"),
        (with_instrument(schedule=[*SCHEDULE, *SCHEDULE]), "two entries at 08:00"),
        (with_instrument(lot_size=Decimal("0.000000001")), "instrument BTC-USD"),
    ],
)
def test_what_cannot_be_made_true_is_refused_in_words(market, text):
    world = Market()
    with pytest.raises(DefinitionRefused, match=text):
        world.open(market)


def test_scales_grow_with_what_ticks_and_lots_need():
    fine = with_instrument(
        tick_size=Decimal("0.0000001"), lot_size=Decimal("0.0000000001"), reference_price=Decimal(1)
    )
    assets = [AssetDefinition(code=code) for code in ("USD", "BTC")]
    market = Market(msgspec.structs.replace(fine, assets=assets))
    assert [scale for *_, scale in market.replica.assets()] == [17, 10]


def test_many_definitions_are_split_into_frames():
    assets = [AssetDefinition(code=f"A{number}") for number in range(1200)]
    replica = Replica()
    batches = opening_commands(replica, MarketDefinition(assets=assets), now_ns=NOON, market_id=1)
    assert [len(batch.changes) for batch in batches] == [500, 500, 202]
    assert batches[0].changes[0].record[0] == CommandKind.GENESIS
