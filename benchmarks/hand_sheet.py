"""Contact sheets of the hand model, to be judged by eye: poses, shapes, skin tones, the left hand.

    python -m benchmarks.hand_sheet [--out out/hand] [--size 300] [--texture]

Writes poses.png (one row per pose, one column per view), shapes.png (each component at -3, 0 and +3 standard deviations) and tones.png.
With --texture the colours come from the texture picture, sampled on a finely divided mesh, instead of from the vertices.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import trimesh

from app.hand_model import HandModel
from app.rendering.light import linear_to_srgb, shading, srgb_to_linear
from app.rendering.renderer import Mesh, Renderer
from app.types import Intrinsics

FINGERS = 'index', 'middle', 'ring', 'little'
THUMB_IN = {'thumb_cmc_flexion': 20, 'thumb_cmc_abduction': 14, 'thumb_cmc_twist': 25, 'thumb_mcp_flexion': 40, 'thumb_ip_flexion': 50}
CURLED = {f'{f}_{j}': a for f in FINGERS for j, a in (('mcp_flexion', 82), ('pip_flexion', 100), ('dip_flexion', 65))}


def _all(**degrees: float) -> dict[str, float]:
    return {f'{f}_{j}': a for f in FINGERS for j, a in degrees.items()}


POSES: dict[str, dict[str, float] | None] = {  # degrees; None: the natural mean
    'rest': {}, 'relaxed': None, 'fist': CURLED | THUMB_IN,
    'point': CURLED | THUMB_IN | {'index_mcp_flexion': 2, 'index_pip_flexion': 4, 'index_dip_flexion': 2},
    'thumb up': CURLED | {'thumb_cmc_flexion': -14, 'thumb_cmc_abduction': -16, 'thumb_ip_flexion': -12},
    'victory': CURLED | THUMB_IN | {'index_mcp_flexion': 0, 'index_pip_flexion': 0, 'index_dip_flexion': 0, 'index_mcp_abduction': 10,
                                    'middle_mcp_flexion': 0, 'middle_pip_flexion': 0, 'middle_dip_flexion': 0, 'middle_mcp_abduction': -8},
    'pinch': {'index_mcp_flexion': 48, 'index_pip_flexion': 52, 'index_dip_flexion': 28, 'thumb_cmc_flexion': 14, 'thumb_cmc_abduction': 16,
              'thumb_cmc_twist': 28, 'thumb_mcp_flexion': 18, 'thumb_ip_flexion': 24, 'middle_mcp_flexion': 30, 'middle_pip_flexion': 30,
              'ring_mcp_flexion': 20, 'ring_pip_flexion': 26, 'little_mcp_flexion': 12, 'little_pip_flexion': 20},
    'spread': {'index_mcp_abduction': 14, 'ring_mcp_abduction': 12, 'little_mcp_abduction': 20, 'thumb_cmc_abduction': 22,
               'thumb_cmc_flexion': -16} | _all(mcp_flexion=-8),
    'together': {'index_mcp_abduction': -6, 'ring_mcp_abduction': -5.5, 'little_mcp_abduction': -11},
    'knuckles at 90': _all(mcp_flexion=90), 'middle joints at 90': _all(pip_flexion=90),
    'last joints at 80': _all(pip_flexion=45, dip_flexion=80),
}


def turn(x: float = 0, y: float = 0, z: float = 0) -> np.ndarray:
    """(3, 3) of degrees about the model's axes: first y, then x, then z."""
    return cv2.Rodrigues(np.radians([0., 0, z]))[0] @ cv2.Rodrigues(np.radians([x, 0., 0]))[0] @ cv2.Rodrigues(np.radians([0., y, 0]))[0]


VIEWS = turn(), turn(y=180), turn(y=90, x=-15), turn(y=-75, x=-20), turn(y=150, x=30), turn(y=20, x=-60)
TO_CAMERA = np.diag([1., -1, -1])
LIGHT = np.array([[.52, .52, .53], [.16, .16, .15], [.30, .30, .29], [.42, .41, .40]]) * 1.22  # of the view: ambient, right, up, towards us


