"""Batches for training on clips: stills as ever, and beside them windows of clips and groups of stills that show one person.

A row that belongs to a window or group has its number of frames as `window`, others 0; frames of one stand side by side, in order. Groups
of stills have no `time` (NaN): they share a shape, and have no motion.
"""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from training.batches import Batch
from training.clip_kept import Chosen
from training.clip_sets import ClipFrames, windows_of
from training.config import Video
from training.kept import Kept


class VideoBatches:
    """Batches of `stills`, whose indices an epoch goes through, with windows and groups drawn by (seed, epoch, place in the epoch)."""

    def __init__(self, stills: Kept, persons: np.ndarray, clips: Kept | None, windows: np.ndarray, video: Video, seed: int) -> None:
        """`persons` (n,): whom a still shows, '' if unknown; `windows` (W, T): rows of `clips`."""
        self.stills, self.clips, self.windows, self.video, self.seed = stills, clips, windows, video, seed
        names, of = np.unique(persons, return_inverse=True)
        groups = [np.flatnonzero(of == k) for k, name in enumerate(names) if name]
        self.people = [group for group in groups if video.shown <= len(group) <= video.largest]

    def __len__(self) -> int:
        return len(self.stills)

    def name(self, index: int) -> str:
        return f'kept crop {index}'

    def epoch(self, epoch: int, parts: list[np.ndarray]) -> Iterator[Batch]:
        """One batch for each part."""
        for part in parts:
            random = np.random.default_rng((self.seed, epoch, *np.sort(part)[:2].tolist()))
            yield self.batch(np.sort(part), random)

    def batch(self, indices: np.ndarray, random: np.random.Generator) -> Batch:
        video, count = self.video, len(indices)
        if self.people and video.people:
            chosen = random.integers(0, len(self.people), video.people)
            groups = [random.choice(self.people[k], video.shown, replace=False) for k in chosen]
            indices = np.concatenate([indices, *groups])
        batch = self.stills.batch(indices)
        extra = {'window': torch.tensor([0] * count + [video.shown] * (len(indices) - count)), 'time': torch.full((len(indices),), np.nan),
                 'turn': torch.eye(3).repeat(len(indices), 1, 1), 'cut': torch.eye(2, 3).repeat(len(indices), 1, 1),
                 'camera': torch.ones(len(indices), 4), 'wrist': torch.zeros(len(indices), 3)}
        batch |= {key: value for key, value in extra.items() if key not in batch}
        if self.clips is None or not len(self.windows) or not video.windows:
            return batch
        rows = self.windows[random.integers(0, len(self.windows), video.windows)]
        frames = self.clips.batch(rows.ravel())
        frames['window'] = torch.full((rows.size,), rows.shape[1])
        return {key: torch.cat([value, frames[key]]) for key, value in batch.items()}


def rows_of_windows(clips: list[ClipFrames], draws: int, video: Video) -> np.ndarray:
    """(W, T) numbers of crops (`ClipCrops`) that are windows, of all clips and draws."""
    starts = np.cumsum([0] + [len(clip) for clip in clips])
    found = [windows_of(clip.time, video.length, video.stride, video.rate) + start for clip, start in zip(clips, starts)]
    windows = np.concatenate(found)
    return np.concatenate([windows + draw * starts[-1] for draw in range(draws)])


def chosen_stills(kept: Kept, real: int, most: int) -> Chosen:
    """At most so many of what is kept, evenly: half of the first `real` ones, which are photographs, half of the others, which are
    rendered; more of one kind where the other has fewer."""
    def even(start: int, stop: int, count: int) -> np.ndarray:
        return np.unique(np.linspace(start, stop - 1, count).astype(int)) if count > 0 else np.zeros(0, int)

    rendered = len(kept) - real
    first = min(real, max(most // 2, most - rendered))
    return Chosen(kept, np.concatenate([even(0, real, first), even(real, len(kept), min(rendered, most - first))]))
