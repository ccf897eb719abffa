"""A lease counts from the moment its heartbeat was sent."""

from __future__ import annotations

from tradepit.client import MakerLease
from tradepit.makers.live.lease import NS_PER_MS, Lease

SENT_NS = 1_000_000_000


def answered(maker: int | None = 4, symbols: tuple[str, ...] = ("A", "B")) -> MakerLease:
    return MakerLease(name="mm-0", epoch=1, lease_ms=3_000, maker=maker, symbols=symbols)


def test_nothing_is_held_before_the_first_answer() -> None:
    assert not Lease().is_held(0)


def test_it_ends_a_lease_after_the_heartbeat_was_sent_however_late_the_answer() -> None:
    lease = Lease()
    lease.renew(answered(), sent_ns=SENT_NS)
    end_ns = SENT_NS + 3_000 * NS_PER_MS
    assert lease.is_held(end_ns - 1)
    assert not lease.is_held(end_ns)
    assert (lease.number, lease.symbols) == (4, ("A", "B"))


def test_a_maker_that_is_not_live_holds_nothing() -> None:
    lease = Lease()
    lease.renew(answered(), sent_ns=SENT_NS)
    lease.renew(answered(maker=None, symbols=()), sent_ns=SENT_NS + 1)
    assert not lease.is_held(SENT_NS + 1)


def test_an_ended_lease_holds_nothing() -> None:
    lease = Lease()
    lease.renew(answered(), sent_ns=SENT_NS)
    lease.end()
    assert not lease.is_held(SENT_NS)
    assert lease.symbols == ()
