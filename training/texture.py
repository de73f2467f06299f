"""The texture and light head learns on the trunk's low-level maps.

Rendered pictures say the albedo and the light. Real ones say only the product: the colours found where the predicted mesh shows its
vertices, which is a photometric loss taken at points instead of pixels. The space of skin tones and natural
light decides between the two factors.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.camera import project
from models.hand_model import HandModel
from models.light import shaded, shading, vertex_normals
from models.s2hand import S2Hand
from models.texture_head import TextureHead
from training.config import Texture
from training.features import crops_of
from training.pictures import Picture
from training.rendered import shards_of

BATCH = 32
FACING = 0.35  # cosine between normal and view: vertices seen more askance lie too near the outline to trust their pixel
BEHIND = 0.006  # metres behind the nearest vertex of the same cell: such a vertex is hidden
EXPOSURE = 0.8  # usual mean shading of a hand in a well exposed picture
CELLS = 56  # cells of the crop's side for that


@dataclass(frozen=True)
class Seen:
    """What the head learns from, one row per crop."""

    low: np.ndarray  # (n, C, 56, 56) float16
    normals: np.ndarray  # (n, N, 3) float16, outward
    colours: np.ndarray  # (n, N, 3) float16 sRGB of the pixel under each vertex
    visible: np.ndarray  # (n, N) bool
    albedo: np.ndarray  # (n, N, 3) float16 true albedo; zeros for real pictures
    light: np.ndarray  # (n, 11) true light; zeros for real pictures
    exact: np.ndarray  # (n,) bool, rendered

    @staticmethod
    def join(parts: list[Seen]) -> Seen:
        return Seen(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0])})


def visible_vertices(vertices: Tensor, normals: Tensor, pixels: Tensor, size: int) -> Tensor:
    """(B, N) bool: vertices (B, N, 3) that face the camera, lie in the crop and are the nearest in their cell of the picture."""
    batch, count = vertices.shape[:2]
    view = F.normalize(vertices, dim=-1)
    facing = -(normals * view).sum(-1) > FACING
    inside = ((pixels >= 0) & (pixels <= size - 1)).all(-1)
    cell = (pixels / size * CELLS).long().clamp(0, CELLS - 1)
    index = cell[..., 1] * CELLS + cell[..., 0] + torch.arange(batch)[:, None] * CELLS * CELLS
    nearest = torch.full((batch * CELLS * CELLS,), torch.inf).scatter_reduce(0, index.flatten(), vertices[..., 2].flatten(), 'amin')
    # a cell's neighbours count too: between the vertices of a near surface a far one shows through
    grid = -F.max_pool2d(-nearest.reshape(batch, 1, CELLS, CELLS), 3, 1, 1).flatten()
    return facing & inside & (vertices[..., 2] < grid[index.flatten()].reshape(batch, count) + BEHIND)


def colours_under(crops: Tensor, pixels: Tensor) -> Tensor:
    """Colours (B, N, 3) of crops (B, 3, S, S) at pixels (B, N, 2), bilinear; pixel centres lie at integers."""
    size = crops.shape[-1]
    grid = pixels / (size - 1) * 2 - 1
    return F.grid_sample(crops, grid[:, :, None], align_corners=True, padding_mode='border')[..., 0].transpose(1, 2)


@torch.no_grad()
def look(network: S2Hand, crops: np.ndarray) -> dict[str, np.ndarray]:
    """The head's inputs for crops (n, S, S, 3) uint8, the mesh being where the network puts it."""
    network.eval()
    made: dict[str, list] = {'low': [], 'normals': [], 'colours': [], 'visible': []}
    for start in range(0, len(crops), BATCH):
        images = torch.from_numpy(crops[start:start + BATCH]).permute(0, 3, 1, 2).float() / 255
        features, low = network.encoder(images)
        vertices, _, _ = network.place(network.decoder(features, network.encoder.landmarks(features).points))
        normals, pixels = vertex_normals(vertices, network.hand.faces), project(vertices, network.size)
        made['low'].append(low.half().numpy())
        made['normals'].append(normals.half().numpy())
        made['colours'].append(colours_under(images, pixels).half().numpy())
        made['visible'].append(visible_vertices(vertices, normals, pixels, network.size).numpy())
    return {key: np.concatenate(parts) for key, parts in made.items()}


def look_at_pictures(network: S2Hand, pictures: list[Picture]) -> Seen:
    """Plain crops of real pictures."""
    crops = np.stack([crops_of(p, 1, network.size, None, np.random.default_rng(0))[0][0] for p in pictures])
    n, vertices = len(crops), network.hand.template.shape[0]
    unknown = {'albedo': np.zeros((n, vertices, 3), np.float16), 'light': np.zeros((n, 11), np.float32), 'exact': np.zeros(n, bool)}
    return Seen(**look(network, crops), **unknown)


