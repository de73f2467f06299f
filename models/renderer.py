"""A differentiable renderer in plain torch: the same picture on CPU and CUDA, no compiled extension.

Triangles are z-buffered (`coverage.py`), colours interpolated with perspective in mind, the outline softened (`silhouette.py`). Gradients
reach colours and vertices: inside through the interpolation, at the outline through the soft silhouette. The colour picture itself has
hard edges. Replaces the renderer of S2HAND (Kato et al.'s neural renderer, CUDA only); its traps are avoided: what is empty is 0 in every
output and so has no error against a masked picture, and there is no half pixel between it and the keypoints (pixel centres lie at
integers).

Light is put on the colours before, per vertex, by `models/light.py`; `lit` does both steps:

    colours = lit(albedo, vertices, faces, light)                      # (B, N, 3), 11 light values
    picture = render(vertices, faces, colours, size=112, focal=FOCAL * 112)
"""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.coverage import nearest_faces
from models.light import shaded, vertex_normals
from models.silhouette import soft_silhouette

NEAR = 0.01  # metres; faces that come nearer are left out
_SMALL = 1e-3  # square pixels (twice the area): smaller faces pass gradients to colours, not to vertices, where they would be huge


@dataclass(frozen=True)
class Rendered:
    """A batch of pictures; everything is 0 where no face is seen (`face` is -1)."""

    colour: Tensor  # (B, C, H, W), gradients to colours and vertices
    mask: Tensor  # (B, H, W) 0 or 1, no gradients
    silhouette: Tensor  # (B, H, W) 0..1, gradients to vertices; the mask itself if not asked for
    depth: Tensor  # (B, H, W) metres along z, gradients to vertices
    face: Tensor  # (B, H, W) int64, which face is seen


def lit(albedo: Tensor, vertices: Tensor, faces: Tensor, light: Tensor) -> Tensor:
    """sRGB albedo (B, N, 3) of vertices (B, N, 3) with faces (F, 3) under the light (B, 11) -> sRGB colours (B, N, 3), smoothly shaded."""
    return shaded(albedo, vertex_normals(vertices, faces), light)


def render(vertices: Tensor, faces: Tensor, colours: Tensor | None = None, *, face_colours: Tensor | None = None,
           size: int | tuple[int, int], focal: float | None = None, intrinsics: Tensor | None = None,
           soft: bool = True, reach: float = 2.5, both_sides: bool = False) -> Rendered:
    """Vertices (B, N, 3) in metres, camera axes; faces (F, 3) int64, counter-clockwise from outside; colours (B, N, C) or face_colours
    (B, F, C).

    size: pixels along the side, or (height, width). The camera is `focal` (pixels, principal point in the picture's middle) or `intrinsics`
    (B, 3, 3) or (3, 3) without skew. A picture at part s of the size has u' = (u + 0.5) s - 0.5; for the crop camera, `models/camera.py`,
    that is just `focal=FOCAL * size`. soft, reach (pixels): the soft silhouette, see `silhouette.py`. both_sides: faces seen from behind
    are drawn as well. For the mirrored (left) hand turn the faces round.

    Works in float32 (float64 if the vertices have it) also under autocast. Without colours the picture is black. Faces that come nearer
    than 1 cm, or lie behind the camera, are not drawn; an empty picture is 0 with gradients 0. Where two faces are equally near the first
    is seen. On CUDA sums of gradients may differ in the last digits from run to run.

    Raises ValueError on shapes that do not fit and on numbers that are not finite (naming the rows of the batch).
    """
    with torch.autocast(vertices.device.type, enabled=False):
        height, width = (size, size) if isinstance(size, int) else size
        vertices, colours = _checked(vertices, faces, colours, face_colours)
        x, y, near = _project(vertices, height, width, focal, intrinsics)
        face, front, drawn = nearest_faces(x, y, near, faces, height, width, both_sides)
        mask = face >= 0
        colour, depth = _interpolated(x, y, near, faces, face, colours, per_face=face_colours is not None)
        silhouette = soft_silhouette(x, y, faces, front, drawn, mask, reach) if soft else mask.to(x.dtype)
    return Rendered(colour, mask.to(x.dtype), silhouette, depth, face)


