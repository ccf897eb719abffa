"""The calls of firms, quotes and reservations, without sending them. See `calls`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from tradepit.client.calls import BASE_PATH, Call, filters_of, new_key
from tradepit.client.firm_models import (
    Cluster,
    Exposure,
    Firm,
    FirmPosition,
    FirmSymbols,
    MakerLease,
    Quote,
    Released,
    Reservation,
)
from tradepit.client.models import AccountState, Page

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


def create_firm(firm_id: str, fields: Mapping[str, Any], key: str | None) -> Call[Firm]:
    """A new firm."""
    return _write("POST", "/firms", {"id": firm_id, **fields}, Firm, key)


def list_firms() -> Call[tuple[Firm, ...]]:
    """Every firm."""
    return _list("/firms", None, Firm)


def get_firm(firm_id: str) -> Call[Firm]:
    """A firm."""
    return _read(_firm_path(firm_id), None, Firm)


def set_budget(firm_id: str, fields: Mapping[str, Any], key: str | None) -> Call[Firm]:
    """New budgets."""
    return _write("PUT", f"{_firm_path(firm_id)}/budget", fields, Firm, key)


def add_symbol(symbol: str, firm_id: str | None, key: str | None) -> Call[FirmSymbols]:
    """Let a firm make an instrument."""
    body = {"symbol": symbol} | ({} if firm_id is None else {"firm": firm_id})
    return _write("POST", "/cluster/symbols", body, FirmSymbols, key)


def remove_symbol(symbol: str, firm_id: str | None, key: str | None) -> Call[FirmSymbols]:
    """No longer."""
    path = f"/cluster/symbols/{_part(symbol)}"
    return _delete(path, filters_of({"firm": firm_id}), FirmSymbols, key)


def change_firm_state(firm_id: str, action: str, key: str | None) -> Call[AccountState]:
    """Kill or resume."""
    path = f"{BASE_PATH}{_firm_path(firm_id)}/{action}"
    return Call("POST", path, _decoder(AccountState), key=key or new_key())


def heartbeat(firm_id: str, maker: str, *, epoch: int, leaving: bool) -> Call[MakerLease]:
    """A maker is alive. Twice is as good as once, so no key."""
    path = f"{BASE_PATH}{_firm_path(firm_id)}/makers/{_part(maker)}/heartbeat"
    body = {"epoch": epoch} | ({"leaving": True} if leaving else {})
    return Call("POST", path, _decoder(MakerLease), body=_encode(body))


def get_cluster(*, state_hash: bool) -> Call[Cluster]:
    """Nodes, partitions, makers."""
    return _read("/cluster", {"state_hash": "true"} if state_hash else None, Cluster)


def set_quote(symbol: str, fields: Mapping[str, Any], key: str | None) -> Call[Quote]:
    """A two-sided quote."""
    return _write("PUT", f"/quotes/{_part(symbol)}", fields, Quote, key)


def get_quote(symbol: str, client_id: str | None) -> Call[Quote]:
    """A quote as it stands."""
    return _read(f"/quotes/{_part(symbol)}", filters_of({"client_id": client_id}), Quote)


def end_quote(symbol: str, fields: Mapping[str, Any], key: str | None) -> Call[Released]:
    """The end of a quote."""
    return _delete(f"/quotes/{_part(symbol)}", filters_of(fields), Released, key)


def reserve(symbol: str, fields: Mapping[str, Any], key: str | None) -> Call[Reservation]:
    """A reservation."""
    return _write("POST", "/reservations", {"symbol": symbol, **fields}, Reservation, key)


def release(symbol: str, fields: Mapping[str, Any], key: str | None) -> Call[Released]:
    """Give a reservation back."""
    return _write("POST", f"/reservations/{_part(symbol)}/release", fields, Released, key)


def list_reservations(client_id: str | None) -> Call[tuple[Reservation, ...]]:
    """A firm's reservations."""
    return _list("/reservations", filters_of({"client_id": client_id}), Reservation)


def get_exposure(client_id: str | None) -> Call[Exposure]:
    """What a firm has used of its budgets."""
    return _read("/exposure", filters_of({"client_id": client_id}), Exposure)


def list_positions(client_id: str | None) -> Call[tuple[FirmPosition, ...]]:
    """A firm's positions."""
    return _list("/positions", filters_of({"client_id": client_id}), FirmPosition)


def get_position(symbol: str, client_id: str | None) -> Call[FirmPosition]:
    """A firm's position in one instrument."""
    path = f"/positions/{_part(symbol)}"
    return _read(path, filters_of({"client_id": client_id}), FirmPosition)


def _part(text: str) -> str:
    return quote(text, safe="")


def _firm_path(firm_id: str) -> str:
    return f"/firms/{_part(firm_id)}"


def _decoder(shape: type[T]) -> Any:
    return msgspec.json.Decoder(shape).decode


def _read(path: str, params: Mapping[str, str] | None, shape: type[T]) -> Call[T]:
    return Call("GET", f"{BASE_PATH}{path}", _decoder(shape), params=params)


def _list(path: str, params: Mapping[str, str] | None, shape: type[T]) -> Call[tuple[T, ...]]:
    decode = _decoder(Page[shape])  # type: ignore[valid-type]
    return Call("GET", f"{BASE_PATH}{path}", lambda content: decode(content).items, params=params)


def _write(method: str, path: str, body: object, shape: type[T], key: str | None) -> Call[T]:
    data, decode = _encode(body), _decoder(shape)
    return Call(method, f"{BASE_PATH}{path}", decode, body=data, key=key or new_key())


def _delete(path: str, params: Mapping[str, str], shape: type[T], key: str | None) -> Call[T]:
    decode = _decoder(shape)
    return Call("DELETE", f"{BASE_PATH}{path}", decode, params=params, key=key or new_key())
