"""A listener and a place for frames that keep all they get, and wait for what a test expects."""
from __future__ import annotations

import threading
from collections.abc import Callable

from app.live.events import Event
from app.live.newest import Newest
from app.live.player import Player
from app.live.shown import Captured
from tests.app.made_clips import number_of

PATIENCE = 30.0  # seconds for what takes a fraction of one on a machine that has nothing else to do


class Watched(Newest[Captured]):
    """Keeps all that is put; waits for what a test expects."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Captured] = []
        self.events: list[Event] = []
        self.news = threading.Condition()

    def put(self, item: Captured) -> None:
        super().put(item)
        with self.news:
            self.all.append(item)
            self.news.notify_all()

    def hear(self, event: Event) -> None:
        with self.news:
            self.events.append(event)
            self.news.notify_all()

    def told(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    def wait(self, what: Callable[[], bool], seconds: float = PATIENCE) -> None:
        with self.news:
            assert self.news.wait_for(what, seconds), f'did not happen in {seconds} s; {self.numbers} frames, {self.events}'

    def wait_for(self, kind: type, count: int = 1, seconds: float = PATIENCE) -> Event:
        self.wait(lambda: len(self.told(kind)) >= count, seconds)
        return self.told(kind)[count - 1]

    @property
    def numbers(self) -> list[int]:
        return [captured.frame.index for captured in self.all]


def still(player: Player, out: Watched, index: int) -> None:
    """Wait until the frame `index` is given out as a still."""
    out.wait(lambda: bool(out.all) and out.all[-1].frame.index == index and out.all[-1].paused)
    last = out.all[-1]
    assert number_of(last.frame.image) == index == player.position().index, 'the picture is the one that was asked for'
