"""The settings of a training run: nested dataclasses, read from TOML; every field says what it is."""
from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from app.errors import InputError
from training.augment import Jitter


@dataclass(frozen=True)
class LossWeights:
    """What each term counts; keypoint terms are in parts of the hand box, 3D points in decimetres, angles in radians."""

    location: float = 1.0  # projected joints on detected or true 2D points
    orientation: float = 0.02  # directions of the bones in the picture
    depth: float = 0.2  # relative depths of the detector
    limits: float = 1.0  # anatomical joint limits
    scale: float = 0.2  # size near 1
    shape: float = 0.001  # near the mean hand
    pose: float = 0.0003  # near natural poses
    points_3d: float = 0.5  # joints about the wrist: the fit's, or the truth of rendered pictures
    rotation: float = 0.1  # the wrist's rotation
    fingers: float = 0.05  # rotations of the fingers' joints
    true_shape: float = 0.005  # shape of the fit or truth


@dataclass(frozen=True)
class Data:
    """Where examples come from."""

    crops_per_picture: int = 6  # jittered crops of each real picture
    rendered: int = 12000  # rendered pictures at most; 0: none
    renders: str = 'runs/renders'  # folder of shards that training/renders.py wrote
    fit_steps: int = 300  # steps of the fit of the hand model to each picture
    jitter: Jitter = field(default_factory=Jitter)
    workers: int = 2  # processes that cut crops and work out features


@dataclass(frozen=True)
class Heads:
    """Training of the regressor on fixed features."""

    epochs: int = 14  # 0: the regressor is left as it is
    batch: int = 512
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    dropout: float = 0.1
    threads: int = 2
    rendered_weight: float = 1.0  # of a rendered example against a real one
    early_weight: float = 0.3  # of the answers before the last correction


@dataclass(frozen=True)
class Texture:
    """Training of the texture and light head; the first six are weights of terms."""

    photometric: float = 1.0  # colours under the visible vertices
    outliers: float = 4.0  # what the space of skin tones cannot explain, mean square
    tone: float = 0.002  # skin tones that are likely
    exposure: float = 0.05  # real pictures: well exposed, so that dark hands have dark skin instead of little light
    albedo: float = 0.3  # rendered pictures: the true albedo
    light: float = 0.3  # rendered pictures: the true light on the visible vertices
    epochs: int = 10  # 0: the head is left as it is
    batch: int = 64
    learning_rate: float = 2e-3
    real: int = 2600  # real pictures at most
    rendered: int = 1500  # rendered pictures at most


@dataclass(frozen=True)
class Config:
    """A whole run. `python main.py train CONFIG` reads it from TOML; absent fields keep these values."""

    name: str = 's2hand-lite'
    encoder: str = 'landmark'
    trunk: str = ''  # .tflite or .task file with the trunk's weights; empty: the one that `python main.py setup` assembled
    start: str = ''  # checkpoint to continue from
    out: str = 'runs/s2hand-lite'  # folder for caches, logs and the checkpoint
    seed: int = 1
    data: Data = field(default_factory=Data)
    losses: LossWeights = field(default_factory=LossWeights)
    heads: Heads = field(default_factory=Heads)
    texture: Texture = field(default_factory=Texture)


def from_dict(kind: type, values: dict[str, Any], where: str = '') -> Any:
    """A dataclass of `kind` from nested dicts. Raises InputError for a name or a type it does not know."""
    hints, made = get_type_hints(kind), {}
    for name, value in values.items():
        if name not in hints:
            raise InputError(f'the training settings do not know {where}{name}; known here: {", ".join(f.name for f in fields(kind))}')
        hint = hints[name]
        if is_dataclass(hint):
            if not isinstance(value, dict):
                raise InputError(f'{where}{name} in the training settings must be a table')
            made[name] = from_dict(hint, value, f'{where}{name}.')
        elif isinstance(value, list):
            made[name] = tuple(value)
        elif isinstance(hint, type) and not isinstance(value, (int, float) if hint is float else hint):
            raise InputError(f'{where}{name} in the training settings must be a {hint.__name__}, not {value!r}')
        else:
            made[name] = value
    return kind(**made)


def read_config(path: Path) -> Config:
    """Settings from a TOML file. Raises InputError if it is missing, no TOML, or says something unknown."""
    try:
        return from_dict(Config, tomllib.loads(path.read_text()))
    except OSError as error:
        raise InputError(f'the training settings {path} cannot be read; give the path of a TOML file') from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f'{path} is not TOML: {error}') from error
