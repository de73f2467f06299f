"""The settings of a training run: nested dataclasses, read from TOML; every field says what it is."""
from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from app.errors import InputError
from training.augment import Augment, Jitter


@dataclass(frozen=True)
class LossWeights:
    """What each term counts; keypoint terms are in parts of the hand box, 3D points in decimetres, angles in radians."""

    location: float = 1.0  # projected joints on detected or true 2D points
    orientation: float = 0.02  # directions of the bones in the picture
    limits: float = 1.0  # anatomical joint limits
    scale: float = 0.2  # size near 1
    shape: float = 0.001  # near the mean hand
    pose: float = 0.0003  # near natural poses
    depth: float = 0.2  # relative depths of the detector
    branch: float = 0.0  # 2D keypoint branch on detected or true 2D points
    branch_depth: float = 0.0  # its depths on the detector's or true ones
    presence: float = 0.0  # whether there is a hand, and whether it is a right one
    consistency: float = 0.0  # projected joints and 2D branch on each other
    photometric: float = 0.0  # the rendered hand on the picture, inside its outline: L1 and a fifth of 1 - SSIM
    outliers: float = 0.0  # colours of the texture far from the hand's mean
    smoothness: float = 0.0  # a mesh without bumps
    points_3d: float = 0.5  # joints about the wrist: the fit's, or the truth of rendered pictures
    aligned_3d: float = 0.0  # the same once moved, turned and scaled onto it, as PA-MPJPE measures
    rotation: float = 0.1  # the wrist's rotation, of the fit or truth
    fingers: float = 0.05  # rotations of the fingers' joints, of the fit or truth
    true_shape: float = 0.005  # shape of the fit or truth


@dataclass(frozen=True)
class VideoWeights:
    """What each term of clips counts (`training/video_losses.py`); all 0: none is worked out."""

    same_shape: float = 0.0  # shapes of a clip agree; squares of standard deviations
    same_scale: float = 0.0  # and sizes; squared logarithms
    same_bones: float = 0.0  # and lengths of bones; squared logarithms
    motion_fingers: float = 0.0  # fingers turn evenly between neighbouring frames; the motion terms are in 0..1
    motion_root: float = 0.0  # and so does the wrist, in the camera of the frame
    motion_wrist: float = 0.0  # and it moves evenly
    tremble_joints: float = 0.0  # clips without truth: joints of four frames in a row lie on a curve; metres
    tremble_wrist: float = 0.0  # and so does the wrist
    same_joints: float = 0.0  # crops of one picture have the same joints about the wrist; metres
    first_fingers: float = 0.0  # fingers bend as the network answered when the run began; squared radians
    first_shape: float = 0.0  # and the shape is the mean of those that it gave to the person; squares of standard deviations
    true_joints: float = 0.0  # rendered clips: joints about the wrist move as the true ones do; metres
    true_wrist: float = 0.0  # rendered clips: and so does the wrist


@dataclass(frozen=True)
class VideoTexture:
    """Training of the texture and light head on clips, after the stages; the stills are those of `Texture`, whose terms stay in."""

    steps: int = 0  # 0: none
    same: float = 2.0  # weight: albedos of a clip agree
    cross: float = 0.5  # weight: the albedo of another frame under this one's light on this one's picture
    true: float = 0.3  # weight: rendered clips: the true albedo
    learning_rate: float = 1e-3
    stills: int = 24  # in a batch
    windows: int = 4  # in a batch
    length: int = 6  # frames of a window
    apart: float = 0.1  # seconds from one of its frames to the next
    frames: int = 1200  # of all clips at most
    say_every: int = 50  # steps between two lines


