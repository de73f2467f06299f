"""Batches for training on clips: stills as ever, and beside them windows of clips and groups of stills that show one person.

A row that belongs to a window or group has its number of frames as `window`, others 0; frames of one stand side by side, in order. Groups
of stills, and of frames from anywhere in a person's clips, have no `time` (NaN): they share a shape, and have no motion. Rows with the same
number >= 0 as `picture` are crops of one picture: other cuts of a photograph, or a frame of a clip as it is drawn each time.
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

    def __init__(self, stills: Kept, persons: np.ndarray, pictures: np.ndarray, clips: Kept | None, moving: np.ndarray, windows: np.ndarray,
                 video: Video, seed: int) -> None:
        """`persons` (n,): whom a still shows, '' if unknown; `pictures` (n,): the picture that a still is cut from, -1 if it is the only
        one; `moving`: whom a row of `clips` shows; `windows` (D, W, T): rows of `clips`, for each draw of them."""
        self.stills, self.clips, self.windows, self.video, self.seed = stills, clips, windows, video, seed
        self.people = [group for group in groups_of(persons) if video.shown <= len(group) <= video.largest]
        self.moving = [group for group in groups_of(moving) if video.shown <= len(group)]
        self.pictures, by_picture = pictures, np.argsort(pictures, kind='stable')
        _, first, many = np.unique(pictures[by_picture], return_index=True, return_counts=True)
        self.views = [by_picture[a:a + n] for a, n in zip(first, many) if n > 1 and pictures[by_picture[a]] >= 0]

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
        video = self.video
        if self.views and video.views:
            chosen = random.integers(0, len(self.views), video.views)
            indices = np.concatenate([indices, *(random.choice(self.views[k], 2, replace=False) for k in chosen)])
        alone = len(indices)
        if self.people and video.people:
            chosen = random.integers(0, len(self.people), video.people)
            groups = [random.choice(self.people[k], video.shown, replace=False) for k in chosen]
            indices = np.concatenate([indices, *groups])
        batch = self.stills.batch(indices)
        extra = {'window': torch.tensor([0] * alone + [video.shown] * (len(indices) - alone)), 'time': torch.full((len(indices),), np.nan),
                 'turn': torch.eye(3).repeat(len(indices), 1, 1), 'cut': torch.eye(2, 3).repeat(len(indices), 1, 1),
                 'camera': torch.ones(len(indices), 4), 'wrist': torch.zeros(len(indices), 3),
                 'picture': torch.from_numpy(self.pictures[indices])}
        batch |= {key: value for key, value in extra.items() if key not in batch}
        if self.moving and video.apart:
            chosen = random.integers(0, len(self.moving), video.apart)
            frames = self.clips.batch(np.concatenate([random.choice(self.moving[k], video.shown, replace=False) for k in chosen]))
            frames['window'] = torch.full_like(frames['time'], video.shown, dtype=torch.int64)
            frames['time'] = torch.full_like(frames['time'], np.nan)
            frames['picture'] = torch.full_like(frames['window'], -1)
            batch = {key: torch.cat([value, frames[key]]) for key, value in batch.items()}
        draws, many, length = self.windows.shape
        if self.clips is None or not many or not video.windows:
            return batch
        together = min(2, draws, video.windows)
        chosen = random.integers(0, many, video.windows // together)
        drawn = random.permuted(np.tile(np.arange(draws), (len(chosen), 1)), axis=1)[:, :together]
        rows = self.windows[drawn, chosen[:, None]]  # (C, 2, T): a window is there as two draws of it
        frames = self.clips.batch(rows.ravel())
        frames['window'] = torch.full((rows.size,), length)
        named = np.arange(len(chosen) * length).reshape(-1, 1, length) + self.pictures.max() + 1
        frames['picture'] = torch.from_numpy(np.broadcast_to(named, rows.shape).ravel() if together > 1 else np.full(rows.size, -1))
        return {key: torch.cat([value, frames[key]]) for key, value in batch.items()}


def groups_of(names: np.ndarray) -> list[np.ndarray]:
    """The rows of each name in names (n,) but ''."""
    known, of = np.unique(names, return_inverse=True)
    return [np.flatnonzero(of == k) for k, name in enumerate(known) if name]


def rows_of_windows(clips: list[ClipFrames], draws: int, video: Video) -> np.ndarray:
    """(D, W, T) numbers of crops (`ClipCrops`) that are windows, of all draws and clips."""
    starts = np.cumsum([0] + [len(clip) for clip in clips])
    found = [windows_of(clip.time, video.length, video.stride, video.rate) + start for clip, start in zip(clips, starts)]
    windows = np.concatenate(found)
    return np.stack([windows + draw * starts[-1] for draw in range(draws)])


def chosen_stills(kept: Kept, real: int, pictures: int, most: int) -> Chosen:
    """At most so many of what is kept, evenly: half of the first `real` ones, which are photographs, half of the others, which are
    rendered; more of one kind where the other has fewer. Of photographs, crops of the same `pictures` over and over, all crops of some are
    chosen: they belong together."""
    def even(start: int, stop: int, count: int) -> np.ndarray:
        return np.unique(np.linspace(start, stop - 1, count).astype(int)) if count > 0 else np.zeros(0, int)

    rendered = len(kept) - real
    first = min(real, max(most // 2, most - rendered))
    crops = np.arange(real).reshape(-1, max(pictures, 1)) if real else np.zeros((1, 0), int)  # (crops of a picture, pictures)
    chosen = crops[:, even(0, crops.shape[1], min(first // len(crops), crops.shape[1]))].ravel()
    return Chosen(kept, np.concatenate([chosen, even(real, len(kept), min(rendered, most - len(chosen)))]))
