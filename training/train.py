"""`python main.py train CONFIG`: from pictures to a checkpoint, in stages, in one process or several (`torchrun`).

A run that was stopped or killed goes on where its last saved state stands when the same command is given again.
"""
from __future__ import annotations

import argparse
import copy
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import distributed, nn

from app.errors import InputError
from app.outputs.atomic import one_sentence
from models.checkpoint import file_hash, load_checkpoint, save_checkpoint
from models.hand_model import OPEN_HAND, HandModel
from models.s2hand import S2Hand
from training.backgrounds import Backgrounds, default_folder
from training.batches import CropBatches, KeptBatches, Share
from training.board import Board
from training.config import Config, Stage, read_config
from training.crops import Crops, Meshes, Place
from training.data_folder import MANIFEST, data_folder
from training.import_trunk import read_landmark_file, trunk_weights
from training.kept import keep
from training.label_points import DEPTH_SCALE
from training.loop import Batches, Run, StageTraining
from training.objective import frozen_blocks_of
from training.pictures import read_pictures
from training.real import fit_pictures
from training.rendered import Rendered
from training.run_state import Position, load_state, save_state, write_whole
from training.subjects import outlines, unfitted
from training.texture import look_at_all, train_texture
from training.video_sets import clips_of, learns_from_clips, video_batches
from training.video_texture import look_at_clips, train_clip_texture


