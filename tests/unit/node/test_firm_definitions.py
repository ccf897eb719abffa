from decimal import Decimal

import msgspec
import pytest
from tests.unit.node.test_definitions import Market
from tests.unit.node.worlds import MARKET

from tradepit.domain import commands
from tradepit.domain.wire import AccountType
from tradepit.engine.firm_rows import firm_symbols, firms
from tradepit.node.definitions import (
    Batch,
    Change,
    DefinitionRefused,
    InstrumentDefinition,
    MarketDefinition,
)
from tradepit.node.firm_definitions import FirmDefinition

FIRM = FirmDefinition(id="mm", budget_bid=Decimal("12.5"), symbols=["BTC-USD"])


def with_firm(firm: FirmDefinition = FIRM) -> MarketDefinition:
    return msgspec.structs.replace(MARKET, firms=[firm])


def test_a_firm_is_made_with_a_flat_credit_account():
    market = Market(with_firm())
    (firm,) = firms(market.replica)
    assert (firm.account_id, firm.budget_bid, firm.budget_ask) == ("mm", 1_250_000_000, 10**10)
    assert (firm.position_limit, firm.lease_ns) == (10**10, 3_000_000_000)
    assert [row.instrument for row in firm_symbols(market.replica, firm.account)] == [1]
    assert market.replica.account(firm.account)[2] == AccountType.CREDIT
    assert market.replica.balances(firm.account) == []


def test_the_same_firm_changes_nothing():
    market = Market(with_firm())
    before = market.replica.sequence
    assert market.open(with_firm()) == []
    assert market.replica.sequence == before + 1  # the clock's


def test_a_changed_budget_and_a_new_symbol_become_commands():
    market = Market(with_firm())
    second = msgspec.structs.replace(MARKET.instruments[0], symbol="BTC-USD-2")
    wanted = msgspec.structs.replace(FIRM, budget_ask=Decimal(7), symbols=["BTC-USD", "BTC-USD-2"])
    definition = msgspec.structs.replace(
        with_firm(wanted), instruments=[*MARKET.instruments, second]
    )
    names = market.open(definition)
    assert names[-2:] == ["budgets of mm", "BTC-USD-2 of mm"]
    (firm,) = firms(market.replica)
    assert firm.budget_ask == 700_000_000
    assert [row.instrument for row in firm_symbols(market.replica, firm.account)] == [1, 2]


def test_symbols_that_are_not_configured_stay():
    market = Market(with_firm())
    assert market.open(with_firm(msgspec.structs.replace(FIRM, symbols=[]))) == []
    (firm,) = firms(market.replica)
    assert len(firm_symbols(market.replica, firm.account)) == 1


def test_several_firms_each_get_their_own_account():
    others = [FIRM, msgspec.structs.replace(FIRM, id="second", symbols=[])]
    market = Market(msgspec.structs.replace(MARKET, firms=others))
    assert [row.account_id for row in firms(market.replica)] == ["mm", "second"]
    symbols = [len(firm_symbols(market.replica, row.account)) for row in firms(market.replica)]
    assert symbols == [1, 0]


def test_an_account_that_exists_becomes_a_firm_as_it_is():
    market = Market()
    opening = Change("", commands.open_account(), commands.account_text("mm"))
    assert market.apply(Batch([opening])) == []
    assert market.open(with_firm()) == ["budgets of mm", "BTC-USD of mm"]
    (firm,) = firms(market.replica)
    assert market.replica.account(firm.account)[2] == AccountType.CASH


@pytest.mark.parametrize(
    ("firm", "text"),
    [
        (FirmDefinition(id="mm", symbols=["NO-SUCH"]), "there is no instrument NO-SUCH"),
        (FirmDefinition(id="mm", budget_bid=Decimal("0.000000001")), "is not a multiple"),
        (FirmDefinition(id="mm", budget_ask=Decimal("NaN")), "is not a number"),
    ],
)
def test_an_impossible_firm_is_refused_in_words(firm: FirmDefinition, text: str):
    with pytest.raises(DefinitionRefused, match=text):
        Market(with_firm(firm))


def test_lots_that_are_no_whole_number_of_units_are_refused_by_the_market():
    fine = InstrumentDefinition(
        symbol="FINE",
        base="BTC",
        quote="USD",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.000000001"),
        reference_price=Decimal(1),
    )
    assets = [msgspec.structs.replace(asset, scale=12) for asset in MARKET.assets]
    firm = msgspec.structs.replace(FIRM, symbols=["FINE"])
    definition = msgspec.structs.replace(with_firm(firm), assets=assets, instruments=[fine])
    with pytest.raises(DefinitionRefused, match="FINE of mm"):
        Market(definition)
