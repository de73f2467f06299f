"""What the tests of the live pipeline share: ears, engines that must end, and the demo clip's frames."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from app.live.engine import Engine
from app.live.events import Event
from app.live.player import Player
from app.live.settings import LiveSettings
from app.live.shown import Shown
from app.sources import open_source
from app.types import Frame
from tests.app.live.watched import Watched as Played
from tests.app.made_clips import write_clip

PATIENCE = 60.0  # seconds; far more than anything takes, so that only what never happens fails


class Ears:
    """A listener that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def all(self, kind: type[Event]) -> list:
        """The events of a kind so far."""
        with self._changed:
            return [event for event in self.events if isinstance(event, kind)]

    def wait(self, kind: type[Event], count: int = 1, timeout: float = PATIENCE):
        """The `count`-th event of a kind; fails when it does not come."""
        with self._changed:
            came = self._changed.wait_for(lambda: sum(isinstance(e, kind) for e in self.events) >= count, timeout)
            assert came, f'{kind.__name__} number {count} did not come in {timeout:.0f} s; what came: {self.events[-8:]}'
            return [event for event in self.events if isinstance(event, kind)][count - 1]


class Watched:
    """A running engine, and what it said."""

    def __init__(self, **options):
        self.ears = Ears()
        self.engine = Engine(listener=self.ears, **options)
        self.engine.start()

    def prepared(self) -> Watched:
        """Wait until pictures come with hands."""
        self.until(lambda: self.engine.prepared, 'network and OpenGL are ready')
        return self

    def until(self, condition: Callable[[], object], what: str, timeout: float = PATIENCE):
        """Look again and again until something is true; what it then is."""
        end = time.monotonic() + timeout
        while not (result := condition()):
            assert time.monotonic() < end, f'in {timeout:.0f} s it never came true that {what}; heard: {self.ears.events[-8:]}'
            time.sleep(0.005)
        return result

    def picture(self, wanted: Callable[[Shown], object] = lambda shown: True, what: str = 'a picture comes') -> Shown:
        """The first picture from now on that is wanted; all are painted."""
        def look() -> Shown | None:
            shown = self.engine.take()
            if shown is not None:
                self.engine.painted(shown)
            return shown if shown is not None and wanted(shown) else None

        return self.until(look, what)


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """A test that leaves a thread running fails."""
    before = set(threading.enumerate())
    yield
    end = time.monotonic() + 5
    while (left := {t for t in threading.enumerate() if t not in before and t.is_alive()}) and time.monotonic() < end:
        time.sleep(0.02)
    assert not left, f'threads are left: {sorted(t.name for t in left)}'


@pytest.fixture
def start() -> Iterator[Callable[..., Watched]]:
    """`start(settings=..., player=...)` starts an engine; all are closed at the end, and must end in time."""
    running: list[Watched] = []

    def begin(**options) -> Watched:
        running.append(Watched(**options))
        return running[-1]

    yield begin
    for watched in running:
        assert watched.engine.close(10.0), f'these threads did not end: {watched.engine.still_running}'


@pytest.fixture(scope='session')
def demo_frames(demo_clip) -> list[Frame]:
    """The first 45 frames of the bundled clip: one hand, always in view."""
    with open_source(demo_clip, stop=45) as source:
        return list(source)


@pytest.fixture
def one_hand() -> LiveSettings:
    """Settings for the demo clip, on what every machine has."""
    return LiveSettings(provider='cpu', hands=1)


@pytest.fixture
def numbered_clip(tmp_path):
    """Fifty frames whose grey tells their number."""
    return write_clip(tmp_path / 'numbered.mp4', 50)


@pytest.fixture
def out() -> Played:
    """Where a player plays into."""
    return Played()


@pytest.fixture
def player(out) -> Iterator[Player]:
    """A player that must end."""
    player = Player(out, out.hear)
    yield player
    assert player.close(PATIENCE), 'a thread of the player did not end'