@dataclass(frozen=True)
class Video:
    """Clips beside the stills of a run."""

    clips: tuple[str, ...] = ()  # folders of training/clip_labels.py and training/rendered_clips.py; empty: no clips
    length: int = 8  # frames of a window
    stride: int = 4  # frames from the start of one window to that of the next
    rate: float = 0.0  # frames a second that a window takes at most; 0: all
    draws: int = 2  # how often each clip is drawn; all frames of a draw are turned, sized, coloured and blurred alike
    windows: int = 8  # in a batch
    people: int = 6  # groups of stills of one person in a batch, who share a shape
    shown: int = 4  # stills or frames in a group
    apart: int = 0  # groups of frames from anywhere in the clips of one person in a batch, who share a shape too
    views: int = 0  # pairs of crops of one picture in a batch; and windows of clips, drawn twice or more, then come in pairs anyway
    largest: int = 300  # a session with more stills is not taken for one person
    stills: int = 24000  # crops of stills at most, half of them rendered ones where there are so many
    settle: float = 0.0  # what differences within a person count while the shape head learns alone, first (`training/video_shape.py`)
    texture: VideoTexture = field(default_factory=VideoTexture)


@dataclass(frozen=True)
class Data:
    """Where examples come from."""

    manifest: str = ''  # what `python main.py label` wrote; empty: pictures.jsonl in $S2HAND_DATA
    open_only: bool = False  # of the training pictures, only those whose licence lets the weights be passed on
    crops_per_picture: int = 6  # jittered crops of each real picture in an epoch
    fits: bool = True  # fit the hand model to every real picture, as extra supervision
    fit_steps: int = 300  # steps of that fit
    rendered: int = 12000  # rendered pictures at most; 0: none
    renders: str = 'runs/renders'  # folder of shards that training/renders.py wrote
    rendered_validation: str = ''  # folder of shards to measure on; empty: none
    flipped: float = 0.05  # part of the real crops that show a left hand, for the side
    empty: float = 0.05  # part of the crops without a hand, for the presence
    jitter: Jitter = field(default_factory=Jitter)
    augment: Augment = field(default_factory=Augment)
    workers: int = 2  # processes that cut crops; 0: none beside the training itself


@dataclass(frozen=True)
class Stage:
    """One leg of the training. Stages follow each other; each goes on from the weights of the one before."""

    name: str = 'geometry'
    parts: tuple[str, ...] = ('decoder',)  # what learns: encoder, branch, decoder, texture
    frozen_blocks: int = 0  # the encoder's first blocks stay as they are (-1: all)
    keep: bool = False  # work the frozen blocks out once and keep their answers; crops are then drawn once, `crops_per_picture` of each
    draw: int = 0  # of kept crops: another number draws them anew
    epochs: int = 14
    steps: int = 0  # the stage ends after so many steps, whatever `epochs` says; 0: after its epochs
    batch: int = 256
    learning_rate: float = 1e-3
    encoder_rate: float = 1.0  # the encoder's and branch's learning rate over that of the rest
    weight_decay: float = 1e-2
    schedule: Literal['cosine', 'step', 'constant'] = 'cosine'
    warm_up: float = 0.05  # part of the stage in which the learning rate rises
    milestones: tuple[float, ...] = (0.5, 0.75)  # parts of the stage at which schedule 'step' divides the learning rate
    divide_by: float = 2.0  # by how much
    precision: Literal['float32', 'bf16', 'fp16'] = 'float32'  # of the encoder; fp16 needs a GPU
    ema: float = 0.0  # decay of the running mean of the weights, which is what is measured and saved; 0: none
    dropout: float = 0.1
    early_weight: float = 0.3  # of the answers before the last correction
    rendered_weight: float = 1.0  # of a rendered example against a real one
    clip: float = 1.0  # longest gradient
    render_size: int = 112  # side of the pictures that the photometric terms compare
    losses: LossWeights = field(default_factory=LossWeights)
    video: VideoWeights = field(default_factory=VideoWeights)


@dataclass(frozen=True)
class Texture:
    """Training of the texture and light head; the first eight are weights of terms."""

    photometric: float = 1.0  # the drawn mesh against the picture, where it likely shows the hand
    explained: float = 0.3  # tone and light explain as much of the pixels as they can
    tone: float = 0.002  # skin tones that are likely
    exposure: float = 0.03  # real pictures: well exposed, so that dark hands have dark skin instead of little light
    albedo: float = 0.3  # rendered pictures: the true albedo
    light: float = 0.3  # rendered pictures: the true light on the visible vertices
    meets: float = 0.1  # rendered pictures: which pixels show the skin of the vertex that lies over them
    trust: float = 0.1  # rendered pictures: which of them without cast shadow and highlight
    epochs: int = 6  # 0: the head is left as it is
    batch: int = 48
    learning_rate: float = 3e-3
    real: int = 2000  # real pictures at most
    rendered: int = 2500  # rendered pictures at most


