"""A second engine, written from docs/rules.md alone: clear, slow, sharing no code with the first.

Map: `engine` takes frames, time, keys and dispatch; `market` is the state; `placing`, `replacing`
and `cancelling` are the order commands; `matching` the book; `funds` and `positions` what
trades move; `keys` idempotency; `definitions` and `accounts` administration; `order_events` how
orders are shown.
"""

from tradepit.testing.oracle.engine import FrameRefused, Oracle, OracleApplied

__all__ = ["FrameRefused", "Oracle", "OracleApplied"]
