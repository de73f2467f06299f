"""A snapshot of the live window: the picture with and without the hands, each hand as a textured mesh, and its numbers.

    <folder>/<source> snapshot <date> <time>/   picture.png  clean.png  right.obj + .mtl + .png  left.obj + .mtl + .png  hands.json
"""
from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from app.errors import InputError
from app.hand_model import HandModel
from app.live.events import SnapshotSaved
from app.live.recorder import title
from app.live.shown import Inferred
from app.outputs.atomic import one_sentence, sentence, temporary_name, whole_file
from app.outputs.finite import finite_hands
from app.outputs.folder import dated_folder
from app.outputs.obj import ObjText, material
from app.outputs.picture import write_picture
from app.outputs.report import versions, write_json
from app.types import Hand


def save_snapshot(folder: Path, inferred: Inferred, overlay: np.ndarray, model: HandModel) -> SnapshotSaved:
    """Write a new folder inside `folder`; it gets its name when it is whole. Takes some tenths of a second, so not on a thread that draws.

    `overlay` (H, W, 3) uint8 RGB is the frame with its hands, not mirrored. Hands that were lost and only
    fade out are left out, and so are those with numbers that are not finite.
    Raises InputError where the disk refuses; then nothing is left of it.
    """
    source = inferred.captured.source
    final = dated_folder(Path(folder), f'{title(source)} snapshot')  # empty, it keeps the name
    part = temporary_name(final)
    try:
        with one_sentence(final):
            part.mkdir()
        files = _write(part, inferred, overlay, model)
        with one_sentence(final):
            final.rmdir()
            part.replace(final)
    except BaseException as error:
        for left in (part, final):
            with suppress(OSError):
                shutil.rmtree(left)
        if isinstance(error, InputError) and isinstance(error.__cause__, OSError):
            raise InputError(sentence(error.__cause__, final)) from error  # the person knows that folder, not the one it was built in
        raise
    return SnapshotSaved(final, files)


def named_hands(hands: Iterable[Hand]) -> dict[str, Hand]:
    """File names for hands: right, left, and right_2 for a second one of that side."""
    names: dict[str, Hand] = {}
    for hand in hands:
        name, number = hand.side, 1
        while name in names:
            number += 1
            name = f'{hand.side}_{number}'
        names[name] = hand
    return names


def _write(part: Path, inferred: Inferred, overlay: np.ndarray, model: HandModel) -> tuple[str, ...]:
    from app.outputs.texture_map import texture_map  # loads scipy, which the window does not need to start

    frame, source = inferred.captured.frame, inferred.captured.source
    write_picture(part / 'picture.png', overlay)
    write_picture(part / 'clean.png', frame.image)
    hands = named_hands(finite_hands(inferred.found))
    files = ['picture.png', 'clean.png']
    text = ObjText(model.faces, model.uv, model.uv_faces)
    for name, hand in hands.items():
        write_picture(part / f'{name}.png', texture_map(model).bake(hand.colours))
        for ending, data in (('mtl', material(name, f'{name}.png').encode('ascii')), ('obj', text(hand, f'{name}.mtl', name))):
            with whole_file(part / f'{name}.{ending}') as file:
                file.write(data)
        files += [f'{name}.obj', f'{name}.mtl', f'{name}.png']
    camera = inferred.intrinsics
    write_json(part / 'hands.json', {
        'source': source.name, 'frame': frame.index, 'time': frame.time, 'width': frame.image.shape[1], 'height': frame.image.shape[0],
        'camera': {'fx': camera.fx, 'fy': camera.fy, 'cx': camera.cx, 'cy': camera.cy, 'metric': camera.metric},
        'axes': 'x right, y down, z forward, metres; quaternions are w, x, y, z; the OBJ files are turned to y up, z towards the viewer',
        'hands': [{'mesh': f'{name}.obj', 'side': hand.side, 'track': hand.track, 'confidence': hand.confidence, 'pose': hand.pose,
                   'shape': hand.shape, 'translation': hand.translation, 'joints_3d': hand.joints_3d, 'joints_2d': hand.joints_2d}
                  for name, hand in hands.items()],
        'hand_model': model.name, 'versions': versions()})
    return (*files, 'hands.json')
