"""What the figures should be, and what they are."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.bench.network import SKINNED

if TYPE_CHECKING:
    from benchmarks.bench.command import Result
    from benchmarks.bench.rounds import Figures, SecondHand

MESH, DRAWN, WHOLE = ('mesh', 'halves'), ('overlay', 'overlapped'), ('fast',)  # kinds of contenders
WAYS = {'mesh': 'one thread', 'halves': 'two threads', 'overlay': 'one thread', 'overlapped': 'three threads'}
MESH_FPS, OVERLAY_FPS = 1.2, 0.8  # times MediaPipe's, one hand
SECOND_HAND = 1.5  # times the cost of one hand
OF_B0 = {1: 4.0 / 5.8, 2: 2.3 / 3.3}  # threads -> network + skinning in times of EfficientNet-b0's in ONNX Runtime
FIRST_MESH = 1500.0  # milliseconds from the start of a process


@dataclass(frozen=True)
class Goal:
    """One of them."""

    what: str
    wanted: float
    is_: float
    at_least: bool
    unit: str
    way: str = ''  # of running, which reached it; '' where there is only one

    @property
    def reached(self) -> bool:
        return self.is_ >= self.wanted if self.at_least else self.is_ <= self.wanted


def goals_of(result: Result) -> list[Goal]:
    """Those for which this result has a figure; where there are several ways to run, the best counts, and is named. On a busy machine what
    costs are compared by is processor time; frames per second stay what they are."""
    goals, busy = [], result.machine.busy
    of = 'processor time' if busy else 'time'
    for what, kinds, wanted in (('mesh, frames per second of MediaPipe', MESH, MESH_FPS),
                                ('with overlay, frames per second of MediaPipe', DRAWN, OVERLAY_FPS)):
        figures = [one for one in result.contenders if one.kind in kinds and one.hands == 1]
        if figures:
            best = max(figures, key=lambda one: one.fps_of_mediapipe)
            goals.append(Goal(what, wanted, best.fps_of_mediapipe, True, 'x', way_of(best)))
    for what, kinds in (('mesh', MESH), ('with overlay', DRAWN), ('reconstruct --fast', WHOLE)):
        ratios = {ratio: ratio.cpu if busy else ratio.wall for ratio in result.second_hand if ratio.kind in kinds}
        if ratios:
            best = min(ratios, key=ratios.get)
            goals.append(Goal(f'two hands, {of} of one, {what}', SECOND_HAND, ratios[best], False, 'x', way_of(best)))
    for ratio in result.network.of_b0:
        if ratio.provider == result.provider and ratio.part == SKINNED and ratio.threads in OF_B0:
            figure, at = ratio.cpu if busy else ratio.wall, f'{ratio.threads} thread{"s" * (ratio.threads > 1)}'
            goals.append(Goal(f'{SKINNED}, {at}, {of} of b0', OF_B0[ratio.threads], figure, False, 'x'))
    goals += [Goal('first mesh of a new process', FIRST_MESH, start.first_ms, False, ' ms')
              for start in result.starts if start.kind == 'mesh']
    return goals


def way_of(one: Figures | SecondHand) -> str:
    """On how many threads, and on how many of them the network's convolutions."""
    return ', '.join(filter(None, (WAYS.get(one.kind), one.threads and f'network on {one.threads}')))
