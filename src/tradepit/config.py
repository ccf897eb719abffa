"""The configuration of a node: one TOML file, overridden by environment, overridden by flags.

Environment: `TRADEPIT_PORT=9000`; `__` goes one level down: `TRADEPIT_JOURNAL__SEGMENT_BYTES=...`.
A key that nobody knows is refused wherever it comes from: a misspelt limit is no limit.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

import msgspec

from tradepit.journal.segments import RESERVE_BYTES, SEGMENT_BYTES, SEGMENT_BYTES_MIN
from tradepit.keyed import AccessSection
from tradepit.marketdata.replays.cache import BYTES_MAX
from tradepit.node.definitions import MarketDefinition
from tradepit.node.firm_definitions import FirmDefinition
from tradepit.node.queue import Limits
from tradepit.node.recovery import History
from tradepit.node.snapshotter import EVERY_COMMANDS
from tradepit.projections.store.trade_store import SHARDS

ENVIRONMENT_PREFIX: Final = "TRADEPIT_"
NESTING: Final = "__"
SUPPLIED: Final = Path(__file__).parent / "configs"
"""The configurations that come with the program: `--config demo`."""

SHARDS_MAX: Final = 1000
"""A reader adds up all of them."""

SEGMENT_BYTES_MAX: Final = 1 << 30
"""Preallocated twice; more than this surprises a laptop."""

HISTORY_MIN: Final = 10_000
"""More than the orders of one frame, each of which must be remembered until it is answered."""

MAKERS_MAX: Final = 100
"""Processes on one machine."""

PositiveInt = Annotated[int, msgspec.Meta(ge=1)]
NotNegativeInt = Annotated[int, msgspec.Meta(ge=0)]


class ConfigError(Exception):
    """The configuration is not usable; the text says what and where."""


class JournalSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the journal lies on the disk."""

    segment_bytes: Annotated[int, msgspec.Meta(ge=SEGMENT_BYTES_MIN, le=SEGMENT_BYTES_MAX)] = (
        SEGMENT_BYTES
    )
    """Size of a preallocated segment; two of them exist from the start."""
    reserve_bytes: NotNegativeInt = RESERVE_BYTES
    """What a full disk leaves for cancels and the kill switch."""
    snapshot_every_commands: NotNegativeInt = EVERY_COMMANDS
    """0: snapshots are only made by `tradepit journal snapshot`."""


class LimitsSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds on what is in flight, in commands."""

    node_max: PositiveInt = Limits().node_max
    urgent_extra: NotNegativeInt = Limits().urgent_extra
    account_max: PositiveInt = Limits().account_max
    frame_max: Annotated[int, msgspec.Meta(ge=1001, le=8192)] = Limits().frame_max
    """At least a full batch of 1,000 operations and the account that it opens."""


class HistorySection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many finished orders and trades a node keeps in memory."""

    orders: Annotated[int, msgspec.Meta(ge=HISTORY_MIN)] = History().orders
    trades: Annotated[int, msgspec.Meta(ge=HISTORY_MIN)] = History().trades


class ProjectionsSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The SQL read models."""

    enabled: bool = True
    """False: lists reach back no further than the node's memory."""


class FeedsSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Streams and replays."""

    process: bool = True
    """Serve them from a process of their own. False: the node does it, beside its orders."""


class ReplaysSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Replays of recordings."""

    recordings: list[str] = []
    """Folders beside `recordings` in the data directory, whose files may be replayed by name."""
    index_dir: str | None = None
    """None: `replay-indexes` in the data directory."""
    index_bytes_max: Annotated[int, msgspec.Meta(ge=10**8)] = BYTES_MAX
    """Of all indexes; those that were used the longest ago go first."""


class SummariesSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Summary records of the trade store."""

    shards: Annotated[int, msgspec.Meta(ge=1, le=SHARDS_MAX)] = SHARDS
    """Records per contract, and so writers that wait for nobody. May be changed at any time."""


class DemoSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `tradepit demo` runs beside the node."""

    firm: FirmDefinition = FirmDefinition(id="mm")
    """For which the makers quote; without symbols it makes every instrument of the market. It is
    part of the market only in a demonstration with makers."""
    makers: Annotated[int, msgspec.Meta(ge=0, le=MAKERS_MAX)] = 0
    maker_port: Annotated[int, msgspec.Meta(ge=0, le=65535 - MAKERS_MAX)] = 0
    """Of the first maker's pages, the others follow; 0, or one that is taken: any free one."""
    strategies: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("inventory-skew",)
    """Of the makers in turn."""
    external_rate: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Crossing orders a second of the external publisher; 0: there is none."""
    external_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set about a node."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    """0: any free port, which is printed."""
    data_dir: str = "data"
    database_url: str | None = None
    """`sqlite:///FILE` or `postgresql://…`; None: `history.sqlite` in the data directory."""
    allowed_hosts: list[str] = []
    """Host names accepted besides the loopback names, for a proxy in front."""
    market: MarketDefinition | None = None
    """None: whatever the journal says; a new market is empty."""
    journal: JournalSection = JournalSection()
    limits: LimitsSection = LimitsSection()
    access: AccessSection = AccessSection()
    history: HistorySection = HistorySection()
    projections: ProjectionsSection = ProjectionsSection()
    feeds: FeedsSection = FeedsSection()
    replays: ReplaysSection = ReplaysSection()
    summaries: SummariesSection = SummariesSection()
    demo: DemoSection = DemoSection()


def load_config(
    path: Path | None,
    environment: Mapping[str, str],
    flags: Mapping[str, object] | None = None,
) -> Config:
    """Return the configuration.

    Args:
        path: a TOML file; None for the defaults.
        flags: top-level values that override everything; None values are left out.
    Raises:
        ConfigError: unreadable, an unknown key, or a value out of range.
    """
    values = {} if path is None else _read(path)
    for name, value in environment.items():
        if name.startswith(ENVIRONMENT_PREFIX):
            _override(values, name, value)
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    try:
        return msgspec.convert(values | given, Config, strict=False)
    except msgspec.ValidationError as error:
        source = "the configuration" if path is None else str(path)
        raise ConfigError(f"{source} (with environment and flags): {_in_words(error)}") from None


def find_config(name: str) -> Path:
    """Return the file of a `--config`: a path, or the name of a supplied one (`demo`).

    Raises:
        ConfigError: neither is there.
    """
    path = Path(name)
    supplied = SUPPLIED / f"{name}.toml"
    if path.is_file():
        return path
    if supplied.is_file():
        return supplied
    names = ", ".join(sorted(file.stem for file in SUPPLIED.glob("*.toml")))
    raise ConfigError(f"no configuration file {name}; supplied ones are: {names}")


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file, parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None


def _override(values: dict[str, object], name: str, value: str) -> None:
    """Put one variable of the environment in its place."""
    keys = name.removeprefix(ENVIRONMENT_PREFIX).lower().split(NESTING)
    table: dict[str, object] = values
    for key in keys[:-1]:
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{name}: {key} is a value, not a table")
        table = inner
    if not _is_known(keys):
        raise ConfigError(f"{name}: there is no setting {'.'.join(keys)}")
    table[keys[-1]] = value


def _is_known(keys: list[str]) -> bool:
    """Whether the keys lead to a single value."""
    kind: object = Config
    for key in keys:
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            return False
        fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
        if key not in fields:
            return False
        kind = MarketDefinition if key == "market" else fields[key]
    return not (isinstance(kind, type) and issubclass(kind, msgspec.Struct))


def _in_words(error: msgspec.ValidationError) -> str:
    reason, _, place = str(error).partition(" - at `$")
    place = place.rstrip("`").lstrip(".")
    reason = reason.replace("Object contains unknown field", "there is no setting")
    reason = reason.replace("Object missing required field", "missing setting")
    return f"{place}: {reason}" if place else reason
