"""Clips as training sees them: read, cut alike, and sampled in order; and what is wrong with a clip is said in a sentence."""
from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from app.errors import InputError
from models.hand_model import HandModel
from models.s2hand import S2Hand
from models.skeleton import Skeleton
from tests.training.made_clips import labelled, make_small_clips, of_right_hand
from training.augment import Augment
from training.clip_crops import TREMBLE_SHIFT, ClipCrops
from training.clip_kept import Chosen
from training.clip_labels import label_videos
from training.clip_sets import exact_clip, mirror_matrices, read_clips, windows_of
from training.config import Video
from training.crops import Place
from training.kept import Kept
from training.video_batches import VideoBatches, chosen_stills, rows_of_windows
from training.video_first import first_answers, look
from training.video_losses import frame_wrist
from training.video_sets import shown_hands

SIZE = 224


@pytest.fixture(scope='module')
def hand() -> HandModel:
    return HandModel.load()


@pytest.fixture(scope='module')
def made(tmp_path_factory) -> Path:
    return make_small_clips(tmp_path_factory.mktemp('clips'), clips=4)


def copied(made: Path, folder: Path, number: int = 0) -> Path:
    return Path(shutil.copytree(made / f'clip-{number:04d}', folder / f'clip-{number:04d}'))


def test_a_rendered_clip_is_read_with_its_truth_also_of_a_left_hand(made, hand):
    sides = set()
    for folder in sorted(made.glob('clip-*')):
        clip, truth = exact_clip(folder, Skeleton(hand), SIZE), np.load(folder / 'truth.npz')
        sides.add(str(truth['side']))
        assert clip.exact and len(clip) == len(truth['time']) and clip.mirrored == (str(truth['side']) == 'left')
        for subject, wrist, points in zip(clip.subjects, clip.wrist, of_right_hand(truth['joints_2d'], str(truth['side']))):
            off = np.abs(subject.intrinsics.project(subject.joints + wrist) - points).max()
            assert off < 0.05, f'{off:.3f} px between the joints placed before the camera and the points (float32 allows 0.05)'
    assert sides == {'right', 'left'}, 'the made clips shall show both sides'


def test_labelled_frames_are_fitted_with_one_shape_for_a_person(made, hand, tmp_path):
    for number in (0, 1):
        labelled(copied(made, tmp_path, number), 'one person')
    clips = read_clips([tmp_path], hand, SIZE, 40)
    shapes = np.stack([subject.shape for clip in clips for subject in clip.subjects])
    assert np.ptp(shapes, axis=0).max() == 0 and not any(clip.exact for clip in clips)
    assert read_clips([tmp_path], hand, SIZE, 40)[0].files == clips[0].files


def test_all_frames_of_a_draw_are_cut_and_coloured_alike(made, hand):
    crops = ClipCrops(read_clips([made], hand, SIZE, 10), SIZE, 2, 1, augment=Augment(colour=1.0, noise=1.0, occluder=0.0, background=0.0))
    count = len(crops) // 2
    rows = [crops.row(Place(0, index)) for index in range(len(crops))]
    length = len(crops.clips[0])
    drawn = [crops.crop(1, 0, t) for t in range(length)]
    plain = [crops.crop(0, 0, t) for t in range(length)]
    sizes = np.log([a.scale / b.scale for a, b in zip(drawn, plain)])
    assert sizes.std() < 4 * TREMBLE_SHIFT < 4 * abs(sizes.mean()) + 4 * TREMBLE_SHIFT, f'sizes differ by {sizes.std():.3f} within a clip'
    image, again = crops[Place(0, count + 3)][0], crops[Place(0, count + 3)][0]
    assert image.shape == (3, SIZE, SIZE) and image.dtype == np.uint8 and (image == again).all()
    assert all(np.isfinite(value).all() or key == 'uncertainty' for row in rows for key, value in row.items())
    inside = np.mean([((row['points'] > 0) & (row['points'] < SIZE)).mean() for row in rows])
    assert inside > 0.95, f'{100 * inside:.0f} % of the points lie in their crops'


