"""A whole source in order: every frame with its hands, the two halves of the work on two threads."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from app.background import Ahead
from app.pipeline import Pipeline
from app.turns import quick_turns
from app.types import Frame, Hand, Intrinsics


def walk(pipeline: Pipeline, frames: Iterable[Frame],
         camera: Callable[[Frame], Intrinsics]) -> Iterator[tuple[Frame, list[Hand], Intrinsics]]:
    """Each frame with its hands and its `camera`, as `Pipeline.process` would give them, while the network already looks at the next ones.

    The looking thread also takes the frames from where they come; what that raises is raised here. Close the generator when it is left
    before its end (`contextlib.closing`): that ends the thread. The caller ends each frame of the pipeline's clock.
    """
    quick_turns()
    with Ahead(map(pipeline.look, frames)) as looked:
        for one in looked:
            intrinsics = camera(one.frame)
            yield one.frame, pipeline.place(one, intrinsics), intrinsics
