"""The state of a run, written now and then, so that a killed run goes on as if nothing had happened."""
from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from app.errors import InputError
from training.config import Config


@dataclass
class Position:
    """Where a run is: `step` steps of epoch `epoch` of stage `stage` are done."""

    stage: int = 0
    epoch: int = 0
    step: int = 0


def settings_of(config: Config) -> str:
    """What decides the result, as text; a state belongs to exactly one. How the machine is used may change in between."""
    settings = asdict(replace(config, threads=0, save_minutes=0.0, panels=0, measure_every=1, data=replace(config.data, workers=0)))
    return json.dumps(settings, sort_keys=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under another name first. Raises InputError when the disk does not take it; what stood there before stays."""
    unfinished = path.with_name(path.name + '.part')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(data)
        unfinished.rename(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        kept = f'; the last good one, {path}, is as it was' if path.exists() else ''
        raise InputError(f'{path} cannot be written ({error.strerror or error}): free some space or choose another folder{kept}') from error


def save_state(path: Path, config: Config, position: Position, parts: dict[str, Any]) -> None:
    """Write the state: `parts` are state dicts by name."""
    file = io.BytesIO()
    torch.save({'settings': settings_of(config), 'position': asdict(position), 'random': torch.get_rng_state(), **parts}, file)
    write_whole(path, file.getvalue())


def load_state(path: Path, config: Config) -> dict[str, Any] | None:
    """The state in `path`, None if there is none. Raises InputError if it cannot be read or belongs to other settings."""
    if not path.exists():
        return None
    try:
        state = torch.load(path, weights_only=True, map_location='cpu')
        settings = state['settings']
    except Exception as error:  # torch raises several kinds for cut and foreign files
        raise InputError(f'the state of the run, {path}, cannot be read; delete it to start the run anew') from error
    if settings != settings_of(config):
        raise InputError(f'{path} belongs to a run with other settings; give another folder (`out`), or delete it to start anew')
    return state
