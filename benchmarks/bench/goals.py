"""What the figures should be, and what they are."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.bench.network import SKINNED

if TYPE_CHECKING:
    from benchmarks.bench.command import Result

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

    @property
    def reached(self) -> bool:
        return self.is_ >= self.wanted if self.at_least else self.is_ <= self.wanted


def goals_of(result: Result) -> list[Goal]:
    """Those for which this result has a figure; where there are several ways to run, the best counts. On a busy machine what costs are
    compared by is processor time; frames per second stay what they are."""
    goals, of = [], 'processor time' if result.machine.busy else 'time'
    for what, kinds, wanted in (('mesh, frames per second of MediaPipe', ('mesh', 'halves'), MESH_FPS),
                                ('with overlay, frames per second of MediaPipe', ('overlay', 'overlapped'), OVERLAY_FPS)):
        figures = [one.fps_of_mediapipe for one in result.contenders if one.kind in kinds and one.hands == 1]
        if figures:
            goals.append(Goal(what, wanted, max(figures), True, 'x'))
    second = [(ratio.cpu if result.machine.busy else ratio.wall) for ratio in result.second_hand if ratio.kind in ('mesh', 'halves')]
    if second:
        goals.append(Goal(f'two hands, {of} of one', SECOND_HAND, min(second), False, 'x'))
    for ratio in result.network.of_b0:
        if ratio.provider == result.provider and ratio.part == SKINNED and ratio.threads in OF_B0:
            figure, at = ratio.cpu if result.machine.busy else ratio.wall, f'{ratio.threads} thread{"s" * (ratio.threads > 1)}'
            goals.append(Goal(f'{SKINNED}, {at}, {of} of b0', OF_B0[ratio.threads], figure, False, 'x'))
    goals += [Goal('first mesh of a new process', FIRST_MESH, start.first_ms, False, ' ms')
              for start in result.starts if start.kind == 'mesh']
    return goals