def test_a_crop_says_how_its_camera_lies_in_the_frame(made, hand):
    """Perspective apart, the true wrist in the crop's camera comes back as the true wrist in the frame's."""
    from training.renders import canonical
    from app.types import Crop

    crops = ClipCrops(read_clips([made], hand, SIZE, 10), SIZE, 1, 1)
    for index in range(0, len(crops), 3):
        _, number, frame = crops.place(index)
        row, subject = crops.row(Place(0, index)), crops.clips[number].subjects[frame]
        crop = crops.crop(0, number, frame)
        rotation, wrist = canonical(subject.rotation, crops.clips[number].wrist[frame], Crop(crop.matrix, SIZE, False), subject.intrinsics)
        made_wrist = frame_wrist(*(torch.tensor(value[None]).double() for value in (wrist, np.ones(1), row['cut'], row['camera'])), SIZE)
        off = 1000 * np.abs(made_wrist.numpy() - row['wrist']).max()
        assert off < 0.1, f'{off:.3f} mm (float32 rows allow 0.1)'
        assert np.abs(row['turn'] @ rotation - subject.rotation).max() < 1e-5


@pytest.mark.parametrize(('rate', 'fps', 'wanted'), [(0, 30, 1), (15, 30, 2), (10, 30, 3), (60, 30, 1), (25, 30, 1)])
def test_windows_take_frames_at_the_rate_that_is_asked_for(rate, fps, wanted):
    windows = windows_of(np.arange(40) / fps, 5, 4, rate)
    assert (np.diff(windows, axis=1) == wanted).all() and (np.diff(windows[:, 0]) == 4).all() and len(windows) > 4


def test_no_window_crosses_frames_that_are_missing():
    time = np.concatenate([np.arange(10), np.arange(30, 40)]) / 30
    windows = windows_of(time, 5, 1, 0)
    assert len(windows) == 12 and not ((windows < 10).any(1) & (windows >= 10).any(1)).any()
    assert windows_of(time[:3], 5, 1, 0).shape == (0, 5) and windows_of(time[:1], 5, 1, 0).shape == (0, 5)


def kept_of(rows: list[dict]) -> Kept:
    return Kept(np.zeros((len(rows), 4), np.float16), {key: np.stack([row[key] for row in rows]) for key in rows[0]})


def test_a_batch_holds_stills_groups_of_one_person_and_windows_in_order(made, hand):
    clips = read_clips([made], hand, SIZE, 10)
    crops = ClipCrops(clips, SIZE, 2, 1)
    frames = [crops.row(Place(0, index)) for index in range(len(crops))]
    motion = ('time', 'turn', 'cut', 'camera', 'wrist')
    stills = kept_of([{key: value for key, value in row.items() if key not in motion} for row in frames[:30]])
    persons = np.array(['a', 'b', ''] * 10)
    pictures = np.array([0, 1, 2, -1, -1] * 6)
    video = Video(('x',), length=5, stride=2, windows=4, views=3, people=2, shown=4, apart=3)
    windows = rows_of_windows(clips, 2, video)
    frames = Chosen(kept_of(frames), np.arange(len(crops)))
    moving = np.array([clips[crops.place(index)[1]].name for index in range(len(crops))])
    batches = VideoBatches(chosen_stills(stills, 30, 30, 30), persons, pictures, frames, moving, windows, video, seed=3)
    batch, same = (next(iter(batches.epoch(1, [np.arange(7)]))) for _ in range(2))
    equal = [torch.equal(batch[key].nan_to_num(), same[key].nan_to_num()) for key in batch]
    assert all(equal), 'a batch depends on seed, epoch and place alone'
    assert batch['window'].tolist() == [0] * (7 + 6) + [4] * (8 + 12) + [5] * 20
    times = batch['time'][33:].reshape(2, 2, 5)
    assert (times.diff(dim=2) > 0).all() and batch['time'][:33].isnan().all()
    assert torch.equal(times[:, 0], times[:, 1]), 'a window is there as two draws of it'
    picture = batch['picture']
    assert (picture[7:13].reshape(3, 2).diff(dim=1) == 0).all() and (picture[7:13] >= 0).all(), 'views are pairs of crops of one picture'
    groups = batch['shape'][21:33].reshape(3, 4, -1)
    assert (groups == groups[:, :1]).all() and (picture[21:33] == -1).all(), 'frames of a group are of one clip, whose truth is one shape'
    first, second = picture[33:].reshape(2, 2, 5).unbind(1)
    assert torch.equal(first, second) and len(first.unique()) == 10, 'each frame is a picture of its own'
    assert first.min() > picture[:33].max(), "and none of the stills'"
    fingers, points = (batch[key][33:].reshape(2, 2, 5, -1) for key in ('fingers', 'points'))
    assert torch.equal(fingers[:, 0], fingers[:, 1]) and not torch.equal(points[:, 0], points[:, 1])


