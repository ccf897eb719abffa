"""A replay of a node as the clock of a recorded flow: whoever pauses it pauses the flow.

The flow makes a replay of its own, or follows somebody else's. When messages were lost (the node
was restarted and its replays stand where they were kept), one of its own is sent back to where the
flow is; with somebody else's the flow goes to where that is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from tradepit.client import (
    AsyncClient,
    AsyncReplayStream,
    ClientError,
    NodeUnreachable,
    Replay,
    ReplayMessage,
    ReplayPlace,
    ReplaySnapshot,
)
from tradepit.client.errors import NotFound
from tradepit.client.replays import Speed
from tradepit.flow.market_port import MarketUnavailable
from tradepit.flow.recorded_source import Happening, Lull
from tradepit.flow.replayed_events import ReplayedEvents

LEAD_MESSAGES: Final = 2_000
"""Of one step of the lead-in: less than may wait for a reader."""

LOOK_SECONDS: Final = 0.1
"""Between two looks how far the index is."""

DELETE_SECONDS: Final = 2.0
"""A node that is going away forgets its replays anyway."""


class ReplaySource:
    """One replay; `happenings` plays it."""

    def __init__(
        self, client: AsyncClient, *, tell: Callable[[Replay], None] = lambda _replay: None
    ) -> None:
        """
        Args:
            tell: hears of each replay that is followed, when it is ready.
        """
        self._client = client
        self._tell = tell
        self._is_own = False
        self._lead_to = 0
        self._led = 0
        self._is_led = True
        self._is_returning = False
        self._stream: AsyncReplayStream | None = None
        self._events: ReplayedEvents | None = None
        self._replay: Replay | None = None

    @property
    def position(self) -> int:
        """Messages of the recording taken."""
        return 0 if self._events is None else self._events.position

    async def make(self, file: str, *, speed: Speed, lead_to: int) -> Replay:
        """Make a replay of a file; it stands at the start until `happenings` begins.

        Args:
            file: absolute path, which the node must see too.
            lead_to: messages that are played without pauses at first.
        """
        self._is_own, self._lead_to, self._is_led = True, lead_to, False
        try:
            return await self._ready(await self._client.create_replay(file, speed=speed))
        except NotFound as error:
            raise MarketUnavailable(
                f"the node does not see {file} ({error.problem.detail or error.code}): "
                "a recording is replayed where the node runs"
            ) from error

    async def join(self, replay_id: str) -> Replay:
        """Follow a replay that is there."""
        try:
            return await self._ready(await self._client.replay(replay_id))
        except NotFound as error:
            raise MarketUnavailable(f"the node has no replay {replay_id}") from error

    async def _ready(self, replay: Replay) -> Replay:
        """Wait for the index of a replay."""
        self._replay = replay
        while replay.state == "indexing":
            await asyncio.sleep(LOOK_SECONDS)
            replay = await self._client.replay(replay.id)
        if replay.state == "failed":
            raise MarketUnavailable(f"the node cannot replay it: {replay.problem}")
        self._replay = replay
        self._tell(replay)
        return replay

    async def happenings(self, instrument_id: int) -> AsyncIterator[Happening]:
        """What happens in one instrument, until the recording ends or `stop` is called.

        It ends early, too, when somebody deletes the replay.
        """
        assert self._replay is not None
        self._events = events = ReplayedEvents(instrument_id)
        self._stream = self._client.follow_replay(self._replay.id, by_order=True, is_awaited=True)
        async with self._stream as stream:
            is_lull = True
            while not events.is_ended:
                message = stream.take_ready()
                if message is None:
                    if not is_lull:
                        yield Lull()
                        is_lull = True
                    message = await anext(stream, None)
                if message is None:
                    return
                if await self._is_away(message, events):
                    continue
                for happening in events.take(message):
                    yield happening
                    is_lull = False
                await self._lead(events)

    async def _is_away(self, message: ReplayMessage, events: ReplayedEvents) -> bool:
        """Whether a replay of our own stands elsewhere than the flow, since messages were lost;
        then it is sent back, and what comes meanwhile is not played."""
        if not isinstance(message, ReplaySnapshot):
            return self._is_returning
        is_here = message.replay.position == events.position
        if self._is_returning:
            self._is_returning = not (message.is_jump and is_here)
        elif message.is_gap and not is_here and self._is_own:
            self._is_returning = True
            was = None if events.replay is None else events.replay.state
            await self._change(
                seek=ReplayPlace(number=events.position),
                state="playing" if was == "playing" else "paused",
            )
            self._led = events.position
        return self._is_returning

    async def _lead(self, events: ReplayedEvents) -> None:
        """Step through the lead-in, as fast as it is played; then let the clock run."""
        while not self._is_led and events.position + LEAD_MESSAGES // 2 >= self._led:
            self._is_led = self._led >= self._lead_to
            if self._is_led:
                await self._change(state="playing")
                return
            step = min(LEAD_MESSAGES, self._lead_to - self._led)
            replay = await self._change(step=step)
            self._led = replay.position
            self._is_led = replay.state == "ended"  # playing would begin anew

    async def _change(
        self,
        *,
        seek: ReplayPlace | None = None,
        step: int | None = None,
        state: str | None = None,
    ) -> Replay:
        assert self._replay is not None
        id = self._replay.id
        try:
            return await self._client.change_replay(id, seek=seek, step=step, state=state)
        except NodeUnreachable:
            return await self._client.replay(id)

    async def stop(self) -> None:
        """End `happenings` before the recording ends."""
        if self._stream is not None:
            await self._stream.close()

    async def close(self) -> None:
        """Delete the replay, if it was made here."""
        if self._is_own and self._replay is not None:
            with contextlib.suppress(ClientError, TimeoutError):
                async with asyncio.timeout(DELETE_SECONDS):
                    await self._client.delete_replay(self._replay.id)
