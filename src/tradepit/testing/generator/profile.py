"""What one seed's market looks like: scales, ticks, fees, limits, and how it is opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tradepit.domain.wire import (
    RULES_VERSION,
    SCHEMA_VERSION,
    AccountType,
    DefineAsset,
    DefineFirm,
    DefineInstrument,
    Genesis,
    MakerHeartbeat,
    OpenAccount,
    Phase,
    RecordFlag,
    SetCredit,
    SetFirmSymbol,
    SetInstrumentRules,
    SetStartingBalance,
    TimeJump,
)
from tradepit.testing.frames import Command, command

USD, COIN, ACME, EUR, VAULT = 1, 2, 3, 4, 5
SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
OPENING_DAY = 20_500
ACCOUNTS_MAX = 6
FIRM = 5
LOTS_AT_START = 80
FEES_PPM = ((0, 0), (100, 250), (-150, 300), (2_500, 2_500), (9_000, 20_000), (-999, 999))


@dataclass(frozen=True)
class InstrumentPlan:
    """An instrument as it is first defined."""

    symbol: str
    base_asset: int
    quote_asset: int
    tick_mantissa: int
    tick_exponent: int
    lot_mantissa: int
    lot_exponent: int
    price: int

    def definition(self, number: int, *, phase: Phase = Phase.CONTINUOUS) -> Command:
        fields = DefineInstrument(
            mode=phase,
            instrument=number,
            base_asset=self.base_asset,
            quote_asset=self.quote_asset,
            tick_mantissa=self.tick_mantissa,
            tick_exponent=self.tick_exponent,
            lot_mantissa=self.lot_mantissa,
            lot_exponent=self.lot_exponent,
            reference_price=self.price,
        )
        return command(fields, self.symbol)


@dataclass(frozen=True)
class Profile:
    """Settings of one seed."""

    scales: dict[int, int]
    instruments: list[InstrumentPlan]
    key_window_ns: int
    key_capacity: int
    keyed_share: float
    busy_frames: bool
    fees_ppm: tuple[int, int]
    collar_ppm: int
    starting: dict[int, int]
    size: int
    """What quantities are multiples of, more or less; giant markets come near the bounds."""
    version_2_after: int
    """0: rules version 2 from the start; else version 1 until about this many commands."""
    makes_crowds: bool
    """Whether bounds of a thousand are reached, which takes time."""

    @staticmethod
    def of_seed(seed: int) -> Profile:
        rng = Random(f"profile {seed}")
        scales = {USD: rng.choice((2, 6)), COIN: rng.choice((4, 8)), ACME: 0, EUR: 2, VAULT: 0}
        price = rng.choice((12, 40, 100, 70_000))
        size = 1 if rng.random() < 0.8 else 2**20
        if size > 1:
            price = 2**29
        instruments = [
            InstrumentPlan("COIN-USD", COIN, USD, *rng.choice(_TICKS_AND_LOTS[scales[USD]]), price),
            InstrumentPlan("ACME-USD", ACME, USD, 1, 2, rng.choice((1, 3)), 0, 50),
            InstrumentPlan("COIN-EUR", COIN, EUR, 1, 0, 5, 2, rng.choice((7, 90))),
        ]
        money = {USD: 0, EUR: 0}
        for plan in instruments:
            unit = plan.tick_mantissa * plan.lot_mantissa
            unit *= 10 ** scales[plan.quote_asset]
            unit //= 10 ** (plan.tick_exponent + plan.lot_exponent)
            money[plan.quote_asset] += plan.price * unit * LOTS_AT_START * size
        money = {asset: min(amount, 2**61) for asset, amount in money.items()}
        key_window_s, key_capacity, keyed_share = rng.choice(_KEY_TABLES)
        coin_lot = instruments[0].lot_mantissa * 10 ** (scales[COIN] - instruments[0].lot_exponent)
        return Profile(
            scales=scales,
            instruments=instruments,
            key_window_ns=key_window_s * SECOND_NS,
            key_capacity=key_capacity,
            keyed_share=keyed_share,
            busy_frames=rng.random() < 0.3,
            fees_ppm=rng.choice(FEES_PPM),
            collar_ppm=rng.choice((0, 0, 100_000, 400_000, 1_000_000)),
            starting={
                **money,
                COIN: min(2**61, coin_lot * LOTS_AT_START * size),
                ACME: 3 * LOTS_AT_START * size,
            },
            size=size,
            version_2_after=rng.choice((0, 0, 0, 0, 800)),
            makes_crowds=seed % 10 == 3,
        )

    @property
    def opening_version(self) -> int:
        return 1 if self.version_2_after else RULES_VERSION

    def opening(self, rng: Random) -> Iterator[Command]:
        """GENESIS and everything that makes the market ready to trade."""
        genesis = Genesis(
            key_window_ns=self.key_window_ns,
            key_capacity=self.key_capacity,
            accounts_max=ACCOUNTS_MAX,
            market_id=rng.getrandbits(64),
            rules_version=self.opening_version,
            schema_version=SCHEMA_VERSION,
        )
        yield command(genesis)
        start = OPENING_DAY * DAY_NS + rng.choice((1, 12 * 3600, 86_390)) * SECOND_NS
        yield command(TimeJump(to_ns=start))
        for asset, code in ((USD, "USD"), (COIN, "COIN"), (ACME, "ACME"), (EUR, "€"), (VAULT, "V")):
            yield command(DefineAsset(asset=asset, scale=self.scales[asset]), code)
        for number, plan in enumerate(self.instruments, start=1):
            yield plan.definition(number)
            yield command(self.rules(number))
        for asset, amount in self.starting.items():
            yield command(SetStartingBalance(asset=asset, amount=amount))
        for name in ("ann", "bob", "cyd"):
            yield self.open_account(name)
        yield self.open_account("dan\x1fDan the credit account", AccountType.CREDIT)
        yield command(SetCredit(account=4, credit=self.starting[USD] // 2))
        yield self.open_account("eve\x1fÈve", AccountType.CREDIT)
        if self.opening_version >= 2:
            yield from self.firm_opening()

    def firm_opening(self) -> Iterator[Command]:
        """Version 2 begins with a firm that makes the first instruments, and one maker."""
        plan = self.instruments[0]
        units = max(1, plan.lot_mantissa * 10**8 // int(10**plan.lot_exponent))
        lots = min(units * self.size, 2**54)
        firm = DefineFirm(account=FIRM, budget_bid=25 * lots, budget_ask=25 * lots)
        yield command(firm._replace(lease_ns=5 * SECOND_NS))
        for number in (1, 2, 3):
            yield command(SetFirmSymbol(account=FIRM, instrument=number, mode=1))
        yield command(MakerHeartbeat(account=FIRM, epoch=1), "mm-0")

    def rules(self, instrument: int) -> SetInstrumentRules:
        maker_ppm, taker_ppm = self.fees_ppm
        return SetInstrumentRules(
            instrument=instrument,
            quantity_min=1,
            quantity_max=2**40,
            reference_price=self.instruments[(instrument - 1) % 3].price,
            collar_ppm=self.collar_ppm,
            maker_fee_ppm=maker_ppm,
            taker_fee_ppm=taker_ppm,
        )

    @staticmethod
    def open_account(text: str, type_: AccountType = AccountType.CASH) -> Command:
        return command(OpenAccount(mode=type_, flags=RecordFlag.STARTING_BALANCES), text)


# (window in seconds, capacity, share of commands with a key)
_KEY_TABLES = ((0, 120, 0.5), (1, 25, 0.3), (10, 50, 0.15), (20, 100_000, 0.3), (600, 5_000, 0.3))

# (tick mantissa, tick exponent, lot mantissa, lot exponent) that give whole units, by quote scale.
_TICKS_AND_LOTS = {
    2: ((1, 0, 1, 2), (5, 1, 2, 2), (1, 2, 1, 0), (25, 0, 4, 4)),
    6: ((1, 2, 1, 4), (5, 2, 2, 3), (1, 2, 1, 0), (1, 4, 1, 2)),
}
