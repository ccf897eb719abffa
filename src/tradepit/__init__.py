"""Tradepit: a complete electronic market.

- `Market`: the market in this process (`tradepit.market`)
- `client`: talk to a node
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradepit.market import Market

__all__ = ["Market"]


def __getattr__(name: str) -> Any:
    """`tradepit.Market`, imported when it is asked for: a command line needs no notebook."""
    if name == "Market":
        from tradepit.market import Market

        return Market
    raise AttributeError(f"module 'tradepit' has no attribute {name!r}")
