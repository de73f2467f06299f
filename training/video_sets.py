"""What a stage that learns from clips goes through: kept answers of stills and clips."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.errors import InputError
from models.s2hand import S2Hand
from training.batches import KeptBatches
from training.clip_crops import ClipCrops
from training.clip_kept import Chosen, keep_clips, pooled_of
from training.clip_sets import ClipFrames, read_clips
from training.config import Config, Stage
from training.crops import Crops
from training.kept import Kept, keep
from training.video_batches import VideoBatches, chosen_stills, rows_of_windows
from training.video_first import first_answers, look
from training.video_shape import settled_shape

if TYPE_CHECKING:
    from training.train import Sets


def learns_from_clips(stage: Stage) -> bool:
    """Whether any term of clips counts in a stage."""
    return any(asdict(stage.video).values())


def clips_of(config: Config, network: S2Hand, folder: Path, say: Callable[[str], None]) -> list[ClipFrames]:
    """The clips of a run, read before anything that takes long; none where no stage learns from them. Raises InputError."""
    learning = any(learns_from_clips(stage) for stage in config.stages)
    if config.video.texture.steps and not config.video.clips:
        raise InputError('video.texture.steps needs clips; name their folders in video.clips')
    if not config.video.clips or not (learning or config.video.texture.steps):
        return []
    places = [Path(place) for place in config.video.clips]
    clips = read_clips(places, network.hand, network.size, config.data.fit_steps, folder / 'fits-clips.npz', say)
    windows = rows_of_windows(clips, 1, config.video).shape[1]
    if not windows:
        raise InputError(f'no clip has {config.video.length} frames in a row; label longer ones, or make video.length smaller')
    say(f'{len(clips)} clips of {len({clip.person for clip in clips})} people, {sum(map(len, clips))} frames, {windows} windows of '
        f'{config.video.length}')
    return clips


def video_batches(sets: Sets, crops: Crops, stage: Stage, blocks: int, what: str, folder: Path) -> VideoBatches | KeptBatches:
    """A stage's way to stills and clips; of validation, to stills alone. `blocks` of the encoder are frozen. Raises InputError."""
    config, encoder, video = sets.config, sets.network.encoder, sets.config.video
    if not stage.keep or not blocks:
        raise InputError(f'stage {stage.name}: terms of clips need kept answers; set keep = true and frozen_blocks')
    cut = encoder.fine_block + 1 if blocks == encoder.depth else blocks  # with all frozen, the map that the heads look at is kept too
    data, workers = config.data, config.data.workers
    draw, learning = (stage.draw, True) if crops.data else (0, False)
    kept = keep(crops, encoder, cut, folder, what, workers, draw, rough=learning)  # as other stages do, whose kept answers are found here

    def finished(chosen: Chosen, name: str) -> Kept:
        return pooled_of(chosen, encoder, cut, folder, name, learning) if blocks == encoder.depth else chosen

    if what != 'training':
        return KeptBatches(finished(Chosen(kept, np.arange(len(kept))), what))

    stills = chosen_stills(kept, crops.real, len(crops.pictures), video.stills)
    photographs = stills.indices < crops.real
    persons = np.array([crops.pictures[i % len(crops.pictures)].session if i < crops.real else '' for i in stills.indices])
    pictures = np.where(photographs, stills.indices % max(len(crops.pictures), 1), -1)
    frames = ClipCrops(sets.clips, sets.network.size, video.draws, config.seed, data.jitter, data.augment) if sets.clips else None
    clips = Chosen(keep_clips(frames, encoder, cut, folder, workers), np.arange(len(frames))) if frames else None
    moving = np.array([sets.clips[frames.place(index)[1]].person for index in range(len(frames))]) if frames else np.zeros(0, str)
    named, whose = shown_hands(persons, pictures, video.largest)
    parts = [(finished(stills, 'stills'), named, whose)]
    if clips:
        parts.append((finished(clips, 'clips'), np.arange(len(frames)) % len(frames.of_clip), moving))
    settle = video.settle if stage is config.stages[0] else 0.0
    if stage.video.first_fingers or stage.video.first_shape or settle:
        looks, names = [look(sets.first, answers, blocks) for answers, _, _ in parts], [shown for _, _, shown in parts]
        first = [first_answers(seen, pictured, shown) for seen, (_, pictured, shown) in zip(looks, parts)]
        if settle:
            exact = [answers.rows['exact'] > 0 for answers, _, _ in parts]
            shapes = settled_shape(sets.network, looks, names, exact, settle, config.seed)
            first = [row | {'first_shape': shape} for row, shape in zip(first, shapes)]
        for (answers, _, _), row in zip(parts, first):
            answers.rows = answers.rows | row
    windows = rows_of_windows(sets.clips, video.draws, video) if clips else np.zeros((1, 0, video.length), int)
    return VideoBatches(parts[0][0], persons, pictures, parts[1][0] if clips else None, moving, windows, video, config.seed)


def shown_hands(persons: np.ndarray, pictures: np.ndarray, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """Names (n,) of the picture and of the person that each still shows. A picture of number -1 is there once; a person without a name, or
    with more stills than `largest`, is whoever is in that picture."""
    named = np.array([f'picture {picture}' if picture >= 0 else f'still {number}' for number, picture in enumerate(pictures)])
    many = dict(zip(*np.unique(persons, return_counts=True)))
    return named, np.array([f'person {person}' if person and many[person] <= largest else name for person, name in zip(persons, named)])