@pytest.mark.parametrize(('most', 'photographs', 'rendered'), [(10, 4, 6), (16, 8, 8), (18, 8, 10), (100, 8, 12)])
def test_stills_beyond_the_limit_are_left_out_of_both_kinds(most, photographs, rendered):
    kept = kept_of([{'points': np.full(1, k, np.float32)} for k in range(20)])
    chosen = chosen_stills(kept, 8, 4, most)
    crops = chosen.indices[chosen.indices < 8]
    assert np.array_equal(crops[crops < 4], crops[crops >= 4] - 4), 'both crops of a picture are there, or none'
    assert ((chosen.indices < 8).sum(), (chosen.indices >= 8).sum()) == (photographs, rendered)
    assert chosen.batch(np.array([9, 0]))['points'][:, 0].tolist() == [float(chosen.indices[9]), 0.0]


def test_stills_are_named_by_their_picture_and_person():
    persons = np.array(['a', 'a', '', '', 'crowd', 'crowd', 'crowd', ''])
    pictures = np.array([0, 1, 2, 2, 3, 3, 4, -1])
    named, whose = shown_hands(persons, pictures, 2)

    def pairs(names: np.ndarray) -> set[tuple[int, int]]:
        return {(a, b) for a in range(8) for b in range(a) if names[a] == names[b]}

    assert pairs(named) == {(3, 2), (5, 4)}
    assert pairs(whose) == {(1, 0), (3, 2), (5, 4)}, 'a session of three is not taken for one person here'


def test_first_answers_are_the_mean_pose_of_a_picture_and_the_mean_shape_of_a_person():
    torch.manual_seed(0)
    network = S2Hand().eval()
    blocks, side = network.encoder.fine_block + 1, network.size // 16
    maps = torch.randn(5, network.encoder.fine_channels, side, side).numpy().astype(np.float16)
    kept = Kept(maps, {'points': np.zeros((5, 1), np.float32)})
    said = look(network, kept, blocks)
    with torch.no_grad():
        seen = network.encoder.tail(torch.from_numpy(np.float32(kept.answers)), blocks)
        points = network.encoder.landmarks(seen.pooled).points
        answer = network.decoder(network.encoder.for_mesh(seen.pooled), points, seen.fine)
        fingers = network.hand.pose_from_coefficients(answer.coefficients).numpy()
    assert np.abs(said.fingers - fingers).max() < 0.05 and np.abs(said.shape - answer.shape.numpy()).max() < 0.05, 'as far as bfloat16 goes'
    first = first_answers(said, np.array([0, 1, 0, 2, 3]), np.array(['a', 'b', 'a', 'a', 'b']))
    assert np.allclose(first['first_fingers'][[1, 3, 4]], said.fingers[[1, 3, 4]], atol=1e-6)
    assert np.allclose(first['first_fingers'][[0, 2]], said.fingers[[0, 2]].mean(0), atol=1e-6)
    for rows in ([0, 2, 3], [1, 4]):
        assert np.allclose(first['first_shape'][rows], said.shape[rows].mean(0), atol=1e-6)


