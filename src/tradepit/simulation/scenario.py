"""What a simulated day is made of, as a TOML file says it.

Durations are in the unit that ends their name; prices, quantities and money are in units of the
instrument. What is left out has the defaults below; unknown names are refused.
"""

from __future__ import annotations

from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from tradepit.domain.decimals import DecimalError
from tradepit.makers import InstrumentSpec, StrategyChoice, StrategyError, build
from tradepit.makers.quoter import QuoterSettings

SUPPLIED: Final = "day.toml"
"""The scenario that comes with the package (in `scenarios`)."""

SUPPLIED_ONE: Final = "recorded.toml"
"""Another one: makers in one instrument, for recordings, single strategies and the bot."""

NS_PER_MS: Final = 1_000_000
NS_PER_SECOND: Final = 1_000_000_000
DAY_HOURS: Final = 8.0
"""Of a day: rates and volatilities per day do not change when a session is shorter."""

OWN_BOUND: Final = Decimal(1_000_000)
"""Budget and position limit of a firm that is to bound nothing."""

UNITS_EXPONENT: Final = 8
"""Budgets of firms are counted in units of 10^-8."""

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]


class ScenarioError(Exception):
    """The scenario cannot be read, or contradicts itself; the text says where."""


class _Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Part of a scenario."""


class Instrument(_Section, frozen=True, kw_only=True):
    """Something that is traded, and how its fair value moves."""

    symbol: str
    price: Decimal
    tick_size: Decimal = Decimal("0.01")
    lot_size: Decimal = Decimal(1)
    volatility_bps: NotNegative = 100.0
    """Standard deviation of the fair value over `DAY_HOURS`, in basis points."""
    drift_bps: float = 0.0
    weight: Positive = 1.0
    """Of its share of the flow."""

    @property
    def spec(self) -> InstrumentSpec:
        """Ticks and lots."""
        return InstrumentSpec(self.symbol, self.tick_size, self.lot_size)


class Session(_Section, frozen=True, kw_only=True):
    """The day of the market: gathering, opening auction, continuous, closing auction, closed."""

    day: str = "2026-01-05"
    opens: str = "09:00"
    """Time of day (UTC) at which continuous trading begins."""
    pre_open_minutes: Positive = 10.0
    auction_minutes: Positive = 5.0
    """Of the opening auction, at the end of the pre-open, and of the closing one. Both are at most
    a twelfth of the session when it is short."""


class Safety(_Section, frozen=True, kw_only=True):
    """When the market halts by itself."""

    band_percent: NotNegative = 3.0
    halt_seconds: NotNegative = 60.0
    reopening_auction_seconds: NotNegative = 60.0


class Flow(_Section, frozen=True, kw_only=True):
    """Orders of the public: seeded, around a fair value that moves."""

    commands_per_second: Positive = 72.0
    """Over all instruments, on average over the session."""
    day_shape: NotNegative = 1.0
    """0 = even; 1 = twice as busy at open and close as at noon."""
    accounts: Annotated[int, Meta(ge=1, le=10_000)] = 200
    market_share: Share = 0.08
    """Of orders, the rest being limit orders; each limit order is cancelled in time."""
    stop_share: Share = 0.02
    iceberg_share: Share = 0.03
    """Of limit orders."""
    distance_ticks: Positive = 4.0
    """Mean distance of limit orders behind their half spread."""
    half_spread_ticks: NotNegative = 2.0
    """Least distance from the fair value; in an auction, orders cross by as much."""
    quantity: Positive = 4.0
    """Mean, in lots."""
    lifetime_seconds: Positive = 60.0
    """Mean of limit orders, until they are cancelled."""
    jumps_per_day: NotNegative = 6.0
    """Sudden moves of the fair value, over all instruments, in `DAY_HOURS`."""
    jump_percent: NotNegative = 2.0
    """Mean size."""
    feedback: Share = 0.0
    """How much of what the market moved the fair value follows, each second."""


class Firm(_Section, frozen=True, kw_only=True):
    """A firm, its makers, and the strategy that they run."""

    name: str
    makers: Annotated[int, Meta(ge=1, le=100)] = 1
    strategy: StrategyChoice = StrategyChoice()
    symbols: list[str] = []
    """Empty: all."""
    budget: Decimal = Decimal(100)
    """Most that is quoted on each side over all symbols."""
    position_limit: Decimal = Decimal(100)
    lease_seconds: Positive = 2.0
    quoting: dict[str, int] = {}
    """`QuoterSettings` by name."""

    @property
    def settings(self) -> QuoterSettings:
        """When its makers send quotes."""
        return msgspec.convert(self.quoting, QuoterSettings)


class Faults(_Section, frozen=True, kw_only=True):
    """What goes wrong, at times that the seed decides."""

    kills: Annotated[int, Meta(ge=0)] = 6
    """Of makers, over the day."""
    pauses: Annotated[int, Meta(ge=0)] = 4
    down_seconds: Positive = 120.0
    """Mean, until a killed or paused maker is back."""
    operator_halts: Annotated[int, Meta(ge=0)] = 1
    operator_halt_seconds: Positive = 120.0


class Pump(_Section, frozen=True, kw_only=True):
    """A bot that buys to lift the price, waits, and sells what it has; or the other way round."""

    symbol: str = ""
    """Empty: nobody pumps."""
    times: Annotated[int, Meta(ge=1)] = 1
    quantity: Decimal = Decimal(60)
    orders: Annotated[int, Meta(ge=1)] = 12
    every_seconds: Positive = 2.0
    wait_seconds: NotNegative = 10.0


class Scenario(_Section, frozen=True, kw_only=True):
    """A whole scenario."""

    name: str = "simulation"
    session_hours: Positive = 8.0
    step_ms: Annotated[int, Meta(ge=1, le=1_000)] = 100
    """Length of a frame in virtual time; a maker's answer to what it sees comes a step later."""
    reference_ms: Annotated[int, Meta(ge=1)] = 1_000
    """How often makers that follow an outside price hear the fair value."""
    reference_lag_ms: Annotated[int, Meta(ge=0)] = 500
    maker_fee_bps: Decimal = Decimal(0)
    taker_fee_bps: Decimal = Decimal(0)
    instruments: list[Instrument]
    session: Session = Session()
    safety: Safety = Safety()
    flow: Flow = Flow()
    firms: list[Firm] = []
    faults: Faults = Faults()
    pump: Pump = Pump()

    def __post_init__(self) -> None:
        symbols = [each.symbol for each in self.instruments]
        if not symbols or len(set(symbols)) != len(symbols):
            raise ValueError("instruments: at least one, each symbol once")
        names = [firm.name for firm in self.firms]
        if len(set(names)) != len(names):
            raise ValueError("firms: each name once")
        for firm in self.firms:
            unknown = set(firm.symbols) - set(symbols)
            if unknown:
                raise ValueError(f"firm {firm.name}: no instrument {', '.join(sorted(unknown))}")
        if self.pump.symbol and self.pump.symbol not in symbols:
            raise ValueError(f"pump: no instrument {self.pump.symbol}")


