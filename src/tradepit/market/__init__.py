"""The market in process: the same engine, rules and answers as a node, without a socket.

- `market`: `Market`, what one does; `reads`: what one asks; `firms`: both for firms; `Market` is
  all of it; `writes`: how something is done
- `memory`: a node in memory, command by command; `hosted`: a real node on a data directory
- `clock`: market time, which moves when it is told to
- `definition`: a configuration, or instruments named in Python, to a market's definition
- `event_log`: events as arrays; `data_frames`: the same for pandas
- `image`: a market's state and its journal as bytes
"""

from tradepit.client.errors import ApiError, NotFound, Rejected
from tradepit.client.models import Cancel, MassCancel, Order, Place, Replace
from tradepit.market.market import Market

__all__ = [
    "ApiError",
    "Cancel",
    "Market",
    "MassCancel",
    "NotFound",
    "Order",
    "Place",
    "Rejected",
    "Replace",
]
