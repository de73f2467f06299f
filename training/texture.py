"""The texture and light head learns with the trunk and the geometry fixed, in minutes.

    python -m training.texture CHECKPOINT [--config CONFIG] [--out CHECKPOINT]

Real pictures say what skin times light is where the mesh covers them: the mesh is drawn with the answered colours and compared with the
picture (S2HAND's photometric term), pixels counting as far as they are likely to show the hand. So that the head learns to complete what it
does not see, part of the pixels is hidden from it at random. Rendered pictures say the albedo, the light, and under which vertices there is
background, another finger, an object, a shadow or a highlight. The space of skin tones and usual exposure divide skin from light.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from app.errors import InputError, exit_code
from models import light
from models.checkpoint import load_checkpoint, read_header, save_checkpoint
from models.hand_model import HandModel
from models.s2hand import S2Hand
from models.texture_head import GAINS, Skin, TextureHead
from training.config import Config, Texture, read_config
from training.pictures import Picture, read_pictures
from training.rendered import shards_of
from training.texture_sight import Seen, look_at_pictures, look_at_renders, views_of

EXPOSURE = 0.8  # usual mean shading of a hand in a well exposed picture
GAIN_SIGMA = 0.3  # log units of a channel's gain: what the skin tones do not explain is rather light than skin
BELIEVE = 2.5  # weight of plainly seen skin against the rest: the mesh lies worse on rendered pictures than on real ones
HIDDEN_SHARE = 0.5  # of the crops that have a part hidden
HIDDEN_REACH = 0.015, 0.06  # metres around a vertex


class TextureLoss:
    """All terms for a batch."""

    def __init__(self, weights: Texture) -> None:
        self.weights = weights

    def __call__(self, skin: Skin, row: dict[str, Tensor]) -> dict[str, Tensor]:
        """Means over the batch, weighted. `row` is a `Seen.batch`."""
        exact, visible = row['exact'], row['visible'][:, None]
        likely = torch.sigmoid(skin.meets.detach())  # (B, 1, N) that the pixel shows the hand
        facing = row['facing'].clamp(min=0) * visible
        normals, true = row['lit'].transpose(1, 2), row['albedo'].transpose(1, 2)
        shade = light.shading_rows(normals, skin.light)
        lit = light.linear_to_srgb((light.srgb_to_linear(skin.texture) * shade).clamp(0, 1))
        drawn, counts = (at_pixels(value, row) for value in (lit, likely))
        apart = (drawn - row['pixels'].transpose(1, 2) / 255).abs().mean(1, keepdim=True)
        unexplained = F.smooth_l1_loss(skin.own, torch.zeros_like(skin.own), reduction='none', beta=0.3).mean(1, keepdim=True)
        level = torch.log(weighted_mean(shade.mean(1, keepdim=True), facing).clamp(min=1e-3) / EXPOSURE)
        tones, gain = skin.coefficients[:, :-GAINS], skin.coefficients[:, -GAINS:] / GAIN_SIGMA
        tone = light.linear_to_srgb(torch.exp(skin.tone.clamp(max=0)))
        bright = (shade - light.shading_rows(normals, row['light'])).abs().mean(1, keepdim=True)
        plain = row['plain'][:, None]
        judged = F.binary_cross_entropy(skin.trust.clamp(1e-4, 1 - 1e-4), plain, 1 + (BELIEVE - 1) * plain, reduction='none')
        met = F.binary_cross_entropy_with_logits(skin.meets, row['shows'][:, None], reduction='none')
        terms = {
            'photometric': weighted_mean(apart, counts),
            'explained': weighted_mean(unexplained, likely * facing),
            'tone': (tones ** 2).mean(1) + (gain ** 2).mean(1),
            'exposure': level ** 2 * (1 - exact),
            'albedo': ((tone - true).abs() + (skin.texture - true).abs() * (1 - visible)).mean((1, 2)) * exact,
            'light': weighted_mean(bright, facing) * exact,
            'meets': weighted_mean(met, 0.1 + visible) * exact,
            'trust': weighted_mean(judged, 0.1 + visible) * exact,
        }
        return {name: term.mean() * getattr(self.weights, name) for name, term in terms.items()}


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Values (B, 1, N) and their weights -> (B,); almost no weight makes it small."""
    return (values * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=20)


