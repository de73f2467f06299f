"""Torch and ONNX Runtime on the same crops and the same poses: how many millimetres apart.

Crops go through the whole graph. They cannot be chosen so that the network answers a certain hand; so the part of the graph that turns the
regressed numbers into a mesh is cut out and fed with extreme hands: no rotation at all, half turns, every joint at and beyond its limits.
"""
from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from app.tracking import TrackingSettings
from models.rotations import axis_angle_to_matrix
from models.s2hand import S2Hand

CLIP = Path(__file__).resolve().parent.parent / 'assets' / 'demo' / 'demo.mp4'
LIMITS_MM = {'fp32': 0.1, 'fp16': 0.5}
NOISE, PICTURES, BATCH = 6, 48, 4
ANSWERS = ('vertices', 'joints_3d', 'points', 'texture')
GEOMETRY = ('vertices', 'joints_3d', 'joints_2d', 'scale', 'translation')
BEYOND = 4.0  # standard deviations of a coefficient


@dataclass(frozen=True)
class Parity:
    """Largest differences between torch and the graph."""

    crops: int  # that count
    crop_mm: float  # of vertices and joints, over the crops
    points_px: float  # of the 2D branch's points
    texture: float  # of 0..1
    poses: int
    pose_mm: float  # of vertices and joints, over the extreme hands

    @property
    def worst_mm(self) -> float:
        return max(self.crop_mm, self.pose_mm)

    def sentence(self) -> str:
        return (f'at most {self.crop_mm:.4f} mm, {self.points_px:.4f} px and {self.texture:.4f} of the texture apart '
                f'over {self.crops} crops; '
                f'at most {self.pose_mm:.4f} mm over {self.poses} extreme hands')


