"""The texture and light head learns from clips that a hand's skin stays the same while light and view change.

The geometry is held, as in `training/texture.py`, whose terms for stills stay in. Beside them, for frames of a clip: albedos agree where
two frames see a vertex; a frame drawn with the shape of its clip's other frames and the albedo of one of them, under its own light,
explains its picture; rendered clips say the true albedo.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from app.errors import InputError
from models import light
from models.s2hand import S2Hand
from models.texture_head import Skin
from training.augment import Augment, Jitter
from training.clip_crops import ClipCrops
from training.clip_sets import ClipFrames, windows_of
from training.config import Config, VideoTexture
from training.crops import Place
from training.texture import TextureLoss, descend, hidden_parts
from training.texture_sight import Seen, look, views_of
from training.video_losses import cross_pixels, same_texture

EDGE_ON = 0.15  # cosine of the view below which a vertex is not well seen


def look_at_clips(network: S2Hand, clips: list[ClipFrames], settings: VideoTexture, seed: int) -> tuple[Seen, np.ndarray]:
    """What the head sees in frames of clips, at most `settings.frames` in all, and windows of its rows (W, `settings.length`).

    Frames of a window lie `settings.apart` seconds apart: a hand must have moved before its skin can look different.
    """
    crops = ClipCrops(clips, network.size, 1, seed, Jitter(0.0, (1.0, 1.0), 0.0, 0.0), Augment.none())
    starts = np.cumsum([0] + [len(clip) for clip in clips])
    found = [windows_of(clip.time, settings.length, max(1, settings.length // 2), 1 / settings.apart) + start
             for clip, start in zip(clips, starts)]
    windows = np.concatenate(found)
    if not len(windows):
        raise InputError(f'no clip has {settings.length} frames that lie {settings.apart} s apart; give longer clips, or a smaller `apart`')
    random = np.random.default_rng((seed, 5))
    most = max(1, settings.frames // settings.length)
    windows = windows[np.sort(random.permutation(len(windows))[:most])]
    chosen, rows = np.unique(windows, return_inverse=True)
    pictures = np.stack([crops[Place(0, int(index))][0].transpose(1, 2, 0) for index in chosen])
    n, count = len(chosen), len(network.hand.template)
    clip = np.array([crops.place(int(index))[1] for index in chosen])
    made = look(network, pictures, random)
    made = look(network, pictures, random, shape_of_others(made['shape'], clip))
    del made['points'], made['shape']
    albedo = np.zeros((n, count, 3), np.float16)
    known = np.zeros(n, bool)
    for k in range(n):
        truth = clips[clip[k]].albedo
        if truth is not None:
            albedo[k], known[k] = truth, True
    # `shows` says here whose true albedo is known: what it means for stills is not known of frames
    seen = Seen(**made, exact=np.zeros(n, bool), albedo=albedo, light=np.zeros((n, 11), np.float32),
                shows=np.repeat(known[:, None], count, 1), plain=np.zeros((n, count), bool))
    return seen, rows.reshape(windows.shape)


def shape_of_others(shape: np.ndarray, clip: np.ndarray) -> np.ndarray:
    """Shapes (n, S) of frames of the clips (n,) -> for each frame the mean of those of its clip's other frames; its own if it is alone."""
    of = clip[:, None] == clip[None]
    np.fill_diagonal(of, False)
    of[np.diag_indices(len(of))] = ~of.any(1)
    return (of @ shape / of.sum(1, keepdims=True)).astype(np.float32)


def clip_terms(skin: Skin, row: dict[str, Tensor], length: int, settings: VideoTexture) -> dict[str, Tensor]:
    """Weighted means over the windows of a batch, whose rows stand side by side, `length` for each."""
    def of(values: Tensor) -> Tensor:
        return values.unflatten(0, (-1, length))

    seen = row['visible'] * (row['facing'][:, 0] > EDGE_ON)
    shade = light.shading_rows(row['lit'].transpose(1, 2), skin.light)
    likely = torch.sigmoid(skin.meets.detach())[:, 0] * row['visible']
    likely = of(likely) * of(likely).roll(-1, 1)  # in the frame, and in the one whose skin is laid over it
    pixels = row['pixels'].transpose(1, 2) / 255
    cross = cross_pixels(of(skin.texture), of(shade), of(pixels), of(row['corners']), of(row['weights']), likely)
    known = row['shows'][:, 0]
    true = (skin.texture - row['albedo'].transpose(1, 2)).abs().mean((1, 2))
    return {'same_texture': settings.same * same_texture(of(skin.texture.transpose(1, 2)), of(seen)).mean(),
            'cross': settings.cross * cross.mean(), 'true_texture': settings.true * (true * known).mean()}


def train_clip_texture(network: S2Hand, stills: Seen, clips: Seen, windows: np.ndarray, config: Config, say: Callable[[str], None]) -> None:
    """Train the head in place. Raises InputError when a loss is no number, and names the step and term."""
    settings, loss, head = config.video.texture, TextureLoss(config.texture), network.texture_light_from_low
    torch.manual_seed(config.seed)
    random, device = np.random.default_rng((config.seed, 6)), head.albedo.device
    optimiser = torch.optim.AdamW(head.parameters(), settings.learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=settings.steps)
    template, length, sums = network.hand.template.cpu(), windows.shape[1], {}
    head.requires_grad_(True).train()
    for step in range(settings.steps):
        own = np.sort(random.choice(len(stills.exact), min(settings.stills, len(stills.exact)), replace=False))
        rows = windows[random.integers(0, len(windows), settings.windows)].ravel()
        terms: dict[str, Tensor] = {}
        for seen, chosen, of_clips in ((stills, own, False), (clips, rows, True)):
            row = {name: value.to(device) for name, value in seen.batch(chosen).items()}
            hide = hidden_parts(template, len(chosen)).to(device)
            skin = head.skin(row['low'], views_of(row), row['surroundings'], hide)
            made = loss(skin, row)
            made = made | clip_terms(skin, row, length, settings) if of_clips else made
            terms = {name: terms.get(name, 0.0) + value for name, value in made.items()}
        descend(terms, head, optimiser, schedule,
                f'in step {step + 1}, whose windows begin at the frames {rows[::length].tolist()} of the clips')
        for name, term in terms.items():
            sums[name] = sums.get(name, 0.0) + float(term.detach())
        if (step + 1) % settings.say_every == 0 or step + 1 == settings.steps:
            shown = (step % settings.say_every) + 1
            say(f'texture of clips {step + 1}/{settings.steps}: ' + ' '.join(f'{k} {v / shown:.4f}' for k, v in sums.items()))
            sums = {}
    head.eval()
