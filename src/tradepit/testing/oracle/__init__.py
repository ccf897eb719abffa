"""A second engine, written from docs/rules.md alone: clear, slow, sharing no code with the first.

Map: `engine` takes frames, time, keys and dispatch; `moments` is what happens by itself; `market`
is the state, `parties` the part that belongs to sessions, guards and firms.

Orders: `placing`, `replacing` and `cancelling` are their commands; `matching` the book, `icebergs`
what it shows; `stops`, `triggers` and `waiting` are stop orders: their prices, what reaches them,
their runs; `auctions` uncrosses, `phases` says when. `funds` and `positions` are what trades move.

The rest: `keys` idempotency; `safety`, `sessions`, `firms`, `quotes`, `makers` by their names;
`definitions` and `accounts` administration; `order_events` how orders are shown.
"""

from tradepit.testing.oracle.engine import FrameRefused, Oracle, OracleApplied

__all__ = ["FrameRefused", "Oracle", "OracleApplied"]
