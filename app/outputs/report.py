"""`report.json`, what a run did and how fast, and `settings.json`, with what settings."""
from __future__ import annotations

import dataclasses
import json
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from app.outputs.atomic import whole_file

PACKAGES = ('numpy', 'onnxruntime', 'onnxruntime-gpu', 'openvino', 'mediapipe', 'opencv-python', 'av', 'pillow', 'trimesh', 'pyrender')


@dataclass(frozen=True)
class Report:
    """The numbers of one run."""

    frames: int  # that were read
    frames_with_hand: int
    fps: float | None  # frames per second of the whole run, None for none
    stage_ms: dict[str, dict[str, float]]  # stage -> {'p50': ms, 'p95': ms} a frame
    reprojection_px: float | None  # mean distance between projected joints and detected points; None without a hand
    reprojection_percent: float | None  # the same, of the hand-box side
    provider: str  # what the network really ran on
    model: str  # name of the hand model and of the network
    versions: dict[str, str]
    sequence: Any = None  # what was done to the clip as a whole (`SequenceReport`); None for one pass over it
    warnings: tuple[str, ...] = ()  # sentences: what could not be read, and the like
    pictures: dict[int, str] | None = None  # number of the frame -> file name, of pictures that are no sequence


def stage_percentiles(samples: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Milliseconds of each frame, per stage -> {'p50', 'p95'} per stage; stages without a sample are left out."""
    return {stage: {f'p{q}': round(float(np.percentile(ms, q)), 3) for q in (50, 95)} for stage, ms in samples.items() if len(ms)}


def versions() -> dict[str, str]:
    """Versions of Python, the system and the packages that decide the result."""
    found = {'python': platform.python_version(), 'system': f'{platform.system()} {platform.machine()}'}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def write_report(path: Path, report: Report) -> None:
    """Write the report as JSON; numbers that are not finite become null. Raises InputError where the disk refuses."""
    write_json(path, dataclasses.asdict(report))


def write_settings(path: Path, settings: Any) -> None:
    """Write settings (a dataclass or a dictionary, nested as they like) as JSON. Raises InputError where the disk refuses."""
    write_json(path, settings)


def write_json(path: Path, content: Any) -> None:
    """Write readable, strictly valid JSON, whole or not at all. Raises InputError where the disk refuses."""
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + '\n'
    with whole_file(path) as file:
        file.write(text.encode('utf-8'))


def _plain(value: Any) -> Any:
    """Dataclasses, paths and numpy values as JSON knows them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
