"""Market makers: strategies that quote both sides, and what they earned by it.

But for `live`, nothing here does I/O, reads a clock or draws random numbers: whoever drives a
strategy (a live maker, a replay, a simulation) hands it events and times, and asks for quotes. How
to choose, configure and write one: docs/makers.md.

- `strategy`: the interface, `Strategy`, and the events that it hears
- `instrument`: ticks and lots of one instrument, to and from decimals
- `bounds`: what no quote may pass: position limit, grant, the other side of the book
- `sizes`: sizes that lean against the position
- `estimates`: volatility and arrivals, measured from the feed
- `inventory_skew`, `avellaneda_stoikov`, `book_pegged`: the strategies
- `referenced`: any strategy around a price from elsewhere
- `registry`: strategies by name, with their parameters
- `quoter`: one symbol of one maker, when which quote is to be sent; `standing`: the one that stands
- `live`: a maker process, `tradepit maker`
- `statistics`: what a maker did in one symbol; `profit`: its exact profit and loss
"""

from tradepit.makers.bounds import passive, within_grant, within_limit
from tradepit.makers.instrument import InstrumentSpec
from tradepit.makers.quoter import NEVER_NS, QuoterSettings, QuoteWish, Reason, SymbolQuoter
from tradepit.makers.registry import (
    STRATEGIES,
    ParameterDescription,
    StrategyChoice,
    StrategyError,
    StrategyKind,
    build,
    describe,
    kind_of,
)
from tradepit.makers.statistics import MakerReport, MakerStatistics
from tradepit.makers.strategy import (
    BookView,
    OwnFill,
    OwnPosition,
    PublicTrade,
    Strategy,
    TwoSided,
)

__all__ = [
    "NEVER_NS",
    "STRATEGIES",
    "BookView",
    "InstrumentSpec",
    "MakerReport",
    "MakerStatistics",
    "OwnFill",
    "OwnPosition",
    "ParameterDescription",
    "PublicTrade",
    "QuoteWish",
    "QuoterSettings",
    "Reason",
    "Strategy",
    "StrategyChoice",
    "StrategyError",
    "StrategyKind",
    "SymbolQuoter",
    "TwoSided",
    "build",
    "describe",
    "kind_of",
    "passive",
    "within_grant",
    "within_limit",
]
