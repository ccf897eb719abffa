"""Follows commands and events only, calls no engine, and checks what must hold after each command.

Map: `auditor` takes the stream apart and hands events out; `floor` is the market as told so far,
with `facts` and `book` (price-time priority on its own); `orders` the life of orders, `stops` who
is triggered when, `auctions` the rounds of an uncrossing, `sessions` and `firms` what their names
say; `ledger` money, fees and positions.
"""

from tradepit.testing.auditor.auditor import Auditor
from tradepit.testing.auditor.facts import AuditFailure

__all__ = ["AuditFailure", "Auditor"]
