"""What the live pipeline tells whoever listens. Listeners are called on the pipeline's threads, must return at once, and never raise."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.live.shown import SourceInfo

FEW = 3  # warnings that a person is told at once


@dataclass(frozen=True)
class Event:
    """Something happened."""


@dataclass(frozen=True)
class PictureReady(Event):
    """`Engine.take()` has a new picture. Sent once until it was taken."""


@dataclass(frozen=True)
class SourceOpening(Event):
    spec: str


@dataclass(frozen=True)
class SourceOpened(Event):
    info: SourceInfo


@dataclass(frozen=True)
class SourceFailed(Event):
    """It could not be opened; what ran before runs on."""

    spec: str
    sentence: str  # what happened and what to do


@dataclass(frozen=True)
class SourceLost(Event):
    """A camera stopped giving pictures; the pipeline waits for it and tries again by itself."""

    sentence: str


@dataclass(frozen=True)
class SourceBack(Event):
    info: SourceInfo


@dataclass(frozen=True)
class SourceEnded(Event):
    """A file was played to its end and is not looped; the last frame stays."""

    warnings: tuple[str, ...] = ()  # what of it could not be read

    @property
    def sentence(self) -> str:
        """The warnings for a person, the first few of many; '' if there are none."""
        text = '; '.join(self.warnings[:FEW])
        if len(self.warnings) > FEW:
            text += f'; and {len(self.warnings) - FEW} more like that'
        if text.partition(' ')[0].isalpha():  # not the name of a file
            text = text[0].upper() + text[1:]
        return f'{text.rstrip(".")}.' if text else ''


@dataclass(frozen=True)
class PlayStateChanged(Event):
    playing: bool
    loop: bool


@dataclass(frozen=True)
class ModelLoading(Event):
    what: str  # 'loading the network', 'building the TensorRT engine', ...


@dataclass(frozen=True)
class ModelReady(Event):
    name: str  # of the network
    asked: str  # provider asked for: auto, tensorrt, cuda, cpu
    provider: str  # the one that really runs: Tensorrt, CUDA, CPU
    note: str = ''  # a sentence when it is not the one asked for, and why


@dataclass(frozen=True)
class ModelFailed(Event):
    """The new network could not be used; the old one, if any, runs on."""

    sentence: str


@dataclass(frozen=True)
class DrawingChanged(Event):
    """OpenGL could not be used, so hands are drawn by the processor."""

    sentence: str


@dataclass(frozen=True)
class RecordingStarted(Event):
    folder: Path


@dataclass(frozen=True)
class RecordingStopped(Event):
    folder: Path
    files: tuple[str, ...]  # names in the folder
    seconds: float
    sentence: str = ''  # why it stopped by itself, and what to do; empty when a person stopped it


@dataclass(frozen=True)
class SnapshotSaved(Event):
    folder: Path
    files: tuple[str, ...]


@dataclass(frozen=True)
class Problem(Event):
    """Something a person should know; everything else runs on."""

    sentence: str
