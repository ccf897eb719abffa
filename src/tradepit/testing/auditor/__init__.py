"""Follows commands and events only, calls no engine, and checks what must hold after each command.

Map: `auditor` takes the stream apart and keeps the order state machine; `book` states price-time
priority on its own; `ledger` money, fees and positions.
"""

from tradepit.testing.auditor.auditor import Auditor
from tradepit.testing.auditor.facts import AuditFailure

__all__ = ["AuditFailure", "Auditor"]
