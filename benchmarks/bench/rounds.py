"""All contenders in turn, round after round, and what comes of it. Ratios are medians of the rounds' ratios, so that a machine that is
faster or slower for a while moves them little."""
from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from app.pipeline import Pipeline, PipelineSettings
from app.reconstruct_settings import ReconstructSettings
from app.regression import Provider
from benchmarks.bench.clip import Clip, as_file
from benchmarks.bench.contenders import Command, Contender, Halves, MediaPipe, Mesh, Overlapped, Play, WithOverlay, both_clocks

SURE = 0.9  # share of the frames in which all hands must be found for a figure to count


@dataclass(frozen=True)
class Stage:
    """One stage of a frame, in milliseconds."""

    name: str
    p50: float
    p95: float
    cpu: float  # processor time of all threads, mean over all frames, so that the stages add up
    share: float  # of the frames in which it ran


@dataclass(frozen=True)
class Figures:
    """One contender over all rounds."""

    kind: str
    hands: int
    pictures: str  # what they show
    threads: int | None  # of the network
    fps: float  # median of the rounds
    fps_rounds: tuple[float, ...]
    fps_first: float  # of the first play, in which shape and texture are learned (`mesh` does it for all) and everything is slow once
    p50: float  # milliseconds from one finished frame to the next
    p95: float
    cpu_ms: float  # processor time a frame, all threads; median of the rounds
    cpu_ms_rounds: tuple[float, ...]
    fps_of_mediapipe: float  # times as many frames per second as MediaPipe
    cpu_of_mediapipe: float  # times its processor time
    found: float  # share of the frames in which all hands were found
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class SecondHand:
    """What two hands cost in times of one hand in the same pictures."""

    kind: str
    threads: int | None
    wall: float
    cpu: float


def play_in_turn(clips: list[Clip], threads: list[int], provider: Provider, weights: Path | None, rounds: int,
                 commands: bool, tell: Callable[[str], None]) -> tuple[list[Figures], list[SecondHand]]:
    """All contenders on each clip, the video command with its files among them if asked for `commands`. `tell` hears who plays."""
    with ExitStack() as open_ones, both_clocks():
        contenders, folder = [], Path(open_ones.enter_context(TemporaryDirectory()))
        for number, clip in enumerate(clips):
            contenders.append(MediaPipe(clip))
            open_ones.callback(contenders[-1].close)
            for count in threads:
                tell('loading')
                settings = PipelineSettings(mode='video', hands=clip.hands, threads=count, provider=provider, weights=weights)
                pipeline = open_ones.enter_context(Pipeline(settings))
                contenders += [kind(clip, pipeline) for kind in (Mesh, Halves, WithOverlay, Overlapped)]
            if commands:
                settings = ReconstructSettings(threads=threads[-1], provider=provider, weights=weights)
                filed = as_file(clip, folder / f'{number}.mp4')
                contenders.append(Command(filed, 'fast', replace(settings, consistent=False, write=('overlay',))))
                if number == 0 and clip.hands == 1:
                    contenders.append(Command(filed, 'consistent', replace(settings, consistent=True)))
        plays: dict[Contender, list[Play]] = {contender: [] for contender in contenders}
        for number in range(rounds + 1):
            for contender in contenders:
                tell(f'{"first play" if number == 0 else f"round {number} of {rounds}"}: {contender.key}')
                if number == 1 and isinstance(contender, Mesh):
                    contender.stages.clear()
                plays[contender].append(contender.play())
    peers = {seen_by(contender): plays[contender] for contender in contenders if isinstance(contender, MediaPipe)}
    return [figures(contender, plays[contender], peers[seen_by(contender)]) for contender in contenders], second_hands(plays)


def seen_by(contender: Contender) -> tuple[int, str]:
    """How many hands are looked for, and in what."""
    return contender.clip.hands, contender.clip.shown


def figures(contender: Contender, plays: list[Play], peers: list[Play]) -> Figures:
    """What a contender took. `plays` and MediaPipe's `peers` begin with the first play, which counts only as such."""
    first, *plays = plays
    peers = peers[1:]
    between = np.concatenate([play.frame_ms for play in plays])
    fps, cpu = [play.fps for play in plays], [play.cpu_ms for play in plays]
    return Figures(
        contender.kind, *seen_by(contender), contender.threads, float(np.median(fps)), tuple(fps), first.fps,
        *(float(np.percentile(between, q)) if len(between) else np.nan for q in (50, 95)), float(np.median(cpu)), tuple(cpu),
        float(np.median([play.fps / peer.fps for play, peer in zip(plays, peers)])),
        float(np.median([play.cpu_ms / peer.cpu_ms for play, peer in zip(plays, peers)])),
        float(np.mean([play.full / play.frames for play in plays])), stages_of(getattr(contender, 'stages', [])))


def stages_of(frames: list[dict[str, np.ndarray]]) -> tuple[Stage, ...]:
    """Each frame's stages, (2,) milliseconds of wall clock and processor time -> figures of each stage."""
    stages = []
    for name in dict.fromkeys(name for frame in frames for name in frame):
        both = np.array([frame[name] for frame in frames if name in frame])
        stages.append(Stage(name, *(float(np.percentile(both[:, 0], q)) for q in (50, 95)), float(both[:, 1].sum() / len(frames)),
                            len(both) / len(frames)))
    return tuple(stages)


def second_hands(plays: dict[Contender, list[Play]]) -> list[SecondHand]:
    """Two hands beside one in the same pictures, for each contender that did both."""
    ratios = []
    for one, its in plays.items():
        for two, theirs in plays.items():
            if (one.kind, one.threads, *seen_by(one)) == (two.kind, two.threads, 1, two.clip.shown) and two.clip.hands == 2:
                pairs = list(zip(its, theirs))[1:]
                ratios.append(SecondHand(one.kind, one.threads, float(np.median([a.fps / b.fps for a, b in pairs])),
                                         float(np.median([b.cpu_ms / a.cpu_ms for a, b in pairs]))))
    return ratios
