"""The figures of `main.py evaluate`, on hands made for it: truth fed through scores perfectly, known errors come out as they went in."""
from __future__ import annotations

import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import main
from app.crop import to_crop
from app.mirror import mirror_image, mirror_points_2d, mirror_points_3d
from app.regression import WEIGHTS
from app.types import Crop
from training.backgrounds import Backgrounds
from training.evaluation_answers import Answers, Contenders, Seen
from training.evaluation_drawn import Drawn
from training.evaluation_export import predictions, write_predictions
from training.evaluation_figures import measure
from training.evaluation_page import ranks
from training.evaluation_rendered import read_rendered
from training.evaluation_report import set_text, table
from training.evaluation_sets import EvaluationSet, bend, evenly, sides_of
from training.evaluation_truth import read_official, read_truth
from training.ho3d import to_ho3d, to_openpose
from training.renders import FOCAL, SIZE, RenderSampler, write_shard

K = [[FOCAL, 0, (SIZE - 1) / 2], [0, FOCAL, (SIZE - 1) / 2], [0, 0, 1]]
COUNT = 4


@pytest.fixture(scope='module')
def shard(tmp_path_factory) -> Path:
    """A folder with a few rendered pictures."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp('rendered')
    sampler = RenderSampler(backgrounds=Backgrounds(None))
    write_shard(folder / 'renders-7-000.npz', [sampler.sample(np.random.default_rng((7, i))) for i in range(COUNT)])
    return folder


@pytest.fixture(scope='module')
def rendered(shard) -> EvaluationSet:
    return read_rendered(shard)


def write_truth(folder: Path, chosen: EvaluationSet, *, left: bool = False, **more) -> Path:
    """The set as a folder with gt.jsonl; `left`: mirrored. `more` goes into each row."""
    folder.mkdir(exist_ok=True)
    with open(folder / 'gt.jsonl', 'w') as file:
        for i, sample in enumerate(chosen.samples):
            image, uv, xyz = sample.image(), sample.points, sample.xyz
            if left:
                image, uv, xyz = mirror_image(image), mirror_points_2d(uv, SIZE), mirror_points_3d(xyz)
            cv2.imwrite(str(folder / f'{i}.png'), image[..., ::-1])
            file.write(json.dumps({'image': f'{i}.png', 'K': K, 'xyz_mm': (1000 * xyz).tolist(), 'uv': uv.tolist(), **more}) + '\n')
    return folder


def answered(chosen: EvaluationSet, *, shift=(0, 0, 0), scale: float = 1.0, pixels=(0, 0), key: str = 'network') -> Answers:
    """The truth itself, or moved by `shift` metres, scaled about each wrist, and moved by `pixels`."""
    def moved(points: np.ndarray, wrist: np.ndarray) -> np.ndarray:
        return (points - wrist) * scale + wrist + shift

    samples = chosen.samples
    return Answers(key, np.stack([s.points + pixels for s in samples]), np.stack([moved(s.xyz, s.xyz[0]) for s in samples]),
                   np.stack([moved(s.vertices, s.xyz[0]) for s in samples]), True)


def figures_of(chosen: EvaluationSet, answers: Answers) -> dict:
    return measure(chosen, Seen({answers.key: answers}, [None] * len(chosen.samples)))[0]['all'][answers.key]


def test_the_truth_fed_through_scores_perfectly(rendered):
    figures = figures_of(rendered, answered(rendered))
    assert figures['pictures'] == COUNT
    for name, value in figures.items():
        if name.endswith(('_mm', '_px', '_percent', '_median', '_p90')):
            assert value < 1e-3, f'{name} is {value}; float32 truth leaves less than a thousandth'
    assert figures['f5'] == figures['f15'] == 1
    assert figures['auc_joints'] > 0.994 and figures['auc_vertices'] > 0.994, 'rounding may miss the first of 100 thresholds, which is 0'


def test_a_hand_three_four_millimetres_off_is_five_off_before_the_camera_and_none_aligned(rendered):
    figures = figures_of(rendered, answered(rendered, shift=(0.003, 0.004, 0), pixels=(6, 8)))
    assert figures['mpjpe_camera_mm'] == pytest.approx(5, abs=1e-3)
    assert figures['error_2d_px'] == pytest.approx(10)
    for name in ('mpjpe_root_mm', 'mpvpe_root_mm', 'pa_mpjpe_mm', 'pa_mpvpe_mm', 'mpjpe_scale_place_mm', 'bone_percent'):
        assert figures[name] < 1e-3, f'{name} is {figures[name]}'


def test_a_hand_ten_per_cent_too_large_is_right_once_scaled(rendered):
    figures = figures_of(rendered, answered(rendered, scale=1.1))
    spread = np.mean([np.linalg.norm(s.xyz - s.xyz[0], axis=-1).mean() for s in rendered.samples])
    assert figures['mpjpe_root_mm'] == pytest.approx(100 * spread, rel=1e-4)
    assert figures['bone_percent'] == pytest.approx(10, abs=1e-3) and figures['bone_scaled_percent'] < 1e-3
    assert figures['pa_mpjpe_mm'] < 1e-3 and figures['mpjpe_scale_place_mm'] < 1e-3


def test_pictures_without_an_answer_count_for_nobody_in_the_common_table(rendered):
    lost = answered(rendered, pixels=(3, 4), key='mediapipe')
    lost.points[0], lost.joints[0] = np.nan, np.nan
    good = answered(rendered)
    good.points[0] += (30, 40)
    figures, _ = measure(rendered, Seen({'network': good, 'mediapipe': replace(lost, vertices=None)}, [None] * COUNT))
    assert (figures['common_pictures'], figures['found']['mediapipe']) == (COUNT - 1, COUNT - 1)
    assert figures['all']['network']['error_2d_px'] == pytest.approx(50 / COUNT)
    assert figures['common']['network']['error_2d_px'] == 0 and figures['common']['mediapipe']['error_2d_px'] == pytest.approx(5)
    text = set_text('made', figures)
    assert f'finds the hand in {COUNT - 1} of {COUNT}' in text and text.count('network alone') == 4, text


def test_a_mesh_of_another_topology_gets_f_scores_but_no_vertex_error(rendered):
    other = replace(rendered, samples=tuple(replace(s, vertices=s.vertices[::2]) for s in rendered.samples))
    figures = figures_of(other, answered(rendered))
    assert 'pa_mpvpe_mm' not in figures and 'auc_vertices' not in figures
    assert figures['f15'] > 0.99, figures['f15']


def test_official_sets_may_mirror_and_others_do_not(rendered):
    mirrored = answered(rendered)
    mirrored = replace(mirrored, joints=mirrored.joints * (-1, 1, 1), vertices=mirrored.vertices * (-1, 1, 1))
    ours = figures_of(rendered, mirrored)
    official = figures_of(replace(rendered, kind='freihand'), mirrored)
    assert ours['pa_mpjpe_mm'] > 5 and ours['pa_mpvpe_mm'] > 5, 'a mirrored hand is another hand'
    assert official['pa_mpjpe_official_mm'] < 1e-3 and official['pa_mpvpe_mm'] < 1e-3, official
    may, not_ = official['auc_joints'], ours['auc_joints']
    assert may > 0.99 and not_ < 0.95, f'AUC {may:.3f}, and {not_:.3f} unmirrored'


def test_drawn_figures_are_means_over_the_drawn_pictures_only(rendered):
    drawn = [Drawn(20.0, 9.0, 0.5), Drawn(30.0, 9.0, 1.0), Drawn(float('nan'), float('nan'), 0.0), *[None] * (COUNT - 3)]
    figures = measure(rendered, Seen({'network': answered(rendered)}, drawn))[0]['all']['network']
    assert figures['psnr_db'] == 25 and figures['silhouette_iou'] == 0.5
    assert figures['psnr_db_p10'] == pytest.approx(21) and 'psnr_db_p90' not in figures, 'of what is better when larger, the bad end is low'


def test_the_drawn_silhouette_is_compared_with_the_true_one(rendered):
    contenders = Contenders(WEIGHTS, ('network',), 1)
    sample = rendered.samples[0]
    moved = replace(sample, mask=lambda crop: np.roll(sample.mask(crop), 40, axis=1))
    two = replace(rendered, samples=(sample, moved))
    here, aside = (drawn.iou for drawn in contenders.look(two, np.ones(2, bool)).drawn)
    assert here > 0.5 and here > aside + 0.2, f'IoU {here:.2f} with the true silhouette, {aside:.2f} with it 40 px aside'


def test_the_size_of_a_hand_is_that_of_its_upright_box_however_it_lies(rendered):
    sample = rendered.samples[0]
    usual = sample.hand_size
    for angle in (0.3, 0.8, 1.6, 3.0):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turned = replace(sample, points=(sample.points - 112) @ turn.T + 112)
        assert turned.hand_size == pytest.approx(usual), f'{turned.hand_size:.1f} px turned by {angle}, {usual:.1f} before'


def test_the_true_silhouette_lies_where_the_hand_is_drawn(rendered):
    whole = Crop(np.eye(2, 3), SIZE, False)
    for sample in rendered.samples:
        mask = sample.mask(whole)
        seen = sample.points[((sample.points > 1) & (sample.points < SIZE - 2)).all(1)]
        inside = np.mean([mask[max(0, y - 3):y + 4, max(0, x - 3):x + 4].any() for x, y in np.round(seen).astype(int)])
        assert inside == 1, f'{sample.name}: {100 * inside:.0f} % of the joints lie in the silhouette or within 3 px'


def test_fingers_tell_a_left_hand_from_a_right_one(rendered):
    joints = [s.xyz for s in rendered.samples]
    assert sides_of(joints) == ['right'] * COUNT
    assert sides_of([mirror_points_3d(j) for j in joints]) == ['left'] * COUNT
    assert bend(joints[0]) == pytest.approx(-bend(mirror_points_3d(joints[0])))


def test_a_left_hand_is_measured_as_its_mirror_image(rendered, tmp_path):
    right, left = (read_truth(write_truth(tmp_path / side, rendered, left=side == 'left')) for side in ('right', 'left'))
    assert {s.side for s in left.samples} == {'left'}
    contenders = Contenders(WEIGHTS, ('network', 'refined'), 1)
    figures = [measure(chosen, contenders.look(chosen, np.zeros(COUNT, bool)))[0]['all'] for chosen in (right, left)]
    for key in ('network', 'refined'):
        for name in ('pa_mpjpe_mm', 'mpjpe_root_mm', 'mpjpe_camera_mm', 'error_2d_px', 'bone_percent'):
            assert figures[1][key][name] == pytest.approx(figures[0][key][name], rel=0.02), f'{key} {name}: resampling is worth 2 %'
    error = figures[0]['network']['pa_mpjpe_mm']
    assert error < 20, f'the shipped network gets {error:.1f} mm on {COUNT} pictures'


def test_a_given_crop_of_another_size_shows_the_same(rendered):
    sample = rendered.samples[0]
    large, small = sample.right_crop(224), sample.right_crop(128)
    for crop in (large, small):
        corner = to_crop(np.array([-0.5, 223.5]), crop)
        assert np.allclose(corner, (-0.5, crop.size - 0.5)), corner


def test_the_whole_command_writes_figures_page_and_predictions(rendered, shard, tmp_path, capsys):
    truth = write_truth(tmp_path / 'truth', rendered, session='a')
    out = {name: tmp_path / f'out.{name}' for name in ('json', 'png', 'zip')}
    assert main.main(['evaluate', '--truth', str(truth), '--json', str(out['json']), '--page', str(out['png']), '--page-rows', '1',
                      '--pred', str(out['zip']), '--pred-of', 'refined', '--threads', '1', '--draw', '2']) == 0
    printed = capsys.readouterr().out
    report = json.loads(out['json'].read_text())
    made = report['sets']['truth']
    assert set(made['all']) >= {'network', 'refined', 'branch', 'landmark', 'skeleton', 'skeleton2d'}
    assert made['all']['skeleton']['pa_mpjpe_mm'] < made['all']['skeleton2d']['pa_mpjpe_mm'] < 40, made['all']
    assert made['all']['network']['psnr_db'] > 8 and len(report['weights']['sha256']) == 64 and report['versions']['torch']
    assert 'network alone' in printed and 'skeleton fit, 2D + depths' in printed and 'PSNR' in printed
    assert cv2.imread(str(out['png'])).shape[1] > 1000
    with zipfile.ZipFile(out['zip']) as archive:
        joints, vertices = json.loads(archive.read('pred.json'))
    assert (len(joints), len(vertices), len(joints[0])) == (COUNT, COUNT, 21)


def test_checkpoints_and_exports_answer_alike(rendered):
    checkpoint = WEIGHTS.with_suffix('.safetensors')
    two = replace(rendered, samples=rendered.samples[:2])
    seen = [Contenders(path, ('network',), 1).look(two, np.zeros(2, bool)) for path in (WEIGHTS, checkpoint)]
    apart = 1000 * np.abs(seen[0].answers['network'].joints - seen[1].answers['network'].joints).max()
    assert apart < 0.5, f'joints of the two files are {apart:.3f} mm apart; halved precision explains less than 0.5 mm'


def test_predictions_for_ho3d_have_its_order_and_axes_also_for_vertices(rendered):
    answers = answered(rendered)
    joints, vertices = predictions(replace(rendered, kind='ho3d'), answers)
    assert np.allclose(to_openpose(np.array(joints[0])), answers.joints[0], atol=1e-6)
    assert np.allclose(np.array(vertices[0]) * (1, -1, -1), answers.vertices[0], atol=1e-6)
    joints, vertices = predictions(replace(rendered, kind='freihand'), answers)
    assert np.allclose(joints[2], answers.joints[2], atol=1e-6) and np.allclose(vertices[2], answers.vertices[2], atol=1e-6)


def test_predictions_say_which_meshes_the_official_scripts_expect(rendered, tmp_path):
    assert 'expect MANO' in write_predictions(tmp_path / 'pred.json', rendered, answered(rendered))
    assert len(json.loads((tmp_path / 'pred.json').read_text())) == 2


def test_freihand_in_its_own_layout_is_measured_by_its_own_rules(rendered, tmp_path):
    (tmp_path / 'evaluation' / 'rgb').mkdir(parents=True)
    for i, sample in enumerate(rendered.samples):
        cv2.imwrite(str(tmp_path / 'evaluation' / 'rgb' / f'{i:08d}.jpg'), sample.image()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    truth = {'K': [K] * COUNT, 'xyz': [s.xyz.tolist() for s in rendered.samples],
             'verts': [s.vertices[:778].tolist() for s in rendered.samples]}
    for name, values in truth.items():
        (tmp_path / f'evaluation_{name}.json').write_text(json.dumps(values))
    chosen = read_official('freihand', tmp_path, 'evaluation')
    assert chosen.official and len(chosen.samples) == COUNT and 'no PA-MPVPE' in ' '.join(chosen.notes)
    figures = figures_of(chosen, answered(rendered))
    assert figures['pa_mpjpe_mm'] < 1e-3 and 'pa_mpvpe_mm' not in figures and figures['f15'] > 0.5


def test_ho3d_in_its_own_layout_gives_back_its_own_truth(rendered, tmp_path):
    (tmp_path / 'evaluation' / 'SM1' / 'rgb').mkdir(parents=True)
    (tmp_path / 'evaluation' / 'SM1' / 'meta').mkdir()
    names = [f'{i:04d}' for i in range(COUNT)]
    xyz = [to_ho3d(s.xyz) for s in rendered.samples]
    for name, sample, joints in zip(names, rendered.samples, xyz):
        picture = cv2.copyMakeBorder(sample.image(), 0, 256, 0, 416, cv2.BORDER_CONSTANT)
        cv2.imwrite(str(tmp_path / 'evaluation' / 'SM1' / 'rgb' / f'{name}.png'), picture)
        meta = {'camMat': np.array(K), 'handJoints3D': joints[0], 'handBoundingBox': [20, 20, 200, 200]}
        (tmp_path / 'evaluation' / 'SM1' / 'meta' / f'{name}.pkl').write_bytes(pickle.dumps(meta))
    (tmp_path / 'evaluation.txt').write_text(''.join(f'SM1/{name}\n' for name in names))
    unknown = read_official('ho3d', tmp_path, 'evaluation')
    assert 'nothing is measured' in unknown.notes[0] and not figures_of(unknown, answered(rendered)), unknown.notes
    (tmp_path / 'evaluation_xyz.json').write_text(json.dumps([j.tolist() for j in xyz]))
    (tmp_path / 'evaluation_verts.json').write_text(json.dumps([(s.vertices * (1, -1, -1)).tolist() for s in rendered.samples]))
    known = read_official('ho3d', tmp_path, 'evaluation')
    figures = figures_of(known, answered(rendered))
    assert figures['mpjpe_camera_mm'] < 1e-3 and figures['pa_mpvpe_mm'] < 1e-3 and figures['f5'] == 1, figures
    joints, vertices = predictions(known, answered(rendered))
    assert np.allclose(joints, json.loads((tmp_path / 'evaluation_xyz.json').read_text()), atol=1e-6)
    assert np.allclose(vertices, json.loads((tmp_path / 'evaluation_verts.json').read_text()), atol=1e-6)


def test_best_median_and_worst_are_each_shown_once():
    values = np.array([5, 1, np.nan, 3, 9, 7.0])
    assert ranks(values, 1) == [('best', 1), ('median', 0), ('worst', 4)]
    assert [i for _, i in ranks(values[:2], 2)] == [1, 0]


def test_an_even_sample_reaches_from_the_first_to_the_last():
    assert evenly(10, 3).tolist() == [0, 4, 9] and evenly(2, 5).tolist() == [0, 1] and evenly(5, None).tolist() == [0, 1, 2, 3, 4]


def test_a_table_leaves_out_what_nobody_has():
    columns = ('n', 'pictures', 0), ('A', 'a', 1), ('B', 'b', 1)
    lines = table({'network': {'pictures': 3, 'a': 1.25}, 'landmark': {'pictures': 3}}, columns)
    assert [line.split() for line in lines] == [['n', 'A'], ['network', 'alone', '3', '1.2']]


@pytest.mark.parametrize(('arguments', 'sentence'), [
    ([], 'nothing to evaluate on'),
    (['--truth', '{empty}'], 'there is no gt.jsonl in'),
    (['--rendered', '{empty}'], 'there are no rendered pictures'),
    (['--rendered', '{truth}/0.png'], 'cannot be read'),
    (['--stereo', '{empty}'], 'there is no gt.jsonl in'),
    (['--pictures', '{empty}'], 'there is no manifest'),
    (['--freihand', '{empty}'], 'give the folder into which FreiHAND was unpacked'),
    (['--ho3d', '{empty}'], 'give the folder into which HO-3D was unpacked'),
    (['--truth', '{broken}'], 'line 2 of'),
    (['--truth', '{lacking}'], 'lacks K'),
    (['--truth', '{nan}'], 'xyz_mm must be 21 x 3 finite numbers'),
    (['--truth', '{imageless}'], 'is missing or cannot be read'),
    (['--truth', '{truth}', '--contenders', 'network,me'], 'not me'),
    (['--truth', '{truth}', '--limit', '0'], '--limit must be at least 1'),
    (['--truth', '{truth}', '--json', '{empty}/no/a.json'], 'there is no folder'),
    (['--truth', '{truth}', '--page', '{empty}/page.txt'], '.png or .jpg'),
    (['--truth', '{truth}', '--truth', '{truth}', '--pred', '{empty}/pred.json'], 'one by one'),
    (['--truth', '{truth}', '--limit', '2', '--pred', '{empty}/pred.json'], 'leave out --limit'),
    (['--truth', '{truth}', '--weights', '{empty}/none.onnx'], 'do not exist'),
    (['--truth', '{truth}', '--weights', '{truth}/0.png'], 'is not a network that can be run'),
    (['--truth', '{truth}', '--weights', '{empty}/none.safetensors'], 'not a readable checkpoint'),
])
def test_what_cannot_be_evaluated_is_one_sentence(rendered, tmp_path, capsys, arguments, sentence):
    folders = {name: tmp_path / name for name in ('empty', 'truth', 'broken', 'lacking', 'nan', 'imageless')}
    folders['empty'].mkdir()
    one = replace(rendered, samples=rendered.samples[:1])
    for name in ('truth', 'broken', 'lacking', 'nan', 'imageless'):
        write_truth(folders[name], one)
    row = json.loads((folders['truth'] / 'gt.jsonl').read_text())
    with open(folders['broken'] / 'gt.jsonl', 'a') as file:
        file.write('{"image": \n')
    (folders['lacking'] / 'gt.jsonl').write_text(json.dumps({k: v for k, v in row.items() if k != 'K'}))
    (folders['nan'] / 'gt.jsonl').write_text(json.dumps({**row, 'xyz_mm': [[float('nan')] * 3] * 21}))
    (folders['imageless'] / '0.png').unlink()
    assert main.main(['evaluate', *(a.format(**folders) for a in arguments)]) == main.INPUT_ERROR
    error = capsys.readouterr().err
    assert sentence in error and error.strip().count('\n') == 0 and not list(folders['empty'].iterdir()), error


@pytest.mark.skipif(not Path('/proc/version').exists(), reason='/proc is a place on Linux where nobody can write')
@pytest.mark.parametrize('option', ['--json', '--page', '--pred'])
def test_a_place_that_cannot_be_written_is_one_sentence(rendered, tmp_path, capsys, option):
    truth = write_truth(tmp_path / 'truth', replace(rendered, samples=rendered.samples[:1]))
    arguments = ['--truth', str(truth), '--contenders', 'network', '--threads', '1', option, '/proc/out.png']
    assert main.main(['evaluate', *arguments]) == main.INPUT_ERROR
    error = capsys.readouterr().err
    assert '/proc/out.png' in error and 'choose another output folder' in error, error
