"""A replay from the request for it on: indexed, played, or failed."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from tradepit.gateway.replaying.keeping import Kept
from tradepit.gateway.replaying.replay import Replay, clock_text
from tradepit.gateway.replaying.shapes import (
    Progress,
    ReplayBook,
    ReplayState,
    ReplayWish,
    speed_of,
    speed_text,
    word_of,
)
from tradepit.marketdata.replays.session import ReplayState as SessionState

MODES: Final = ("shared", "private")
STATES: Final = ("paused", "playing")


class Entry:
    """A replay, from the request for it on."""

    def __init__(self, id: str, wish: ReplayWish, owner: str | None) -> None:
        self.id = id
        self.wish = wish
        self.owner = owner
        """The account that made it; None for the operator and in open mode."""
        self.speed = speed_of(wish.speed)
        self.loop = wish.loop
        self.mode = word_of(wish.mode, MODES, "mode")
        self.state = word_of(wish.state, STATES, "state")
        """What it is to do once it is indexed."""
        self.replay: Replay | None = None
        self.progress = Progress(done_bytes=0, all_bytes=0)
        self.problem: str | None = None
        self.position = self.seq = 0
        """Where it begins."""
        self.touched_s = time.monotonic()
        self.is_cancelled = False

    @property
    def is_failed(self) -> bool:
        return self.replay is None and self.problem is not None

    def kept(self) -> Kept:
        """What it takes to go on in another process."""
        replay = self.replay
        if replay is not None:
            self.position, self.seq = replay.session.position, replay.seq
            is_playing = replay.session.state is SessionState.PLAYING
            self.state = "playing" if is_playing else "paused"
        wish = ReplayWish(
            source=self.wish.source,
            speed=speed_text(self.speed),
            mode=self.mode,
            loop=self.loop,
            state=self.state,
        )
        return Kept(id=self.id, wish=wish, owner=self.owner, position=self.position, seq=self.seq)

    def described(self, steps: list[bytes] | None = None) -> ReplayState:
        """The replay as it stands."""
        replay = self.replay
        if replay is None:
            return ReplayState(
                id=self.id,
                source=self.wish.source,
                mode=self.mode,
                state="failed" if self.is_failed else "indexing",
                speed=speed_text(self.speed),
                loop=self.loop,
                seq=0,
                readers=0,
                position=0,
                messages=0,
                progress=self.progress,
                problem=self.problem,
            )
        session, about = replay.session, replay.index.description
        return ReplayState(
            id=self.id,
            source=self.wish.source,
            mode=self.mode,
            state=session.state.value,
            speed=speed_text(session.speed),
            loop=session.loop,
            seq=replay.seq,
            readers=len(replay.readers),
            position=session.position,
            messages=session.count,
            time=clock_text(session.clock_ns),
            first_time=clock_text(about.first_ns),
            last_time=clock_text(about.last_ns),
            format=about.format,
            dataset=about.dataset,
            books=[
                ReplayBook(
                    instrument_id=instrument,
                    publisher_id=publisher,
                    instrument=replay.names.get(instrument),
                )
                for publisher, instrument in replay.book_keys()
            ],
            problem=about.problem,
            steps=None if steps is None else [msgspec.Raw(line) for line in steps],
        )
