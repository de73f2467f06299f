"""`python main.py train CONFIG`: from pictures to a checkpoint.

The trunk's features are worked out once and kept in the run's folder; then the hand model is fitted to every picture, the regressor learns
on the features, and the texture and light head on the trunk's low-level maps.
"""
from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from app.errors import InputError
from export.trunk_onnx import export_encoder
from models.checkpoint import file_hash, load_checkpoint, save_checkpoint
from models.hand_model import OPEN_HAND, HandModel
from models.s2hand import S2Hand
from training.augment import Jitter
from training.config import Config, read_config
from training.data_folder import MANIFEST, data_folder
from training.examples import Examples, Features, examples_of
from training.features import picture_features
from training.heads import settings_text, train_heads
from training.import_trunk import read_landmark_file, trunk_weights
from training.pictures import Picture, read_pictures
from training.real import fit_pictures
from training.rendered import rendered_examples
from training.texture import look_at_all, train_texture


class Log:
    """Lines to the terminal and to `train.log`, each with the seconds since the start."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.start = folder / 'train.log', time.monotonic()

    def __call__(self, line: str) -> None:
        line = f'[{time.monotonic() - self.start:6.0f} s] {line}'
        print(line, flush=True)
        with open(self.path, 'a') as file:
            file.write(line + '\n')


def start_network(config: Config, hand: HandModel) -> S2Hand:
    """The network before training: a checkpoint's, or the trunk's own weights and new heads."""
    torch.manual_seed(config.seed)
    if config.start:
        network = load_checkpoint(Path(config.start), other_hand=True)
        if config.encoder != network.encoder_name:
            raise InputError(f'{config.start} has the encoder {network.encoder_name}, the settings want {config.encoder}')
    else:
        network = S2Hand(config.encoder, hand)
        if config.encoder == 'landmark':
            network.encoder.load_state_dict(trunk_of(config))
    for part in network.decoder.base_layers:
        if isinstance(part, torch.nn.Dropout):
            part.p = config.heads.dropout
    return network


def trunk_of(config: Config) -> dict[str, torch.Tensor]:
    """The trunk's weights from the settings' file, or from the hand detector that the set-up assembled."""
    if config.trunk.endswith('.safetensors'):
        return load_file(config.trunk)
    if config.trunk:
        return trunk_weights(read_landmark_file(Path(config.trunk)))
    from app.detector_file import detector_path
    return trunk_weights(read_landmark_file(detector_path()))


def weights_hash(encoder: torch.nn.Module) -> str:
    """sha256 of an encoder's weights, so that features kept from another one are never taken for its own."""
    digest = hashlib.sha256()
    for value in encoder.state_dict().values():
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def kept_features(config: Config, pictures: list[Picture], split: str, encoder: str, graph: Path, size: int,
                  jitter: Jitter | None) -> Features:
    """Features of a split's pictures from the run's folder, worked out when they are not there."""
    what = f'{split} {config.data.crops_per_picture if jitter else 1} {jitter} {config.seed} {len(pictures)} {encoder}'
    path = Path(config.out) / f'features-{split}-{hashlib.sha256(what.encode()).hexdigest()[:10]}.npz'
    if path.exists():
        return Features.load(path)
    features = picture_features(pictures, graph, config.data.crops_per_picture, size, jitter, config.seed, config.data.workers)
    features.save(path)
    return features


def train(config: Config) -> Path:
    """Run all steps; returns the checkpoint's path."""
    out = Path(config.out)
    say = Log(out)
    torch.set_num_threads(config.heads.threads)
    hand_hash = file_hash(OPEN_HAND)
    hand = HandModel.load()
    network = start_network(config, hand)
    encoder = weights_hash(network.encoder)
    graph = out / f'encoder-{encoder[:10]}.onnx'
    if not graph.exists():
        export_encoder(network.encoder, graph)
    folder = data_folder(MANIFEST)
    sets: dict[str, Examples] = {}
    all_pictures = {split: read_pictures(split, folder) for split in ('train', 'val')}
    for split, jitter in (('train', config.data.jitter), ('val', None)):
        pictures = all_pictures[split]
        features = kept_features(config, pictures, split, encoder, graph, network.size, jitter)
        steps = config.data.fit_steps if split == 'train' else config.data.fit_steps // 3  # only looked at
        fits, subjects = fit_pictures(pictures, hand, network.size, steps)
        sets[split] = examples_of(features, subjects, network.size)
        apart = 100 * np.median(fits.error)
        say(f'{split}: {len(pictures)} pictures, {len(sets[split])} crops; fits are {apart:.2f} % of the box off (median)')
    if config.data.rendered:
        rendered = rendered_examples(Path(config.data.renders), graph, network.size, config.data.rendered, hand)
        say(f'{len(rendered)} rendered pictures')
        sets['train'] = Examples.join([sets['train'], rendered])
    if config.heads.epochs:
        say(settings_text(config.heads, config.losses))
        train_heads(network, sets['train'], sets['val'], config.heads, config.losses, config.seed, say)
    if config.texture.epochs:
        seen = look_at_all(network, all_pictures['train'], config.texture.real, Path(config.data.renders),
                           config.texture.rendered if config.data.rendered else 0)
        train_texture(network.texture_light_from_low, hand, seen, config.texture, config.seed, say)
    checkpoint = out / f'{config.name}.safetensors'
    save_checkpoint(network, checkpoint, config.name, hand_hash)
    say(f'{checkpoint} written')
    return checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', type=Path, help='settings of the run (TOML); training/lite.toml makes the network that ships')


def run(options: argparse.Namespace) -> int:
    train(read_config(options.config))
    return 0