def load_scenario(path: Path | None, *, supplied: str = SUPPLIED) -> Scenario:
    """Read a scenario; a supplied one without a path.

    Raises:
        ScenarioError: no such file, unknown names, values that contradict each other, a strategy
            that cannot be made.
    """
    try:
        scenario = msgspec.toml.decode(scenario_text(path, supplied=supplied), type=Scenario)
        require_makers(scenario)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ScenarioError(f"{path or supplied}: {error}") from error
    return scenario


def require_makers(scenario: Scenario) -> None:
    """Raises: ScenarioError if a firm's strategy or settings cannot be used."""
    for firm in scenario.firms:
        try:
            _ = firm.settings
            for instrument in made_by(scenario, firm):
                build(firm.strategy, instrument.spec)
        except (msgspec.MsgspecError, DecimalError, StrategyError, ValueError) as error:
            raise ScenarioError(f"firm {firm.name}: {error}") from error


def scenario_text(path: Path | None, *, supplied: str = SUPPLIED) -> str:
    """The text of a scenario. Raises: ScenarioError when it cannot be read."""
    try:
        if path is None:
            return (
                resources.files("tradepit.simulation").joinpath("scenarios", supplied).read_text()
            )
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path or supplied}: {error}") from error


def with_strategy(scenario: Scenario, name: str, parameters: dict[str, str]) -> Scenario:
    """The scenario with one firm of one maker that runs this strategy, without bounds of a firm.

    Raises: ScenarioError: no such strategy, or parameters that it does not take.
    """
    firm = Firm(
        name="own",
        strategy=StrategyChoice(name=name, parameters=dict(parameters)),
        budget=OWN_BOUND,
        position_limit=OWN_BOUND,
        quoting=scenario.firms[0].quoting if scenario.firms else {},
    )
    scenario = replace(scenario, firms=[firm])
    require_makers(scenario)
    return scenario


def made_by(scenario: Scenario, firm: Firm) -> list[Instrument]:
    """The instruments that a firm makes."""
    wanted = set(firm.symbols)
    return [each for each in scenario.instruments if not wanted or each.symbol in wanted]


def budget_units(quantity: Decimal) -> int:
    """A firm's budget or limit as the engine counts it."""
    return int(quantity.scaleb(UNITS_EXPONENT))


def nanoseconds(seconds: float) -> int:
    """Whole nanoseconds."""
    return round(seconds * NS_PER_SECOND)