def quiet_session(model: Path | bytes, threads: int = 1) -> ort.InferenceSession:
    """A session on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return ort.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=['CPUExecutionProvider'])


def check_crops(size: int, noise: int = NOISE, pictures: int = PICTURES, seed: int = 0) -> np.ndarray:
    """Crops (B, 3, size, size) float32 in 0..1: noise, and squares out of the bundled clip, from all over it."""
    random = np.random.default_rng(seed)
    crops = list(random.random((noise, 3, size, size), np.float32))
    clip = cv2.VideoCapture(str(CLIP))
    wanted = {*np.linspace(0, clip.get(cv2.CAP_PROP_FRAME_COUNT) - 1, pictures).astype(int).tolist()}
    for number in range(max(wanted, default=-1) + 1):
        read, image = clip.read()
        if not read or number not in wanted:
            continue
        side = int(random.integers(min(image.shape[:2]) // 2, min(image.shape[:2])))
        y, x = (int(random.integers(0, edge - side + 1)) for edge in image.shape[:2])
        square = cv2.resize(image[y:y + side, x:x + side, ::-1], (size, size), interpolation=cv2.INTER_AREA)
        crops.append(square.transpose(2, 0, 1).astype(np.float32) / 255)
    clip.release()
    return np.stack(crops)


def extreme_numbers(network: S2Hand, seed: int = 0) -> Tensor:
    """(B, R) what the regressor could say: hands without any rotation, half turns of the wrist about many axes, every coefficient far
    below and above its mean, shapes, sizes and places at their ends, and all of these at random."""
    decoder, random = network.decoder, np.random.default_rng(seed)
    pose, shape, turn, scale, place = decoder.sizes
    flat = torch.linalg.lstsq(decoder.pose_components.T, -decoder.pose_mean[:, None]).solution[:, 0]
    flat = (flat - decoder.coefficient_mean) / decoder.coefficient_sigma  # all fingers as the hand model has them at rest
    axes = torch.tensor([a for a in product((-1.0, 0.0, 1.0), repeat=3) if any(a)])
    axes = axes / axes.norm(dim=-1, keepdim=True)
    turns = torch.cat([angle * axes for angle in (0.0, 1e-5, 1.0, np.pi - 1e-4, np.pi)])
    rows = torch.cat([six_numbers(turns), six_numbers(torch.zeros(2 * pose + 2, 3))])
    numbers = torch.zeros(len(rows) + 64, sum(decoder.sizes))
    parts = torch.split(numbers, decoder.sizes, 1)
    parts[0][:len(turns)] = flat
    alone = torch.eye(pose) * BEYOND
    parts[0][len(turns):len(rows)] = torch.cat([alone, -alone, torch.full((1, pose), BEYOND), torch.full((1, pose), -BEYOND)])
    parts[2][:len(rows)] = rows
    some = len(rows)
    parts[0][some:] = torch.as_tensor(random.uniform(-BEYOND, BEYOND, (64, pose)))
    parts[1][some:] = torch.as_tensor(random.uniform(-3, 3, (64, shape)))
    parts[2][some:] = six_numbers(torch.as_tensor(random.uniform(-np.pi, np.pi, (64, 3)), dtype=torch.float32))
    parts[3][some:] = torch.as_tensor(random.uniform(-1.5, 1.5, (64, scale)))  # clamped to 1
    parts[4][some:] = torch.as_tensor(random.uniform(-1.0, 1.0, (64, place)))
    return numbers


def six_numbers(axis_angle: Tensor) -> Tensor:
    """Axis-angle (B, 3) -> the first two columns of its matrix (B, 6)."""
    return axis_angle_to_matrix(axis_angle)[..., :2].transpose(1, 2).flatten(1)


def geometry_part(model: onnx.ModelProto) -> onnx.ModelProto:
    """The part of a graph from the last regressed numbers, its new input `raw` (B, R), to the mesh."""
    whole = model.graph
    maker = {name: node for node in whole.node for name in node.output}
    raw = maker['shape'].input[0]
    sizes = next(t for t in whole.initializer if t.name == maker['shape'].input[1])
    width = int(onnx.numpy_helper.to_array(sizes).sum())
    needed, nodes = [*GEOMETRY], []
    seen = {raw, *(t.name for t in whole.initializer), ''}
    for node in whole.node:  # how many crops there are is how many hands there are
        if node.op_type == 'Shape' and node.input[0] == 'crop':
            count = onnx.helper.make_node('Shape', [raw], node.output, name=node.name, start=0, end=1)
            maker[node.output[0]] = count
    while needed:
        name = needed.pop()
        if name in seen:
            continue
        seen.update(maker[name].output)
        nodes.append(maker[name])
        needed += maker[name].input
    kept = {node.output[0]: node for node in nodes}
    used = {name for node in nodes for name in node.input}
    graph = onnx.helper.make_graph(
        [kept[node.output[0]] for node in whole.node if node.output[0] in kept], 'geometry',
        [onnx.helper.make_tensor_value_info(raw, onnx.TensorProto.FLOAT, ['batch', width])],
        [value for value in whole.output if value.name in GEOMETRY], [t for t in whole.initializer if t.name in used])
    return onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


@torch.inference_mode()
def measure_parity(network: S2Hand, graph: onnx.ModelProto, crops: np.ndarray, half: nn.Module | None = None) -> Parity:
    """Compare `network` with its graph on crops (B, 3, S, S) in 0..1 and on extreme hands.

    `half`: the same graph in torch, in half precision, which then counts too: ONNX Runtime on a CPU reckons in float32 and leaves out most
    of the rounding that a GPU does. Then only crops count in which the network sees a hand, if there are any. In others the six numbers
    that a rotation is made of mean nothing; the shorter they come out, the further their last digit turns the hand, without bounds.
    """
    session, presence, apart = quiet_session(graph.SerializeToString()), [], []
    for start in range(0, len(crops), BATCH):
        batch = crops[start:start + BATCH]
        answer = network(torch.from_numpy(batch))
        answers = [session.run(ANSWERS, {'crop': batch})]
        if half is not None:
            rounded = half(torch.from_numpy(batch))
            answers.append([getattr(rounded, name).numpy() for name in ANSWERS])
        presence.append(answer.presence[:, 0].numpy())
        apart.append([np.max([distances(getattr(answer, name).numpy(), other) for other in others], 0)
                      for name, others in zip(ANSWERS, zip(*answers))])
    counted = ~(np.concatenate(presence) < TrackingSettings.presence)  # what the program shows
    if half is None or not counted.any():
        counted[:] = True
    vertices, joints, points, texture = np.concatenate(apart, 1)[:, counted].max(1).tolist()
    part, numbers = geometry_part(graph), extreme_numbers(network)
    posed = network.place(network.decoder.geometry(numbers))[:2]
    found = quiet_session(part.SerializeToString()).run(ANSWERS[:2], {part.graph.input[0].name: numbers.numpy()})
    pose_mm = 1000 * max(float(distances(a.numpy(), b).max()) for a, b in zip(posed, found))
    return Parity(int(counted.sum()), 1000 * max(vertices, joints), points, texture, len(numbers), pose_mm)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(B,) the largest difference in each row of two arrays (B, ...), infinite where something is no number."""
    apart = np.abs(a - b).reshape(len(a), -1).max(1)
    return np.where(np.isnan(apart), np.inf, apart)
