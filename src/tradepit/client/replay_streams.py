"""Replays as iterators that outlive their connections."""

from __future__ import annotations

from typing import Final

from tradepit.client.replay_following import ReplayFollower
from tradepit.client.replays import ReplayMessage
from tradepit.client.retries import RECONNECTS, RetryPolicy
from tradepit.client.signing import Credentials
from tradepit.client.streams import AsyncReading
from tradepit.client.sync_streams import Reading

WAITING_MAX: Final = 1_000
"""Messages waiting for a slow reader before the connection is not read: few, since a pause of the
replay comes behind them."""

RECEIVE_BYTES: Final = 128 << 10
"""Gathered by the kernel, for the same reason."""


class AsyncReplayStream(AsyncReading[ReplayMessage]):
    """Messages of a replay, in order, none twice.

    First comes a `ReplaySnapshot`, then `ReplayStep`s, and a `ReplayChanged` whenever somebody
    changed the replay or it ended. A jump is a snapshot with `is_jump`. After a lost connection it
    goes on where it was; what could not be made up for shows as a snapshot with `is_gap`. It stops
    when somebody deleted the replay, or took over a private one. Raises `NotFound` when the node
    does not know the replay (any more), `NodeUnreachable` when no node came back in time.
    """

    def __init__(
        self,
        url: str,
        replay_id: str,
        *,
        by_order: bool = False,
        is_awaited: bool = False,
        since: int | None = None,
        reconnects: RetryPolicy = RECONNECTS,
        credentials: Credentials | None = None,
    ) -> None:
        """
        Args:
            url: of the node, as a client's.
            by_order: snapshots hold every order.
            is_awaited: the replay's clock waits for this reader.
            since: go on after the message with this `seq` instead of a first snapshot.
        """
        follower = ReplayFollower(replay_id, by_order=by_order, is_awaited=is_awaited, since=since)
        super().__init__(
            url,
            follower,
            reconnects=reconnects,
            credentials=credentials,
            waiting_max=WAITING_MAX,
            receive_bytes=RECEIVE_BYTES if is_awaited else None,
        )


class ReplayStream(Reading[ReplayMessage]):
    """Messages of a replay: `AsyncReplayStream` as an ordinary iterator."""

    def __init__(
        self,
        url: str,
        replay_id: str,
        *,
        by_order: bool = False,
        is_awaited: bool = False,
        since: int | None = None,
        reconnects: RetryPolicy = RECONNECTS,
        credentials: Credentials | None = None,
    ) -> None:
        super().__init__(
            AsyncReplayStream(
                url,
                replay_id,
                by_order=by_order,
                is_awaited=is_awaited,
                since=since,
                reconnects=reconnects,
                credentials=credentials,
            )
        )