def test_mirrored_matrices_lead_to_the_mirrored_picture():
    matrix, width, picture = np.array([[[0.5, 0.1, -20], [-0.1, 0.5, 7]]]), 640, 300
    point = np.array([200.0, 100.0])
    there = matrix[0, :, :2] @ point + matrix[0, :, 2]
    mirrored = mirror_matrices(matrix, width, picture)[0]
    found = mirrored[:, :2] @ (width - 1 - point[0], point[1]) + mirrored[:, 2]
    assert np.allclose(found, (picture - 1 - there[0], there[1]))


def test_faults_of_a_clip_are_one_sentence_each(made, hand, tmp_path):
    with pytest.raises(InputError, match='there are no clips'):
        read_clips([tmp_path], hand, SIZE, 10)
    for name, spoilt, message in (('equal', lambda t: np.where(np.arange(len(t)) == 4, t[3], t), 'do not rise from frame 3'),
                                  ('backwards', lambda t: t[::-1], 'do not rise'), ('unknown', lambda t: t * np.nan, 'do not rise')):
        clip = copied(made, tmp_path / name)
        labelled(clip, time=spoilt(np.load(clip / 'truth.npz')['time']))
        with pytest.raises(InputError, match=message):
            read_clips([tmp_path / name], hand, SIZE, 10)
    clip = copied(made, tmp_path / 'missing')
    (clip / 'frames' / '0002.jpg').unlink()
    with pytest.raises(InputError, match='1 of the 10 pictures of the clip .* are missing, the first is 0002.jpg'):
        read_clips([tmp_path / 'missing'], hand, SIZE, 10)
    clip = copied(made, tmp_path / 'cut')
    (clip / 'truth.npz').write_bytes((clip / 'truth.npz').read_bytes()[:1000])
    with pytest.raises(InputError, match='is not what belongs to a clip'):
        read_clips([tmp_path / 'cut'], hand, SIZE, 10)


def test_clips_too_short_are_left_out_and_frames_without_a_hand_too(made, hand, tmp_path):
    clip = copied(made, tmp_path, 0)
    points = np.load(clip / 'truth.npz')['joints_2d'].astype(float)
    points[[2, 5]] = np.nan  # no hand there
    labelled(clip, points=points)
    single = copied(made, tmp_path, 1)
    lone = np.load(single / 'truth.npz')['joints_2d'].astype(float)
    lone[1:] = np.nan
    labelled(single, points=lone)
    said: list[str] = []
    clips = read_clips([tmp_path], hand, SIZE, 10, say=said.append)
    assert [len(clip) for clip in clips] == [8] and np.diff(clips[0].time).max() > 0.09
    assert said == ['1 clips left out, because they show a hand in fewer than 3 frames: clip-0001']
    shutil.rmtree(clip)
    with pytest.raises(InputError, match='no clip in .* shows a hand in 3 frames'):
        read_clips([tmp_path], hand, SIZE, 10, say=said.append)


def test_a_video_becomes_a_labelled_clip_and_training_can_read_it(demo_clip, hand, tmp_path):
    import cv2

    from app.sources import open_source

    pictures = tmp_path / 'in'
    pictures.mkdir()
    with open_source(demo_clip, stop=16) as source:
        for frame in source:
            cv2.imwrite(str(pictures / f'{frame.index:03d}.png'), frame.image[..., ::-1])
    said: list[str] = []
    names = label_videos([pictures], tmp_path / 'set', say=said.append)
    clips = read_clips([tmp_path / 'set'], hand, SIZE, 40)
    assert len(names) == len(clips) >= 1 and len(clips[0]) >= 10, said
    row = ClipCrops(clips, SIZE, 1, 1)[Place(0, 5)][1]
    assert ((row['points'] > 0) & (row['points'] < SIZE)).mean() > 0.9
    with pytest.raises(InputError):
        label_videos([tmp_path / 'nowhere.mp4'], tmp_path / 'other')