@dataclass(frozen=True)
class Config:
    """A whole run. `python main.py train CONFIG` reads it from TOML; absent fields keep these values."""

    name: str = 's2hand-lite'
    encoder: str = 'landmark'
    trunk: str = ''  # .tflite or .task file with the trunk's weights; empty: the one that `python main.py setup` assembled
    start: str = ''  # checkpoint to continue from
    out: str = 'runs/s2hand-lite'  # folder for logs and checkpoints
    caches: str = ''  # folder for fits and kept answers, which several runs may share; empty: `out`
    seed: int = 1
    threads: int = 2  # of torch, in each process
    save_minutes: float = 5.0  # how often the state of the run is saved, besides each epoch's end
    panels: int = 8  # validation pictures shown in TensorBoard with the figures
    measure_every: int = 1  # epochs between figures on the validation pictures; the last epoch of a stage always has some
    data: Data = field(default_factory=Data)
    video: Video = field(default_factory=Video)
    stages: tuple[Stage, ...] = (Stage(),)
    texture: Texture = field(default_factory=Texture)


LEAST = {'frozen_blocks': -1, 'threads': 1, 'measure_every': 1, 'say_every': 1, 'crops_per_picture': 1, 'fit_steps': 1, 'batch': 1,
         'render_size': 16, 'divide_by': 1, 'clip': 1e-6, 'real': 1, 'length': 2, 'stride': 1, 'draws': 1, 'shown': 2, 'frames': 1,
         'stills': 1, 'sharpest': 0.1, 'Jitter.scale': 0.01, 'VideoTexture.apart': 0.001}  # of all other numbers: 0
BELOW_ONE = 'ema', 'dropout', 'warm_up', 'flipped', 'empty'


def from_dict(kind: type, values: dict[str, Any], where: str = '') -> Any:
    """A dataclass of `kind` from nested dicts. Raises InputError for a name, a type or a number that cannot be."""
    hints, made = get_type_hints(kind), {}
    for name, value in values.items():
        if name not in hints:
            raise InputError(f'the training settings do not know {where}{name}; known here: {", ".join(f.name for f in fields(kind))}')
        made[name] = converted(hints[name], value, f'{where}{name}')
        check_numbers(kind, name, made[name], f'{where}{name}')
    return kind(**made)


def check_numbers(kind: type, name: str, value: Any, where: str) -> None:
    """Raise InputError if a number, or one of several, of the field `name` of `kind` is out of its range."""
    least, below = LEAST.get(f'{kind.__name__}.{name}', LEAST.get(name, 0)), 1.0 if name in BELOW_ONE else math.inf
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, (int, float)) and not least <= number < below:
            limit = f'{least} or more' + (' and less than 1' if below == 1 else '')
            raise InputError(f'{where} in the training settings must be {limit}, not {number!r}')


def converted(hint: Any, value: Any, where: str) -> Any:
    """A value of TOML as what the hint asks for."""
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise InputError(f'{where} in the training settings must be a table')
        return from_dict(hint, value, f'{where}.')
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise InputError(f'{where} in the training settings must be one of {", ".join(get_args(hint))}, not {value!r}')
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise InputError(f'{where} in the training settings must be a list, not {value!r}')
        kinds = get_args(hint)
        if Ellipsis not in kinds and len(value) != len(kinds):
            raise InputError(f'{where} in the training settings must be a list of {len(kinds)}, not {value!r}')
        return tuple(converted(kinds[0], item, where) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise InputError(f'{where} in the training settings must be a {hint.__name__}, not {value!r}')
    return value


def read_config(path: Path) -> Config:
    """Settings from a TOML file. Raises InputError if it is missing, no TOML, or says something unknown."""
    try:
        return from_dict(Config, tomllib.loads(path.read_text()))
    except OSError as error:
        raise InputError(f'the training settings {path} cannot be read; give the path of a TOML file') from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f'{path} is not TOML: {error}') from error
