"""`pred.json` as the servers and scripts of FreiHAND and HO-3D want it."""
from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from app.errors import InputError
from app.outputs.atomic import whole_file
from training.evaluation_answers import Answers
from training.evaluation_sets import EvaluationSet
from training.ho3d import OPENGL, to_ho3d

DIGITS = 6  # of a metre: a thousandth of a millimetre
OFFICIAL_VERTICES = 778


def predictions(chosen: EvaluationSet, answers: Answers) -> tuple[list, list]:
    """[joints, vertices] in the set's order, metres, camera frame. HO-3D: its joint order, and its OpenGL axes for joints and vertices
    alike (S2HAND's own export forgot the vertices). Raises InputError if the contender has no mesh."""
    if answers.joints is None or answers.vertices is None:
        raise InputError('pred.json needs a contender with joints and a mesh: network or refined')
    joints, vertices = answers.joints, answers.vertices
    if chosen.kind == 'ho3d':
        joints, vertices = np.stack([to_ho3d(j) for j in joints]), vertices * OPENGL
    return [np.round(a.astype(float), DIGITS).tolist() for a in joints], [np.round(a.astype(float), DIGITS).tolist() for a in vertices]


def write_predictions(path: Path, chosen: EvaluationSet, answers: Answers) -> str:
    """Write `pred.json`, or a zip with it if `path` ends so. Returns a sentence about it. Raises InputError where the disk refuses."""
    joints, vertices = predictions(chosen, answers)
    text = json.dumps([joints, vertices], separators=(',', ':')).encode()
    with whole_file(path) as file:
        if path.suffix == '.zip':
            with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
                archive.writestr('pred.json', text)
        else:
            file.write(text)
    count = len(vertices[0])
    other = '' if count == OFFICIAL_VERTICES else (
        f'; its meshes have {count} vertices where the official scripts expect MANO\'s {OFFICIAL_VERTICES}, '
        'so only its joints can be scored there')
    return f'{path} written: {len(joints)} hands in the order of {chosen.name}{other}'
