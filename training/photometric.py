"""How well a rendered hand looks like the picture, inside the mask that both share: L1 and SSIM (S2HAND's photometric loss).

What is outside the mask has no say at all. The released code compares a render on white with a picture on black, which pushes the outline
out to the picture's border; and it counts pixels outside as equal, so that small hands are cheap. Here every mean is over the mask. All
terms are (B,), and 0 with gradients 0 where the mask is empty. Work in float32, also under autocast.
"""
from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from models.renderer import Rendered

WINDOW, SIGMA = 11, 1.5  # pixels; these and the constants are those of Wang et al., "Image quality assessment" (2004)
C1, C2 = 0.01**2, 0.03**2
STRUCTURE = 0.2  # of the SSIM term against L1


def masked_l1(picture: Tensor, rendered: Tensor, mask: Tensor) -> Tensor:
    """(B,) mean absolute difference of pictures (B, C, H, W) over the pixels of mask (B, H, W) 0..1 and the channels."""
    apart = (picture - rendered).abs().mean(1)
    return (apart * mask).sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)


def ssim(picture: Tensor, rendered: Tensor, mask: Tensor) -> Tensor:
    """(B, H, W) structural similarity -1..1 around each pixel of pictures (B, C, H, W) in 0..1, mean of the channels; mask (B, H, W) 0..1.

    Means, variances and covariance come from the part of each window that lies in the mask, so a window at the outline compares skin with
    skin. With a full mask, away from the border, this is the usual SSIM (Gaussian windows of 11 x 11, sigma 1.5).
    """
    with torch.autocast(picture.device.type, enabled=False):
        picture, rendered, mask = picture.float(), rendered.float(), mask.float()
        rows, columns = (gaussian(side, mask.device) for side in mask.shape[1:])

        def blurred(values: Tensor) -> Tensor:
            return torch.matmul(torch.matmul(rows, values), columns)

        m = mask[:, None]
        share = blurred(m).clamp(min=1e-6)
        x, y = blurred(picture * m) / share, blurred(rendered * m) / share
        xx, yy = blurred(picture**2 * m) / share - x * x, blurred(rendered**2 * m) / share - y * y
        xy = blurred(picture * rendered * m) / share - x * y
        similar = (2 * x * y + C1) * (2 * xy + C2) / ((x * x + y * y + C1) * (xx.clamp(min=0) + yy.clamp(min=0) + C2))
        return similar.mean(1)


def masked_ssim(picture: Tensor, rendered: Tensor, mask: Tensor) -> Tensor:
    """(B,) mean of `ssim` over the mask; 1 where that is empty."""
    mask = mask.float()
    return 1 - ((1 - ssim(picture, rendered, mask)) * mask).sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)


def masked_ssim_loss(picture: Tensor, rendered: Tensor, mask: Tensor) -> Tensor:
    """(B,) 1 - SSIM, as `masked_ssim`."""
    return 1 - masked_ssim(picture, rendered, mask)


def photometric(picture: Tensor, rendered: Rendered, weight: Tensor, mask: Tensor | None = None, structure: float = STRUCTURE) -> Tensor:
    """(B,) L1 + structure * (1 - SSIM) of pictures (B, 3, H, W) in 0..1 and their rendered hands, times `weight` (B,).

    weight: how far each picture is believed, `losses.picture_confidence`. mask (B, H, W): where the picture is known to show the hand, if
    it is; what is compared is its common part with the rendered hand's mask, which has no gradients: photometric terms move no outline.
    """
    common = rendered.mask if mask is None else rendered.mask * mask
    return weight * (masked_l1(picture, rendered.colour, common) + structure * masked_ssim_loss(picture, rendered.colour, common))


def psnr(picture: Tensor, rendered: Tensor, mask: Tensor) -> Tensor:
    """(B,) peak signal-to-noise ratio in dB of pictures (B, C, H, W) in 0..1 over mask (B, H, W); at most 100, NaN for an empty mask."""
    error = (((picture - rendered) ** 2).mean(1) * mask).sum((1, 2)) / mask.sum((1, 2))
    return -10 * torch.log10(error.clamp(min=1e-10))


@cache
@torch.inference_mode(False)  # what is kept must also serve where gradients are wanted
def gaussian(side: int, device: torch.device) -> Tensor:
    """(side, side) band matrix that blurs a row of `side` pixels: on the CPU a product is several times faster than a thin convolution."""
    apart = torch.arange(side, device=device)[:, None] - torch.arange(side, device=device)
    weights = torch.exp(-apart**2 / (2 * SIGMA**2)) * (apart.abs() <= WINDOW // 2)
    return weights / torch.exp(-torch.arange(-(WINDOW // 2), WINDOW // 2 + 1, device=device) ** 2 / (2 * SIGMA**2)).sum()