def look_at_renders(network: S2Hand, shard: Path) -> Seen:
    """A shard of rendered pictures. Rendered from an earlier mesh, their albedo is made anew from the skin coefficients."""
    with np.load(shard) as file:
        crops, light, skin, albedo = file['image'], file['light'], file['skin'], file['albedo']
    hand = network.hand
    if albedo.shape[1] != len(hand.template):
        albedo = hand.albedo.numpy() + np.tensordot(skin, hand.skin_basis.numpy(), 1)
    return Seen(**look(network, crops), albedo=np.clip(albedo, 0, 1).astype(np.float16), light=light, exact=np.ones(len(crops), bool))


class TextureLoss:
    """All terms for a batch."""

    def __init__(self, hand: HandModel, weights: Texture) -> None:
        self.weights, self.albedo = weights, hand.albedo
        basis = hand.skin_basis.flatten(1)  # (M, 3N)
        self.basis, self.inverse = basis, torch.linalg.pinv(basis)
        self.sigma = hand.skin_sigma

    def __call__(self, texture: Tensor, light: Tensor, row: dict[str, Tensor]) -> dict[str, Tensor]:
        """Means over the batch, weighted, of texture (B, N, 3) and light (B, 11)."""
        w, visible, exact = self.weights, row['visible'], row['exact']
        offset = (texture - self.albedo).flatten(1)
        tone = offset @ self.inverse
        apart = (shaded(texture, row['normals'], light) - row['colours']).abs().mean(-1)
        photometric = (apart * visible).sum(1) / visible.sum(1).clamp(min=20)
        bright = (shading(row['normals'], light) - shading(row['normals'], row['light'])).abs().mean(-1)
        shade = shading(row['normals'], light).mean(-1)
        level = torch.log(((shade * visible).sum(1) / visible.sum(1).clamp(min=20)).clamp(min=1e-3) / EXPOSURE)
        terms = {
            'photometric': photometric,
            'outliers': ((offset - tone @ self.basis) ** 2).mean(1),
            'tone': ((tone / self.sigma) ** 2).mean(1),
            'exposure': level ** 2 * (1 - exact),
            'albedo': (texture - row['albedo']).abs().mean((1, 2)) * exact,
            'light': (bright * visible).sum(1) / visible.sum(1).clamp(min=20) * exact,
        }
        return {name: term.mean() * getattr(w, name) for name, term in terms.items()}


def batch_of(seen: Seen, rows: np.ndarray) -> dict[str, Tensor]:
    """Rows as float tensors."""
    return {name: torch.from_numpy(np.asarray(value[rows], np.float32)) for name, value in vars(seen).items()}


def train_texture(head: TextureHead, hand: HandModel, seen: Seen, settings: Texture, seed: int, say: Callable[[str], None] = print) -> None:
    """Train the head in place."""
    torch.manual_seed(seed)
    rng, loss = np.random.default_rng(seed), TextureLoss(hand, settings)
    optimiser = torch.optim.AdamW(head.parameters(), settings.learning_rate, weight_decay=1e-3)
    steps = max(1, len(seen.exact) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps * settings.epochs)
    head.train()
    for epoch in range(settings.epochs):
        order, sums = rng.permutation(len(seen.exact)), {}
        for step in range(steps):
            row = batch_of(seen, np.sort(order[step * settings.batch:(step + 1) * settings.batch]))
            terms = loss(*head(row['low']), row)
            total = sum(terms.values())
            if not torch.isfinite(total):
                raise FloatingPointError(f'the texture loss became {total.item()} in epoch {epoch}, step {step}; lower the learning rate')
            optimiser.zero_grad()
            total.backward()
            torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            for name, term in terms.items():
                sums[name] = sums.get(name, 0.0) + float(term.detach()) / steps
        say(f'texture {epoch + 1}/{settings.epochs}: ' + ' '.join(f'{k} {v:.4f}' for k, v in sums.items()))
    head.eval()


def look_at_all(network: S2Hand, pictures: list[Picture], most_real: int, renders: Path, most: int) -> Seen:
    """Up to `most_real` real pictures, evenly chosen, and up to `most` rendered ones (0: none)."""
    step = max(1, -(-len(pictures) // most_real))
    parts, count = [look_at_pictures(network, pictures[::step])], 0
    for shard in shards_of(renders) if most else ():
        if count >= most:
            break
        parts.append(look_at_renders(network, shard))
        count += len(parts[-1].exact)
    return Seen.join(parts)
