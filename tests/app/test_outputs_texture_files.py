"""texture_0_right.png: there when a run ends well, readable before, and nothing when it does not."""
from __future__ import annotations

import cv2
import numpy as np
import pytest

from app.errors import InputError
from app.hand_model import HandModel
from app.outputs.folder import remove_others
from app.outputs.meshes import MeshWriter
from app.outputs.progress_lines import Passes
from app.outputs.texture_files import TextureFiles
from tests.app.made_hands import made_frame, made_hand

MODEL = HandModel.load()
PICTURE = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_textures_get_their_names_at_the_end_and_are_read_before(tmp_path):
    with TextureFiles(tmp_path) as textures:
        textures.add(3, 'left', PICTURE)
        assert textures.names == {'texture_3_left.png'} and not (tmp_path / 'texture_3_left.png').exists()
        assert np.array_equal(textures.picture(3, 'left'), PICTURE) and textures.png(3, 'right') is None
    assert names(tmp_path) == ['texture_3_left.png']
    assert np.array_equal(cv2.imread(str(tmp_path / 'texture_3_left.png'))[..., ::-1], PICTURE)


@pytest.mark.parametrize('publish', [True, False])
def test_a_run_that_fails_or_keeps_no_textures_leaves_none(tmp_path, publish):
    try:
        with TextureFiles(tmp_path, publish) as textures:
            textures.add(0, 'right', PICTURE)
            if publish:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert names(tmp_path) == []


def test_a_full_disk_is_one_sentence(small_disk):
    noise = np.random.default_rng(0).integers(0, 255, (1024, 1024, 3), np.uint8)
    with pytest.raises(InputError, match='disk is full'), TextureFiles(small_disk) as textures:
        textures.add(0, 'right', noise)
    assert names(small_disk) == []


def test_meshes_get_the_texture_of_their_track_and_others_a_baked_one(tmp_path):
    with TextureFiles(tmp_path) as textures:
        textures.add(0, 'right', PICTURE)
        with MeshWriter(tmp_path / 'meshes', MODEL.faces, atlas=MODEL, textures=textures) as writer:
            writer.write(made_frame(0), [made_hand(MODEL), made_hand(MODEL, 1, 1, 'left')])
    assert names(tmp_path / 'meshes') == ['000000_left.obj', '000000_right.obj', 'hand_0_right.png', 'hand_1_left.png', 'hands.mtl']
    assert (tmp_path / 'meshes' / 'hand_0_right.png').read_bytes() == (tmp_path / 'texture_0_right.png').read_bytes()


def test_textures_of_an_earlier_run_go(tmp_path):
    for name in ('texture_0_right.png', 'texture_1_left.png', 'mine.png'):
        (tmp_path / name).write_bytes(b'')
    remove_others(tmp_path, {'texture_1_left.png'})
    assert names(tmp_path) == ['mine.png', 'texture_1_left.png']


@pytest.mark.parametrize('total', [10, None])
def test_one_bar_runs_once_through_the_frames_of_several_passes(total):
    class Bar:
        done = 0

        def update(self, count):
            assert count > 0
            self.done += count

    bar = Bar()
    passes = Passes(bar, {'first': 0.7, 'second': 0.3}, total)
    for _ in range(10):
        passes.tell('first', 1)
    assert bar.done == 7
    for _ in range(10):
        passes.tell('second', 1)
    assert bar.done == 10
