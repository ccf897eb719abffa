"""What can be set about the gateway, with the reason for each default."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Limits and switches of the public interface; durations in seconds, sizes in bytes.

    The address belongs to the process, not to this record: see `gateway.server.serve`.
    """

    allowed_hosts: tuple[str, ...] = ()
    """Host names accepted in `Host` and `Origin` besides the loopback names, without port."""

    hot_path: bool = True
    """Answer order entry inside the protocol. Off: everything goes through the ASGI application,
    with the same results; contract tests run both ways."""

    order_body_max: int = 64 * KIB
    """An order is about 300 bytes; the rest is room for identifiers."""

    batch_body_max: int = 1024 * KIB
    """1,000 operations of at most 1 KiB."""

    batch_operations_max: int = 1000
    """One durable commit stays below a millisecond of engine and answer time."""

    connections_max: int = 12_000
    """10,000 trading connections and some that only watch; more are answered 503."""

    keep_alive_timeout: float = 75.0
    """An idle connection is closed after this; longer than the 60 s of common proxies."""

    request_timeout: float = 10.0
    """A request must be complete, and its answer read, within this; slow senders are cut."""

    read_wait_max: float = 2.0
    """Longest wait of a read for `min_sequence`."""

    page_size: int = 50
    page_size_max: int = 1000
    page_depth_max: int = 10_000
    """`page` is sugar for shallow lists: page times limit is at most this."""

    depth_levels: int = 20
    depth_levels_max: int = 1000
    queue_orders_max: int = 5000
    """Orders shown by `by=order`, best first; a full book would be tens of megabytes."""

    socket_message_max: int = 64 * KIB
    """Same bound as an order over HTTP."""

    socket_subscriptions_max: int = 256
    """Channels of one connection."""

    socket_in_flight_max: int = 1024
    """Unanswered commands of one connection; more are refused with 429."""

    socket_buffer_max: int = 4 * 1024 * KIB
    """Bytes waiting for a consumer before it counts as slow and is closed with 4008. The kernel
    holds about as much again."""

    socket_messages_max: int = 50_000
    """Messages waiting for a consumer; small ones fill the bytes late."""

    socket_wait_max: float = 10.0
    """Longest time that a message waits for its consumer: what it says is history by then."""

    feed_window: int = 4096
    """Messages kept per channel for `from`; beyond them a subscriber gets a snapshot."""

    data_dir: str | None = None
    """Of the node, whose past can be replayed; None: it cannot."""

    recordings: tuple[str, ...] = ()
    """Folders whose recordings anybody may replay by name."""

    replay_dir: str | None = None
    """Where indexes of recordings are kept; None: nowhere, they end with the process."""

    replay_bytes_max: int = 20 * 10**9
    """Of all indexes; the oldest used go first."""

    stale_retries: int = 3
    """Times a command is translated anew when an instrument's definition changed under it."""
