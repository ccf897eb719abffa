"""How a maker process quotes: strategies, times, outside prices; overall and symbol by symbol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct, field

from tradepit.client.models import Instrument
from tradepit.makers.quoter import MILLISECOND_NS, QuoterSettings
from tradepit.makers.referenced import ReferenceParameters
from tradepit.makers.registry import StrategyChoice, kind_of

Milliseconds = Annotated[int, Meta(ge=1)]
CONFIG_BYTES_MAX: Final = 1 << 20


BEGINNING: Final = "reference_price"
"""The parameter of strategies that begin at a price of their own."""


class SettingsError(Exception):
    """The configuration cannot be used; the text says why."""


class QuotingTimes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When quotes are sent, in ms. See `QuoterSettings`."""

    ttl_ms: Milliseconds = 30_000
    renew_before_ms: Milliseconds = 15_000
    interval_min_ms: Annotated[int, Meta(ge=0)] = 5
    """Less than in a simulation: a live maker answers fills one by one."""
    move_ticks: Annotated[int, Meta(ge=1)] = 1
    pause_ms: Milliseconds = 100
    pause_max_ms: Milliseconds = 5_000
    answer_max_ms: Milliseconds = 5_000

    def quoter(self) -> QuoterSettings:
        """The same for a quoter. Raises: ValueError if they contradict each other."""
        return QuoterSettings(
            ttl_ns=self.ttl_ms * MILLISECOND_NS,
            renew_before_ns=self.renew_before_ms * MILLISECOND_NS,
            interval_min_ns=self.interval_min_ms * MILLISECOND_NS,
            move_ticks=self.move_ticks,
            pause_ns=self.pause_ms * MILLISECOND_NS,
            pause_ns_max=self.pause_max_ms * MILLISECOND_NS,
            answer_ns_max=self.answer_max_ms * MILLISECOND_NS,
        )


class ReferenceFeed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an outside price comes from: an instrument's best bid and ask, or a replay's.

    Raises:
        ValueError: neither of the two, or both.
    """

    instrument: str | None = None
    """Whose price; of a replay: which of its instruments, if it has several."""
    url: str | None = None
    """The node that has it; absent: the maker's own."""
    replay: str | None = None
    """Id of a replay on that node."""
    recording: str | None = None
    """A recording that the node can play; the maker joins a shared replay of it, or starts one."""
    speed: float = 1.0

    def __post_init__(self) -> None:
        if self.replay is not None and self.recording is not None:
            raise ValueError("a reference is a replay or a recording, not both")
        if self.instrument is None and not self.is_replay:
            raise ValueError("a reference needs an instrument, a replay or a recording")

    @property
    def is_replay(self) -> bool:
        """It is played, not live."""
        return self.replay is not None or self.recording is not None


Reference = str | ReferenceFeed
"""Text is an instrument of the maker's own market."""


class SymbolSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs for one symbol."""

    strategy: StrategyChoice | None = None
    reference: Reference | None = None


class MakerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration file of a maker."""

    strategy: StrategyChoice = StrategyChoice()
    quoting: QuotingTimes = QuotingTimes()
    reference: Reference | None = None
    symbols: dict[str, SymbolSettings] = field(default_factory=dict)

    def reference_of(self, symbol: str) -> ReferenceFeed | None:
        """Where a symbol's outside price comes from; None: it has none."""
        own = self.symbols.get(symbol, SymbolSettings()).reference
        found = self.reference if own is None else own
        return ReferenceFeed(instrument=found) if isinstance(found, str) else found

    def choice_of(self, instrument: Instrument) -> StrategyChoice:
        """A symbol's strategy: around the outside price if it has one; a strategy that begins at a
        price of its own begins where the instrument is, unless it is told another."""
        symbol = instrument.symbol
        choice = self.symbols.get(symbol, SymbolSettings()).strategy or self.strategy
        price = instrument.last_price or instrument.reference_price
        begins = BEGINNING in kind_of(choice.name).parameters.__struct_fields__
        if price is not None and begins and BEGINNING not in choice.parameters:
            parameters = choice.parameters | {BEGINNING: price}
            choice = msgspec.structs.replace(choice, parameters=parameters)
        if self.reference_of(symbol) is None or choice.reference is not None:
            return choice
        return msgspec.structs.replace(choice, reference=ReferenceParameters())


def load_settings(path: Path | None, *, strategy: str | None = None) -> MakerSettings:
    """Read a TOML file; without one everything has its default.

    Args:
        strategy: a name that takes the place of the file's.
    Raises:
        SettingsError: unreadable, unknown keys, values out of bounds.
    """
    try:
        text = b"" if path is None else path.read_bytes()
        if len(text) > CONFIG_BYTES_MAX:
            raise SettingsError(f"{path}: more than {CONFIG_BYTES_MAX:,} bytes")
        settings = msgspec.toml.decode(text, type=MakerSettings)
        settings.quoting.quoter()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from error
    if strategy is not None and strategy != settings.strategy.name:
        choice = msgspec.structs.replace(settings.strategy, name=strategy, parameters={})
        settings = msgspec.structs.replace(settings, strategy=choice)
    return settings
