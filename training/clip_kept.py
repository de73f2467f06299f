"""Frozen blocks of clips' crops worked out once, and of all that is kept, the pooled features with the map that the heads look at."""
from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from app.outputs.atomic import whole_file
from models.encoder import Encoder
from training.clip_crops import ClipCrops
from training.kept import Kept, feed, has_bfloat16, kept_at

BATCH = 64


def keep_clips(crops: ClipCrops, encoder: Encoder, blocks: int, folder: Path, workers: int) -> Kept:
    """The answers of the encoder's first `blocks` blocks for all crops, from `folder` if they are there."""
    digest = hashlib.sha256(f'{blocks} {crops.draws} {crops.seed} {crops.size} {crops.jitter} {crops.augment}'.encode())
    feed(digest, encoder.front_modules(blocks))
    for clip in crops.clips:
        digest.update(f'{clip.name} {len(clip)}'.encode())
        digest.update(np.float32([subject.points for subject in clip.subjects]).tobytes())
    return kept_at(folder / f'kept-clips-{digest.hexdigest()[:16]}.npy', crops, encoder, blocks, 'clips', workers, 0)


class Chosen(Kept):
    """Some of what is kept."""

    def __init__(self, kept: Kept, indices: np.ndarray) -> None:
        super().__init__(kept.answers, {key: value[indices] for key, value in kept.rows.items()})
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, indices: np.ndarray) -> dict[str, torch.Tensor]:
        """Chosen examples in the order that is asked for: `kept` float32 and the rows' arrays."""
        rows = {key: torch.from_numpy(value[indices]) for key, value in self.rows.items()}
        return {'kept': torch.from_numpy(np.asarray(self.answers[self.indices[indices]], np.float32)), **rows}


class Pooled(Kept):
    """What is kept after some blocks, with the rest of the encoder worked out too: batches hold the pooled features as `kept`, for a stage
    with all blocks frozen, and as `fine` the map that the heads look at, if what is kept is that map."""

    def __init__(self, kept: Chosen, pooled: np.ndarray, fine: bool) -> None:
        super().__init__(pooled, kept.rows)
        self.maps = kept if fine else None

    def batch(self, indices: np.ndarray) -> dict[str, torch.Tensor]:
        rows = {key: torch.from_numpy(value[indices]) for key, value in self.rows.items()}
        rows['kept'] = torch.from_numpy(np.asarray(self.answers[indices], np.float32))
        if self.maps is not None:
            rows['fine'] = torch.from_numpy(np.asarray(self.maps.answers[self.maps.indices[indices]], np.float32))
        return rows


@torch.inference_mode()
def pooled_of(kept: Chosen, encoder: Encoder, blocks: int, folder: Path, what: str, rough: bool = False) -> Pooled:
    """Pooled features of all that is kept after `blocks` blocks, from `folder` if they are there; `rough` as in `training.kept.keep`."""
    rough = rough and has_bfloat16(encoder)
    digest = hashlib.sha256(f'{blocks} {len(kept)} {rough}'.encode() + np.ascontiguousarray(kept.indices).tobytes())
    feed(digest, encoder)
    digest.update(np.float32(kept.rows['points']).tobytes())
    path = folder / f'pooled-{what}-{digest.hexdigest()[:16]}.npy'
    if not path.exists():
        device, was, parts = next(encoder.parameters()).device, encoder.training, []
        encoder.eval()
        for start in range(0, len(kept), BATCH):
            maps = kept.answers[kept.indices[start:start + BATCH]]
            x = torch.from_numpy(np.asarray(maps, np.float32)).to(device).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=rough):
                pooled = encoder.tail(x, blocks).pooled
            parts.append(pooled.float().cpu().numpy().astype(np.float16))
        encoder.train(was)
        with whole_file(path) as file:
            np.save(file, np.concatenate(parts))
    return Pooled(kept, np.load(path), blocks == encoder.fine_block + 1)