def _checked(vertices: Tensor, faces: Tensor, colours: Tensor | None, face_colours: Tensor | None) -> tuple[Tensor, Tensor]:
    """Vertices and colours of one floating type; raises ValueError on what cannot be drawn."""
    if vertices.ndim != 3 or vertices.shape[2] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f'vertices must be (B, N, 3) and faces (F, 3), not {tuple(vertices.shape)} and {tuple(faces.shape)}')
    if colours is not None and face_colours is not None:
        raise ValueError('give colours per vertex or per face, not both')
    if vertices.dtype != torch.float64:
        vertices = vertices.float()
    rows = len(faces) if face_colours is not None else vertices.shape[1]
    given = colours if face_colours is None else face_colours
    if given is None:
        given = vertices.new_zeros(*vertices.shape[:2], 3)
    if given.ndim != 3 or given.shape[:2] != (len(vertices), rows):
        raise ValueError(f'colours must be ({len(vertices)}, {rows}, C), not {tuple(given.shape)}')
    given = given.to(vertices.dtype)
    for name, values in (('vertices', vertices), ('colours', given)):
        fine = torch.isfinite(values.detach()).flatten(1).all(1)
        if not fine.all():
            raise ValueError(f'{name} are not finite in row(s) {(~fine).nonzero()[:, 0].tolist()} of the batch')
    return vertices, given


def _project(vertices: Tensor, height: int, width: int, focal: float | None, intrinsics: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """x and y in pixels and 1 / depth, (B, N) each; 0, without gradients, for points that are too near."""
    if (focal is None) == (intrinsics is None):
        raise ValueError('give either focal or intrinsics')
    x, y, z = vertices.unbind(2)
    ahead = z > NEAR
    near = torch.where(ahead, 1 / torch.where(ahead, z, 1), 0)
    if intrinsics is None:
        return x * near * focal + (width - 1) / 2, y * near * focal + (height - 1) / 2, near
    k = intrinsics.to(vertices).expand(len(vertices), 3, 3)
    return x * near * k[:, 0, 0, None] + k[:, 0, 2, None], y * near * k[:, 1, 1, None] + k[:, 1, 2, None], near


def _interpolated(x: Tensor, y: Tensor, near: Tensor, faces: Tensor, face: Tensor, colours: Tensor,
                  per_face: bool) -> tuple[Tensor, Tensor]:
    """Colour (B, C, H, W) and depth (B, H, W) of the faces (B, H, W) seen.

    With e_i twice the area that pixel p spans with the side opposite corner i, and n_i = 1 / z_i, a value is sum(e_i n_i v_i) / sum(e_i
    n_i) and the depth sum(e_i) / sum(e_i n_i): attributes are linear on the face in space, not in the picture.
    """
    batch, height, width = face.shape
    channels = colours.shape[2]
    pixel = (face >= 0).flatten().nonzero()[:, 0]
    seen = face.flatten()[pixel]
    picture = torch.div(pixel, height * width, rounding_mode='floor')
    row = torch.div(pixel, width, rounding_mode='floor')
    u, v = (pixel - row * width).to(x.dtype), (row - picture * height).to(x.dtype)
    corners = faces[seen].T + picture * x.shape[1]

    def at_corners(values: Tensor) -> list[Tensor]:
        # one number at a time: adding up gradients of single numbers is much faster on the CPU than of rows
        return [values.flatten().index_select(0, corner) for corner in corners]

    xs, ys = [k - u for k in at_corners(x)], [k - v for k in at_corners(y)]
    area = ((xs[1] - xs[0]) * (ys[2] - ys[0]) - (ys[1] - ys[0]) * (xs[2] - xs[0])).detach()
    small = area.abs() < _SMALL
    xs, ys = ([torch.where(small, k.detach(), k) for k in ks] for ks in (xs, ys))
    spanned = [xs[1] * ys[2] - ys[1] * xs[2], xs[2] * ys[0] - ys[2] * xs[0], xs[0] * ys[1] - ys[0] * xs[1]]
    weights = [e * n for e, n in zip(spanned, at_corners(near))]
    total = weights[0] + weights[1] + weights[2]
    depth = (spanned[0] + spanned[1] + spanned[2]) / total
    depth = x.new_zeros(face.numel()).index_put((pixel,), depth).view_as(face)

    if per_face:
        flat = colours.flatten()
        at = (seen + picture * len(faces)) * channels
        values = [flat.index_select(0, at + c) for c in range(channels)]
    else:
        weights = [w / total for w in weights]
        values = []
        for c in range(channels):
            a, b, c = at_corners(colours[..., c])
            values.append(weights[0] * a + weights[1] * b + weights[2] * c)
    plane = picture * (channels * height * width) + (pixel - picture * (height * width))
    where = torch.cat([plane + c * (height * width) for c in range(channels)])
    colour = x.new_zeros(batch * channels * height * width).index_put((where,), torch.cat(values))
    return colour.view(batch, channels, height, width), depth