class Log:
    """Lines to the terminal and to `train.log`, each with the seconds since the start."""

    def __init__(self, folder: Path, silent: bool) -> None:
        with one_sentence(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.path, self.start, self.silent = folder / 'train.log', time.monotonic(), silent

    def __call__(self, line: str) -> None:
        if self.silent:
            return
        line = f'[{time.monotonic() - self.start:6.0f} s] {line}'
        print(line, flush=True)
        with one_sentence(self.path), open(self.path, 'a') as file:
            file.write(line + '\n')


def start_network(config: Config, hand: HandModel) -> S2Hand:
    """The network before training: a checkpoint's, or new heads on the trunk's own weights or on random ones. Raises InputError."""
    torch.manual_seed(config.seed)
    if config.start:
        try:
            network = load_checkpoint(Path(config.start), other_hand=True)
        except ValueError as error:
            raise InputError(str(error)) from error
        if config.encoder != network.encoder_name:
            raise InputError(f'{config.start} has the encoder {network.encoder_name}, the settings want {config.encoder}')
        return network
    try:
        network = S2Hand(config.encoder, hand)
    except ValueError as error:
        raise InputError(f'the training settings: {error}') from error
    if config.encoder == 'landmark':
        load_trunk(network.encoder, config.trunk)
        with torch.no_grad():  # the landmark network's depths are too flat; from here on they are pixels, as x and y are
            for value in (network.encoder.points.weight, network.encoder.points.bias):
                value[2::3] *= DEPTH_SCALE
    return network


def load_trunk(encoder: nn.Module, file: str) -> None:
    """The trunk's weights from a file, or, where that is '', from the hand detector that the set-up assembled. Raises InputError."""
    from app.detector_file import detector_path
    path = Path(file) if file else detector_path()
    try:
        encoder.load_state_dict(load_file(path) if path.suffix == '.safetensors' else trunk_weights(read_landmark_file(path)))
    except Exception as error:  # what reads these files raises almost any exception for cut and foreign ones
        raise InputError(f'{path} has no weights of the trunk ({error}); give a .tflite or .task file of MediaPipe\'s hand landmarks, what '
                         '`python -m training.import_trunk` wrote, or nothing, for the file of the set-up') from error


def cache_folder(config: Config) -> Path:
    """Where fits and kept answers lie; made if need be."""
    folder = Path(config.caches or config.out)
    with one_sentence(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


class Sets:
    """The examples of a run."""

    def __init__(self, config: Config, network: S2Hand, say: Log) -> None:
        self.config, self.network, data = config, network, config.data
        hand, shapes = network.hand, network.hand.shape_rows.shape[0]
        self.clips = clips_of(config, network, cache_folder(config), say)
        first = any(learns_from_clips(stage) for stage in config.stages)
        self.first = copy.deepcopy(network) if first else network  # as the run begins, before what a broken run had learned is read
        manifest = Path(data.manifest) if data.manifest else data_folder(MANIFEST) / MANIFEST
        rendered = Rendered(Path(data.renders), network.size, data.rendered, hand) if data.rendered else None
        self.train = self.crops('train', manifest, data.fits, rendered, say)
        self.validation = {'real': self.crops('val', manifest, False, None, say)}
        if data.rendered_validation:
            exact = Rendered(Path(data.rendered_validation), network.size, 10 ** 9, hand)
            self.validation['rendered'] = Crops([], [], exact, network.size, shapes, 0)
        say(f'{self.train.real} crops of {len(self.train.pictures)} real pictures, {len(rendered) if rendered else 0} rendered ones, '
            f'{self.train.empty} places without a hand in an epoch')

    def crops(self, split: str, manifest: Path, fits: bool, rendered: Rendered | None, say: Log) -> Crops:
        """The crops of a split."""
        config, network, data = self.config, self.network, self.config.data
        pictures = read_pictures(split, manifest, any_licence=not data.open_only)
        if not pictures and not rendered:
            raise InputError(f'{manifest} has no usable picture of the split {split!r}; label pictures for it (`python main.py label`)')
        meshes = None
        if fits and pictures:
            kept = cache_folder(config) / f'fits-{split}.npz'
            fitted, subjects = fit_pictures(pictures, network.hand, network.size, data.fit_steps, kept)
            say(f'{split}: {len(pictures)} pictures; fits are {100 * np.median(fitted.error):.2f} % of the box off (median)')
            meshes = Meshes(outlines(fitted, subjects, network.hand), network.hand.faces.numpy())
        else:
            subjects = unfitted(pictures, network.hand, network.size)
        learning = split == 'train'
        backgrounds = Backgrounds(default_folder()) if learning else None
        return Crops(pictures, subjects, rendered, network.size, network.hand.shape_rows.shape[0], config.seed, data if learning else None,
                     backgrounds, meshes)

    def batches(self, crops: Crops, stage: Stage, what: str) -> Batches:
        """A stage's way to the crops: kept answers of frozen blocks, or crops drawn anew."""
        config, blocks = self.config, frozen_blocks_of(stage, self.network.encoder)
        if learns_from_clips(stage):
            return video_batches(self, crops, stage, blocks, what, cache_folder(config))
        if not stage.keep:
            return CropBatches(crops, config.data.workers)
        if not blocks:
            raise InputError(f'stage {stage.name}: keep = true needs frozen_blocks; nothing is frozen')
        draw, learning = (stage.draw, True) if crops.data else (0, False)
        return KeptBatches(keep(crops, self.network.encoder, blocks, cache_folder(config), what, config.data.workers, draw, rough=learning))


def checked(stage: Stage, device: torch.device) -> Stage:
    """The stage, if it can run. Raises InputError where its settings contradict each other or the machine."""
    weights = stage.losses
    if not stage.steps and not stage.epochs:
        raise InputError(f'stage {stage.name}: steps or epochs say how long it is; both are 0')
    if stage.keep and (weights.photometric or weights.outliers or weights.smoothness):
        raise InputError(f'stage {stage.name}: photometric, outliers and smoothness need the crops, which keep = true does without')
    if stage.precision == 'fp16' and device.type != 'cuda':
        raise InputError(f'stage {stage.name}: precision fp16 needs a GPU; take bf16 or float32')
    return stage


def processes() -> Share:
    """This process's place in a `torchrun`; alone without one."""
    if 'RANK' not in os.environ:
        return Share()
    patience = timedelta(hours=4)  # the others wait while the first one keeps answers
    distributed.init_process_group('nccl' if torch.cuda.is_available() else 'gloo', timeout=patience)
    return Share(distributed.get_rank(), distributed.get_world_size())


@contextmanager
def first_alone(share: Share) -> Iterator[None]:
    """The first process goes ahead and leaves files that the others then find."""
    if share.rank:
        distributed.barrier()
    yield
    if share.world > 1 and not share.rank:
        distributed.barrier()


def device_of(share: Share) -> torch.device:
    """The GPU of this process if there is one, else the CPU."""
    if not torch.cuda.is_available():
        return torch.device('cpu')
    torch.cuda.set_device(int(os.environ.get('LOCAL_RANK', share.rank)))
    return torch.device('cuda', torch.cuda.current_device())


def stop_on_request(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def train(config: Config) -> Path:
    """Run all stages that are left; returns the checkpoint's path."""
    signal.signal(signal.SIGTERM, stop_on_request)  # a polite kill saves the state, as Ctrl-C does
    torch.set_num_threads(config.threads)
    share, out = processes(), Path(config.out)
    say, device = Log(out, share.rank > 0), device_of(share)
    stages = [checked(stage, device) for stage in config.stages]
    checkpoint, hand_hash = out / f'{config.name}.safetensors', file_hash(OPEN_HAND)
    state = load_state(out / 'state.pt', config)
    position = Position(**state['position']) if state else Position()
    network = start_network(config, HandModel.load())
    if position.stage > len(stages):
        say(f'this run is finished; delete {out / "state.pt"} to train anew')
        return checkpoint
    if share.rank == 0:
        write_whole(out / 'settings.json', json.dumps(asdict(config), indent=1).encode())
    with first_alone(share):
        sets = Sets(config, network, say)

    def save(measured: nn.Module) -> None:
        try:
            save_checkpoint(measured, checkpoint, config.name, hand_hash)
        except OSError as error:
            raise InputError(f'{checkpoint} cannot be written ({error.strerror or error}): free some space or choose another folder; '
                             'what stood there before is as it was') from error

    val = sets.validation['real']
    step = max(1, len(val) // max(config.panels, 1))
    shown = np.stack([val[Place(0, i)][0] for i in range(0, len(val), step)][:config.panels]) if config.panels else np.zeros((0, 3, 1, 1))
    board = Board(None if share.rank else out / 'board', shown)
    network.to(device, memory_format=torch.channels_last)  # on CPUs depthwise convolutions are several times faster so
    run = Run(config, network, say, board, save, share, position, state)
    if state:
        at = stages[position.stage].name if position.stage < len(stages) else 'the texture'
        say(f'going on with {at}, epoch {position.epoch + 1}, step {position.step + 1}')
        network.load_state_dict(state['network'])
    for number in range(position.stage, len(stages)):
        stage = stages[number]
        with first_alone(share):
            validation = {name: sets.batches(crops, stage, f'{name}-validation') for name, crops in sets.validation.items()}
            batches = sets.batches(sets.train, stage, 'training')
        StageTraining(run, stage, batches).run_all(validation)
        position.stage, position.epoch, position.step = number + 1, 0, 0
        if share.rank == 0:
            save_state(run.state_path, config, position, {'network': network.state_dict()})
    if config.texture.epochs and share.rank == 0:
        network.to('cpu')  # looking at the pictures is most of the work
        seen = look_at_all(network, sets.train.pictures, config.texture.real, Path(config.data.renders),
                           config.texture.rendered if config.data.rendered else 0)
        train_texture(network.texture_light_from_low, network.hand, seen, config.texture, config.seed, say)
        save(network)
    if config.video.texture.steps and share.rank == 0:
        network.to('cpu')
        stills = look_at_all(network, sets.train.pictures, config.texture.real, Path(config.data.renders),
                             config.texture.rendered if config.data.rendered else 0)
        clips, windows = look_at_clips(network, sets.clips, config.video.texture, config.seed)
        train_clip_texture(network, stills, clips, windows, config, say)
        save(network)
    if share.rank == 0:
        position.stage = len(stages) + 1
        save_state(run.state_path, config, position, {'network': network.state_dict()})
    say(f'{checkpoint} written')
    if share.world > 1:
        distributed.destroy_process_group()
    return checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', type=Path, help='settings of the run (TOML); training/lite.toml makes the network that ships')
    parser.add_argument('--out', help="another folder than the settings' own")
    parser.add_argument('--name', help='another name of the checkpoint')


def run(options: argparse.Namespace) -> int:
    config = read_config(options.config)
    train(replace(config, out=options.out or config.out, name=options.name or config.name))
    return 0
