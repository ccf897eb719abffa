"""Key mode from the configuration. Part of the composition root."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import structlog

from tradepit.access.access import Access, AccessOptions, open_access
from tradepit.access.rates import ADDRESS_RATE, FAILURE_RATE, KEY_RATE, Rate
from tradepit.gateway.access import require_loopback

WINDOW_S_MAX: Final = 60.0
"""A longer window is no protection, and its nonces no longer fit their ring."""

Positive = Annotated[float, msgspec.Meta(gt=0)]
AtLeastOne = Annotated[float, msgspec.Meta(ge=1)]

log = structlog.get_logger(__name__)


class AccessSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may ask: anybody on this machine, or whoever holds a key."""

    mode: Literal["open", "keys"] = "open"
    window_seconds: Annotated[float, msgspec.Meta(gt=0, le=WINDOW_S_MAX)] = 5.0
    """How far the timestamp of a signed request may lie from the node's clock."""
    session_seconds: Positive = 3_600.0
    """How long a ticket is good."""
    master_key_file: str | None = None
    """None: `access/master.key` in the data directory, made on first use."""
    master_key: str | None = None
    """64 hexadecimal digits; meant for TRADEPIT_ACCESS__MASTER_KEY, not for a file."""
    key_per_second: Positive = KEY_RATE.per_second
    key_burst: AtLeastOne = KEY_RATE.burst
    address_per_second: Positive = ADDRESS_RATE.per_second
    address_burst: AtLeastOne = ADDRESS_RATE.burst
    failures_per_second: Positive = FAILURE_RATE.per_second
    failures_burst: AtLeastOne = FAILURE_RATE.burst
    proxies: list[str] = []
    """Addresses of proxies in front, whose X-Forwarded-For is believed."""


def require_keys(section: AccessSection, host: str) -> None:
    """Raise `OpenAccessRefused` when an address beyond this machine would be served without."""
    if section.mode == "open":
        require_loopback(host)


def open_key_mode(section: AccessSection, data_dir: Path) -> Access | None:
    """Open the keys, whose directory is locked already; None in open mode.

    Raises:
        MasterKeyError: the secrets cannot be opened.
    """
    if section.mode == "open":
        return None
    options = AccessOptions(
        window_ms=round(section.window_seconds * 1000),
        session_s=section.session_seconds,
        key_rate=Rate(section.key_per_second, section.key_burst),
        address_rate=Rate(section.address_per_second, section.address_burst),
        failure_rate=Rate(section.failures_per_second, section.failures_burst),
        proxies=frozenset(section.proxies),
    )
    file = section.master_key_file
    access = open_access(
        data_dir,
        options,
        master_key=section.master_key,
        master_file=None if file is None else Path(file),
    )
    if not any(True for _ in access.keys.all()):
        log.warning("there are no keys yet: make one with `tradepit keys create --admin`")
    return access
