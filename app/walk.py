"""A whole source in order: every frame with its hands, the two halves of the work on two threads."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from app.background import Ahead
from app.passing import Looked, Placed
from app.pipeline import Pipeline
from app.turns import quick_turns
from app.types import Frame, Hand, Intrinsics


def walk(pipeline: Pipeline, frames: Iterable[Frame],
         camera: Callable[[Frame], Intrinsics]) -> Iterator[tuple[Frame, list[Hand], Intrinsics]]:
    """Each frame with its hands and its `camera`, once the frame after it is fitted, while the network already looks at the next ones.

    The looking thread also takes the frames from where they come; what that raises is raised here. Close the generator when it is left
    before its end (`contextlib.closing`): that ends the thread. The caller ends each frame of the pipeline's clock.
    """
    quick_turns()
    with Ahead(map(pipeline.look, frames)) as looked:
        for placed in _settled(pipeline, looked, camera):
            yield placed.frame, placed.hands, placed.intrinsics


def _settled(pipeline: Pipeline, looked: Iterable[Looked], camera: Callable[[Frame], Intrinsics]) -> Iterator[Placed]:
    """Each frame that was looked at; the last one also where something is raised behind it."""
    try:
        for one in looked:
            yield from pipeline.settle(one, camera(one.frame))
    except Exception:
        yield from pipeline.flush()
        raise
    yield from pipeline.flush()
