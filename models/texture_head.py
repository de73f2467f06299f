"""The texture and light head of S2HAND, with a pixel-aligned part.

Everything is in the logarithm of linear light, where light and skin simply add up. From coarse to fine:
- the light and the tone (the hand model's skin tones and a gain per channel) are regressed from the low-level map, as in S2HAND, and from
  means of what the vertices meet in the crop, weighted with how surely a vertex meets its own skin;
- each vertex's pixel, the light taken out of it, less the tone, is what this person's skin shows there; a gate for each vertex says how
  far to believe it: not where the vertex is hidden, over the background, or in a highlight;
- what is believed is carried over to the other vertices through a few learned patches of the hand, and fades where there is nothing near.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import light
from models.hand_model import HandModel
from models.vertex_views import Views, VertexViews, sample

START_LIGHT = (0.6, 0.6, 1, 1, 1, 1, 1, 1, 0.3, 0.5, 1)  # soft, from above behind the camera
LOW_SIDE = 56  # of the map that the convolutions want
SQUEEZED, HIDDEN, CODE = 6, 32, 8  # channels of the low-level map under a vertex; of its network; numbers that it knows of itself
STATISTICS = 30
FORGET = 0.3  # of the convolutions' features in training: they know single pictures too well
PATCHES = 40
PATCH_REACH = 0.02  # metres
GAINS = 3
DARKEST = 0.003  # linear light: a camera's black
MIDDLE = -1.6  # log of the usual linear light of skin in a picture
MOST = 1.5  # log units that skin may differ from its tone
LEAST_LIGHT = 0.05  # a shading below counts as this when it is taken out
SCARCE = 0.02  # evidence at which what is carried over counts for half


@dataclass(frozen=True)
class Skin:
    """What the head says, with its parts, which training looks at; channels before vertices."""

    texture: Tensor  # (B, 3, N) sRGB albedo 0..1
    light: Tensor  # (B, 11)
    tone: Tensor  # (B, 3, N) log linear albedo by the tone alone
    coefficients: Tensor  # (B, M + 3) skin tones in standard deviations, gain per channel
    own: Tensor  # (B, 3, N) log linear albedo that the pixel shows under this light, less the tone
    meets: Tensor  # (B, 1, N) logit: the pixel under the vertex shows the skin there
    trust: Tensor  # (B, 1, N) 0..1, how far the pixel is believed


def log_light(colour: Tensor) -> Tensor:
    """sRGB 0..1 -> log of linear light."""
    return light.srgb_to_log(colour, DARKEST)


def farthest_points(points: Tensor, count: int) -> Tensor:
    """(count,) numbers of points (N, 3) that lie far from each other."""
    chosen, apart = [0], torch.full((len(points),), torch.inf)
    while len(chosen) < count:
        apart = torch.minimum(apart, (points - points[chosen[-1]]).norm(dim=-1))
        chosen.append(int(apart.argmax()))
    return torch.tensor(chosen)


class TextureHead(nn.Module):
    """Low-level map (B, C, H, W), crop (B, 3, S, S), vertices (B, N, 3) in the crop camera -> albedo (B, N, 3) sRGB and light (B, 11).
    `base_layers`, `texture_reg` and `light_reg` are named as in the official head. No gradient goes to the vertices.
    """

    def __init__(self, channels: int, hand: HandModel) -> None:
        super().__init__()
        count, tones = len(hand.template), len(hand.skin_sigma)
        self.base_layers = nn.Sequential(nn.Conv2d(channels, 48, 10, 4, 1), nn.ReLU(), nn.MaxPool2d(3, 2),
                                         nn.Conv2d(48, 64, 3), nn.ReLU(), nn.MaxPool2d(2, 2))
        self.texture_reg = nn.Sequential(nn.Linear(256 + STATISTICS, 64), nn.ReLU(), nn.Linear(64, tones + GAINS))
        self.light_reg = nn.Sequential(nn.Linear(256 + STATISTICS, 64), nn.ReLU(), nn.Linear(64, light.VALUES))
        for last in (self.texture_reg[2], self.light_reg[2]):
            nn.init.normal_(last.weight, std=0.001)
            nn.init.zeros_(last.bias)
        self.forget = nn.Dropout(FORGET)
        self.views = VertexViews(hand)
        self.squeeze = nn.Conv2d(channels, SQUEEZED, 1)  # before sampling, which costs by channel
        self.pixel = nn.Conv1d(SQUEEZED + 8, HIDDEN, 1)
        self.meets = nn.Conv1d(HIDDEN, 1, 1)
        self.judge = nn.Sequential(nn.Conv1d(HIDDEN + 8, HIDDEN, 1), nn.ReLU(), nn.Conv1d(HIDDEN, 1, 1))
        rest, normals = hand.template - hand.template.mean(0), light.vertex_normals(hand.template[None], hand.faces)[0]
        code = torch.cat([rest / rest.std(), normals, torch.zeros(count, CODE - 6)], 1)
        self.code, self.decode = nn.Parameter(code.T.contiguous()), nn.Parameter(0.1 * torch.randn(HIDDEN, CODE))
        # fingers lie side by side at rest, and palm and back are different skin: normals keep patches apart
        place = torch.cat([rest, 0.5 * PATCH_REACH * normals], 1)
        kernel = torch.exp(-(torch.cdist(place, place[farthest_points(rest, PATCHES)]) / PATCH_REACH) ** 2) + 1e-4
        self.gather = nn.Parameter(kernel / kernel.sum(0))  # (N, P)
        self.spread = nn.Parameter((kernel / kernel.sum(1, keepdim=True)).T.contiguous())  # (P, N)
        sigma = hand.skin_sigma[:, None, None]
        up, down = (log_light((hand.albedo + sign * sigma * hand.skin_basis).clamp(0.02, 0.98)) for sign in (0.5, -0.5))
        self.register_buffer('albedo', log_light(hand.albedo.clamp(0.02, 0.98)).T.contiguous(), persistent=False)  # (3, N)
        gains = torch.eye(GAINS).repeat_interleave(count, 1)  # a gain is a tone that is the same everywhere
        self.register_buffer('tones', torch.cat([(up - down).transpose(1, 2).flatten(1), gains]), persistent=False)  # (M + 3, 3N)
        self.register_buffer('least_light', torch.tensor((0.02,) * 8 + (-1e6,) * 3), persistent=False)  # a direction may point anywhere
        self.register_buffer('start_light', torch.tensor(START_LIGHT), persistent=False)

    def forward(self, low: Tensor, crop: Tensor, vertices: Tensor) -> tuple[Tensor, Tensor]:
        skin = self.skin(low, self.views(crop, vertices.detach()), crop.mean((2, 3)))
        return skin.texture.transpose(1, 2), skin.light

    def skin(self, low: Tensor, views: Views, surroundings: Tensor, hide: Tensor | None = None) -> Skin:
        """All parts of the answer. `surroundings` (B, 3): the crop's mean colour; `hide` (B, 1, N): 1 where no pixel may be believed."""
        seen = log_light(views.colours)
        inputs = torch.cat([sample(self.squeeze(low), views.places), seen - MIDDLE, views.normals, views.facing, views.covered], 1)
        hidden = F.relu(self.pixel(inputs) + torch.matmul(self.decode, self.code))
        meets = self.meets(hidden)
        towards = views.facing.clamp(min=0) if hide is None else views.facing.clamp(min=0) * (1 - hide)
        statistics = self.statistics(seen - MIDDLE, views.normals, torch.sigmoid(meets) * towards, surroundings)
        coefficients, lights = self.whole(low, statistics)
        tone = self.tone(coefficients)
        shade = torch.log(light.shading_rows(views.normals, lights).clamp(min=LEAST_LIGHT))
        own = (seen - shade - tone).clamp(-MOST, MOST)
        trust = torch.sigmoid(meets + self.judge(torch.cat([hidden, own, own.abs(), views.facing, views.covered], 1)))
        believed = trust if hide is None else trust * (1 - hide)
        carried = self.carried(own, believed * towards)
        albedo = tone + carried + believed * (own - carried)
        return Skin(light.log_to_srgb(albedo), lights, tone, coefficients, own, meets, trust)

    def whole(self, low: Tensor, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """Tone (B, M + 3) and light (B, 11)."""
        if low.shape[-1] != LOW_SIDE:
            low = F.interpolate(low, (LOW_SIDE, LOW_SIDE), mode='bilinear', align_corners=False)
        x = torch.cat([self.forget(self.base_layers(low).flatten(1)), statistics], 1)
        return self.texture_reg(x), torch.maximum(self.start_light + self.light_reg(x), self.least_light)

    def tone(self, coefficients: Tensor) -> Tensor:
        """Skin tones and gains (B, M + 3) -> log albedo (B, 3, N)."""
        return torch.addmm(self.albedo.flatten(), coefficients, self.tones).unflatten(1, self.albedo.shape)

    def statistics(self, colours: Tensor, normals: Tensor, weight: Tensor, surroundings: Tensor) -> Tensor:
        """(B, 30) what a linear fit of light would need: weighted means of colours, normals and their products."""
        rows = torch.cat([colours, normals], 1)  # (B, 6, N)
        share = weight / (weight.sum(2, keepdim=True) + 1)
        weighted = rows * share
        products = torch.matmul(weighted, rows.transpose(1, 2))  # (B, 6, 6)
        return torch.cat([weighted.sum(2), products[:, :3].flatten(1), products[:, 3:, 5], surroundings], 1)

    def carried(self, own: Tensor, weight: Tensor) -> Tensor:
        """What is believed at some vertices, (B, 3, N) weighted with (B, 1, N), carried over to all."""
        values = torch.cat([own * weight, weight], 1)  # (B, 4, N)
        there = torch.matmul(torch.matmul(values, self.gather.abs()), self.spread.abs())
        return there[:, :3] / (there[:, 3:] + SCARCE)
