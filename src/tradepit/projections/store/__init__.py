"""The trade store: raw trades and their summaries per contract and per price, exact and sharded.

- `tables`: what is stored, in decimals of `projections.exact`
- `trades`: a trade, and what a batch of them adds to the summaries
- `recording`: raw rows and summaries in the caller's transaction, repeats left out
- `market`: summaries of the market's own trades, for the projector
- `trade_store`: `TradeStore`, the door: transactions, retries, the queries
- `verification`: recounts the raw trades with SQL of its own

Why shards: a summary record is a row that every batch with its ticker updates, and a row is locked
until its writer has committed. So each contract has `summaries.shards` records, keyed
`TICKER-shard`; a batch takes one shard that no other writer holds, puts all it adds there, and
readers add up whatever shards there are. A shard is therefore no part of a trade's identity:
its number may change at any time, and nothing moves.
"""

from tradepit.projections.store.market import add_market_trades, clear_market_trades
from tradepit.projections.store.trade_store import StoreUnavailable, TradeStore
from tradepit.projections.store.trades import Totals, Trade

__all__ = [
    "StoreUnavailable",
    "Totals",
    "Trade",
    "TradeStore",
    "add_market_trades",
    "clear_market_trades",
]