def at_pixels(values: Tensor, row: dict[str, Tensor]) -> Tensor:
    """Values at vertices (B, C, N) -> at the kept pixels (B, C, P): the mesh drawn, as far as these pixels go."""
    batch, count, _ = row['corners'].shape
    index = row['corners'].reshape(batch, 1, -1).expand(-1, values.shape[1], -1)
    return (values.gather(2, index).reshape(batch, -1, count, 3) * row['weights'][:, None]).sum(-1)


def hidden_parts(template: Tensor, batch: int) -> Tensor:
    """(B, 1, N) 1 where the pixel is hidden: a part of the hand around a random vertex, in some of the crops."""
    centre = template[torch.randint(len(template), (batch,))]
    reach = torch.empty(batch, 1).uniform_(*HIDDEN_REACH) * (torch.rand(batch, 1) < HIDDEN_SHARE)
    return (torch.cdist(centre, template) < reach).float()[:, None]


def train_texture(head: TextureHead, hand: HandModel, seen: Seen, settings: Texture, seed: int, say: Callable[[str], None] = print) -> None:
    """Train the head in place. Raises InputError when a loss is no number, and names the step and term."""
    torch.manual_seed(seed)
    rng, loss = np.random.default_rng(seed), TextureLoss(settings)
    optimiser = torch.optim.AdamW(head.parameters(), settings.learning_rate, weight_decay=1e-3)
    steps = max(1, len(seen.exact) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps * settings.epochs)
    device = head.albedo.device
    template = hand.template.cpu()
    head.requires_grad_(True).train()
    for epoch in range(settings.epochs):
        order, sums = rng.permutation(len(seen.exact)), {}
        for step in range(steps):
            row = seen.batch(np.sort(order[step * settings.batch:(step + 1) * settings.batch]))
            row = {name: value.to(device) for name, value in row.items()}
            hide = hidden_parts(template, len(row['exact'])).to(device)
            terms = loss(head.skin(row['low'], views_of(row), row['surroundings'], hide), row)
            descend(terms, head, optimiser, schedule, f'in epoch {epoch + 1}, step {step + 1}')
            for name, term in terms.items():
                sums[name] = sums.get(name, 0.0) + float(term.detach()) / steps
        say(f'texture {epoch + 1}/{settings.epochs}: ' + ' '.join(f'{k} {v:.4f}' for k, v in sums.items()))
    head.eval()


def descend(terms: dict[str, Tensor], head: TextureHead, optimiser: torch.optim.Optimizer,
            schedule: torch.optim.lr_scheduler.LRScheduler, where: str) -> None:
    """One step down the sum of the terms. Raises InputError, which says `where`, when one is no number; the head is as it was then."""
    broken = ', '.join(name for name, term in terms.items() if not torch.isfinite(term))
    if broken:
        raise InputError(f'the loss of the texture became no number {where}, in the term {broken}; lower the learning rate of the texture')
    optimiser.zero_grad()
    sum(terms.values()).backward()
    torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
    optimiser.step()
    schedule.step()


def look_at_all(network: S2Hand, pictures: list[Picture], most_real: int, renders: Path, most: int) -> Seen:
    """Up to `most_real` real pictures, evenly chosen, and up to `most` rendered ones (0: none)."""
    step = max(1, -(-len(pictures) // most_real))
    parts, count = [look_at_pictures(network, pictures[::step])], 0
    for shard in shards_of(renders) if most else ():
        if count >= most:
            break
        parts.append(look_at_renders(network, shard, most - count))
        count += len(parts[-1].exact)
    return Seen.join(parts)


def train_again(checkpoint: Path, out: Path, config: Config) -> None:
    """A new head for a checkpoint, also for one with a head of an earlier form. Raises InputError for what is no checkpoint."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    try:
        header, network = read_header(checkpoint), load_checkpoint(checkpoint, other_hand=True)
    except ValueError as error:
        raise InputError(str(error)) from error
    head = network.texture_light_from_low = TextureHead(network.encoder.low_channels, network.hand)
    seen = look_at_all(network, read_pictures('train'), config.texture.real, Path(config.data.renders), config.texture.rendered)
    train_texture(head, network.hand, seen, config.texture, config.seed)
    save_checkpoint(network, out, header['name'], header['hand_model'])
    print(f'{out} written')


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description='A new texture and light head for a checkpoint; its trunk and geometry stay as they are.')
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--config', type=Path, help='settings of a run (TOML), of which [texture], seed, threads and data.renders count')
    parser.add_argument('--out', type=Path, help='default: the checkpoint itself')
    options = parser.parse_args(arguments)
    return exit_code(lambda: train_again(options.checkpoint, options.out or options.checkpoint,
                                         read_config(options.config) if options.config else Config()))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