class Studio:
    """Draws hands into square pictures."""

    def __init__(self, model: HandModel, size: int, textured: bool):
        self.model, self.size = model, size
        self.renderer = Renderer(size, size, supersample=2)
        self.camera = Intrinsics.from_field_of_view(size, size, 14.0)
        self.textured = textured
        if textured:
            path = Path(__file__).resolve().parent.parent / 'assets' / 'open_hand_albedo.png'
            self.picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(np.float32) / 255

    def draw(self, vertices: np.ndarray, view: np.ndarray, colours: np.ndarray | None = None, reach: float = .128,
             left: bool = False) -> np.ndarray:
        """(size, size, 3) uint8 of vertices (N, 3) seen so that `reach` metres around the palm's middle fill the picture."""
        faces = self.model.faces[:, ::-1] if left else self.model.faces
        colours = self.model.albedo if colours is None else colours
        normals = np.asarray(trimesh.Trimesh(vertices, faces, process=False).vertex_normals)
        if self.textured:
            vertices, normals, faces, colours = self._divided(vertices, normals, left)
        lit = linear_to_srgb(srgb_to_linear(colours) * shading(normals @ view.T, LIGHT))
        at = (vertices - (0, .055, -.008)) @ view.T @ TO_CAMERA + (0, 0, reach / np.tan(np.radians(7)))
        mesh = Mesh(at, faces, lit)
        return self.renderer.render([mesh], self.camera, np.full((self.size, self.size, 3), (140, 147, 152), np.uint8))[0]

    def _divided(self, vertices: np.ndarray, normals: np.ndarray, left: bool) -> tuple[np.ndarray, ...]:
        """The mesh cut along the texture's seams and divided twice, with the texture's colours."""
        model = self.model
        first = np.zeros(len(model.uv), int)
        first[model.uv_faces.ravel()] = model.faces.ravel()
        data, faces = np.concatenate([vertices[first], model.uv, normals[first]], 1), model.uv_faces
        for _ in range(2):
            data, faces = trimesh.remesh.subdivide(data, faces)
        size = np.array(self.picture.shape[1::-1])
        at = (data[:, 3:5] * (1, -1) + (0, 1)) * size - .5
        colours = cv2.remap(self.picture, at[:, None, :1].astype(np.float32), at[:, None, 1:].astype(np.float32), cv2.INTER_LINEAR)[:, 0]
        normals = data[:, 5:] / np.linalg.norm(data[:, 5:], axis=1, keepdims=True)
        return data[:, :3], normals, (faces[:, ::-1] if left else faces), colours


def pose_of(model: HandModel, degrees: dict[str, float] | None) -> np.ndarray:
    """Pose (16, 3) of named angles."""
    if degrees is None:
        return model.pose_of(model.coefficient_mean)
    coefficients = np.zeros(len(model.coefficient_names))
    for name, angle in degrees.items():
        coefficients[model.coefficient_names.index(name)] = np.radians(angle)
    return model.pose_of(coefficients)


def _save(path: Path, rows: list[list[np.ndarray]]) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(np.concatenate([np.concatenate(r, 1) for r in rows], 0), cv2.COLOR_RGB2BGR))
    print(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path('out/hand'))
    parser.add_argument('--size', type=int, default=300)
    parser.add_argument('--texture', action='store_true')
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    model = HandModel.load()
    studio, zero = Studio(model, options.size, options.texture), np.zeros(10)

    rows = [[studio.draw(model.posed(pose_of(model, degrees), zero)[0], view) for view in VIEWS] for degrees in POSES.values()]
    left = model.posed(pose_of(model, POSES['pinch']), zero, 'left')[0]
    rows.append([studio.draw(left, view, left=True) for view in VIEWS])
    half = (len(rows) + 1) // 2
    rows += [[np.full_like(rows[0][0], 140)] * len(VIEWS)] * (2 * half - len(rows))
    _save(options.out / 'poses.png', [a + b for a, b in zip(rows[:half], rows[half:])])

    rest, studio = pose_of(model, {}), Studio(model, options.size, False)
    seen = [(k, v) for k in range(10) for v in (0, 2) if k == 0 or v == 0]
    _save(options.out / 'shapes.png', [
        [studio.draw(model.posed(rest, sigma * np.eye(10)[k])[0], VIEWS[v], reach=.155) for k, v in seen] for sigma in (-3, 0, 3)])
    _save(options.out / 'tones.png', [
        [studio.draw(model.template, VIEWS[v], np.clip(model.albedo + s * sigma * basis, .02, .98))
         for s in (-2.4, -1, 1, 2.4) for v in (0, 1)]
        for sigma, basis in zip(model.skin_sigma, model.skin_basis)])


if __name__ == '__main__':
    main()
