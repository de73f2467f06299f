"""Checkpoints of the network: safetensors, float16, with a header that says what they are."""
from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save

from models.hand_model import OPEN_HAND, HandModel
from models.s2hand import S2Hand

VERSION = '1'


def file_hash(path: Path) -> str:
    """sha256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_checkpoint(network: S2Hand, path: Path, name: str, hand_hash: str) -> None:
    """Write the learned numbers to `path`, whole or not at all. The hand model is not inside; the sha256 of its file is. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {key: (value.half() if value.is_floating_point() else value).contiguous() for key, value in network.state_dict().items()}
    unfinished = path.with_suffix('.part')
    data = save(state, {'name': name, 'encoder': network.encoder_name, 'version': VERSION, 'hand_model': hand_hash})
    try:
        unfinished.write_bytes(data)
        unfinished.rename(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


def read_header(path: Path) -> dict[str, str]:
    """Name, encoder, version and the hand model's hash. Raises ValueError if the file is no checkpoint of this network and version."""
    try:
        with safe_open(path, 'pt') as file:
            header = file.metadata() or {}
    except Exception as error:  # safetensors raises its own error, and OSError, for cut or foreign files
        raise ValueError(f'{path} is not a readable checkpoint; train or download it anew') from error
    missing = {'name', 'encoder', 'version', 'hand_model'} - header.keys()
    if missing:
        raise ValueError(f'{path} is not an S2HAND checkpoint of this program: its header lacks {", ".join(sorted(missing))}')
    if header['version'] != VERSION:
        raise ValueError(f'{path} is a checkpoint of version {header["version"]}, and this program reads version {VERSION}; train it anew, '
                         'or use the program that wrote it')
    return header


def load_checkpoint(path: Path, hand_path: Path = OPEN_HAND, *, other_hand: bool = False) -> S2Hand:
    """The network of a checkpoint, ready to answer. Raises ValueError if it is broken or was trained for another hand model.

    `other_hand` accepts another hand model of the same sizes; heads that do not fit are left as new (to train further).
    """
    header = read_header(path)
    if header['hand_model'] != file_hash(hand_path) and not other_hand:
        raise ValueError(f'{path} was trained for another hand model than {hand_path.name}; run the training again')
    network = S2Hand(header['encoder'], HandModel.load(hand_path))
    state = {key: value.float() if value.is_floating_point() else value for key, value in load_file(path).items()}
    if other_hand:
        wanted = network.state_dict()
        state = {key: state[key] if key in state and state[key].shape == value.shape else value for key, value in wanted.items()}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f'{path} does not fit this network: {error}') from error
    return network.eval()
