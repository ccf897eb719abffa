"""Is the history that clients kept what the journal says?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.order_load import History
from tests.unit.journal.reference import PlainFrame, reference_scan

from tradepit._native import Replica
from tradepit.domain import wire
from tradepit.domain.commands import key_of


@dataclass(frozen=True)
class Verdict:
    """What was compared; and that there was something to compare."""

    commands: int
    acknowledged: int
    repeated_commands: int
    trades: int
    segments: int


def check(root: Path, history: History) -> Verdict:
    """Compare; raises AssertionError with the first difference.

    - every order that was answered is in the journal, once in effect, as it was sent;
    - every answer says what the first one said;
    - what was refused created no order;
    - sequences are dense and frames chained over all restarts (the reference scanner).
    """
    frames = reference_scan(root)
    replica = Replica()
    created: defaultdict[tuple[int, int], list[wire.OrderAccepted]] = defaultdict(list)
    placed = _placed(frames)
    kinds: Counter[int] = Counter()
    for event in _events(root, frames, replica):
        kinds[event[0]] += 1
        if event[0] == wire.EventKind.ORDER_ACCEPTED:
            accepted = wire.OrderAccepted(*wire.ORDER_ACCEPTED.unpack(event))
            command = placed[accepted.sequence]
            created[command.key_low, command.key_high].append(accepted)
    acknowledged = 0
    for order in history.orders.values():
        key = key_of(order.key)
        made = created[key.low, key.high]
        assert len(made) <= 1, f"{order.key} was executed {len(made)} times"
        results = {str(body["id"]) for status, body in order.answers if status in (200, 201)}
        assert len(results) <= 1, f"{order.key} was answered as {results}"
        if not results:
            continue
        acknowledged += 1
        assert made, f"{order.key} was acknowledged and is not in the journal"
        assert results == {str(made[0].order_id)}
        command = placed[made[0].sequence]
        assert command.side == (1 if order.side == "buy" else 2)
        assert command.price == int(order.price.replace(".", ""))
        assert command.quantity == int(order.quantity.replace("0.", ""))
        assert replica.account_id(made[0].account) == order.account
    return Verdict(
        commands=frames[-1].first_sequence + len(frames[-1].records) - 1,
        acknowledged=acknowledged,
        repeated_commands=kinds[wire.EventKind.COMMAND_REPEATED],
        trades=kinds[wire.EventKind.TRADE],
        segments=len({frame.segment for frame in frames}),
    )


def _placed(frames: list[PlainFrame]) -> dict[int, wire.PlaceOrder]:
    return {
        frame.first_sequence + index: wire.PlaceOrder(*wire.PLACE_ORDER.unpack(record))
        for frame in frames
        for index, record in enumerate(frame.records)
        if record[0] == wire.CommandKind.PLACE_ORDER
    }


def _events(root: Path, frames: list[PlainFrame], replica: Replica) -> Iterator[bytes]:
    """Apply the journal from its first command; the events, one by one."""
    sizes: Counter[str] = Counter()
    for frame in frames:
        sizes[frame.segment] += frame.size
    for segment, size in sizes.items():
        with (root / "journal" / segment).open("rb") as file:
            events = replica.apply(file.read(size)).events
        yield from (events[at : at + 96] for at in range(0, len(events), 96))
