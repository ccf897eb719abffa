"""Routes of firms, quotes, reservations and the cluster, as the OpenAPI document has them."""

from __future__ import annotations

from typing import Final

from tradepit.gateway.described_route import (
    API,
    MIN_SEQUENCE,
    TEXT,
    UNTIL,
    Parameter,
    Route,
)
from tradepit.gateway.firms import results, shapes
from tradepit.gateway.results import AccountStateResult, Page

FIRM = Parameter("client_id", "the firm; absent: the market's only one", TEXT)
WHOSE = Parameter("client_id", "whose quote; absent: the newest of the instrument", TEXT)
FIRM_NAME = Parameter("firm", "absent: the market's only one", TEXT)
MAKER = Parameter("maker", "name or number of the maker that speaks", TEXT)
EPOCH = Parameter("epoch", "of the maker's run", {"type": "integer", "minimum": 1})
STATE_HASH = Parameter(
    "state_hash", "also the hash of the whole state", {"type": "string", "enum": ["false", "true"]}
)

_WRITES: Final = (404, 409, 413, 415, 422, 429)
_ENDS: Final = (404, 409, 422, 429)
_FIRM: Final = f"{API}/firms/{{account_id}}"

FIRM_ROUTES: Final = (
    Route("post", f"{API}/firms", "Make a firm: a flat credit account with budgets", results.Firm,
          shapes.DefineFirm, status=201, errors=_WRITES, is_write=True, tag="firms"),
    Route("get", f"{API}/firms", "Every firm", Page, query=(MIN_SEQUENCE,), errors=(422,),
          tag="firms", item=results.Firm),
    Route("get", _FIRM, "A firm: budgets, usage, makers, positions", results.Firm,
          query=(MIN_SEQUENCE,), errors=(404, 422), tag="firms"),
    Route("put", f"{_FIRM}/budget", "Set budgets, position limit, lease", results.Firm,
          shapes.SetBudget, errors=_WRITES, is_write=True, tag="firms"),
    Route("post", f"{_FIRM}/symbols", "Let the firm make an instrument", results.FirmSymbols,
          shapes.AddSymbol, errors=_WRITES, is_write=True, tag="firms"),
    Route("delete", f"{_FIRM}/symbols/{{symbol}}", "No longer; its quote and reservation end",
          results.FirmSymbols, query=(UNTIL,), errors=_ENDS, is_write=True, tag="firms"),
    Route("post", f"{_FIRM}/kill", "Cancel everything and refuse new orders and quotes",
          AccountStateResult, query=(UNTIL,), errors=(404, 409, 415, 422, 429), is_write=True,
          tag="firms"),
    Route("post", f"{_FIRM}/resume", "Take orders and quotes again", AccountStateResult,
          query=(UNTIL,), errors=(404, 409, 415, 422, 429), is_write=True, tag="firms"),
    Route("post", f"{_FIRM}/makers/{{name}}/heartbeat", "A maker is alive; what it owns now",
          results.HeartbeatAnswer, shapes.Heartbeat, errors=_WRITES, is_write=True, tag="firms"),
    Route("get", f"{API}/cluster", "Nodes, partitions, makers and what they own", results.Cluster,
          query=(STATE_HASH, MIN_SEQUENCE), errors=(422,), tag="firms"),
    Route("post", f"{API}/cluster/symbols", "Let a firm make an instrument", results.FirmSymbols,
          shapes.AddSymbol, errors=_WRITES, is_write=True, tag="firms"),
    Route("delete", f"{API}/cluster/symbols/{{symbol}}", "No longer", results.FirmSymbols,
          query=(FIRM_NAME, UNTIL), errors=_ENDS, is_write=True, tag="firms"),
    Route("put", f"{API}/quotes/{{symbol}}", "Quote both sides, in place of the quote before; a "
          "firm's within its budgets, in the same step", (results.Quote, results.ForgottenQuote),
          shapes.SetQuote, query=(FIRM,), errors=_WRITES, is_write=True, tag="firms"),
    Route("get", f"{API}/quotes/{{symbol}}", "A quote as it stands", results.Quote,
          query=(WHOSE, MIN_SEQUENCE), errors=(404, 422), tag="firms"),
    Route("delete", f"{API}/quotes/{{symbol}}", "End a quote, and the reservation behind it",
          results.Released, query=(FIRM, MAKER, EPOCH, UNTIL), errors=_ENDS, is_write=True,
          tag="firms"),
    Route("post", f"{API}/reservations", "Reserve exposure in an instrument, in place of what was "
          "reserved there", (results.Reservation, results.ForgottenReservation), shapes.Reserve,
          errors=_WRITES, is_write=True, tag="firms"),
    Route("get", f"{API}/reservations", "What a firm has reserved", Page,
          query=(FIRM, MIN_SEQUENCE), errors=(404, 422), tag="firms", item=results.Reservation),
    Route("post", f"{API}/reservations/{{symbol}}/release", "Give a reservation back, with its "
          "quote", results.Released, shapes.Release, query=(FIRM,), errors=_WRITES, is_write=True,
          tag="firms"),
    Route("get", f"{API}/exposure", "What a firm has used of its budgets", results.Exposure,
          query=(FIRM, MIN_SEQUENCE), errors=(404, 422), tag="firms"),
    Route("get", f"{API}/positions", "Positions of a firm with version and last fill", Page,
          query=(FIRM, MIN_SEQUENCE), errors=(404, 422), tag="firms", item=results.FirmPosition),
    Route("get", f"{API}/positions/{{symbol}}", "One position of a firm", results.FirmPositionNow,
          query=(FIRM, MIN_SEQUENCE), errors=(404, 422), tag="firms"),
)  # fmt: skip
