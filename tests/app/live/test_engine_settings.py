"""What can be changed while the live pipeline runs: drawing, reconstruction, the camera, the network and what it runs on."""
from __future__ import annotations

import gc
import json
import weakref
from dataclasses import replace

import cv2
import numpy as np
import pytest

from app.live.events import DrawingChanged, ModelFailed, ModelReady, Problem
from app.live.settings import LiveSettings, ViewSettings

SMALL_VIEW = ViewSettings(width=64, height=64)


@pytest.fixture
def hand_shown(start, demo_clip, one_hand):
    """An engine whose clip stands still at a frame with a hand in full, and that picture."""
    watched = start(settings=one_hand).prepared()
    watched.engine.open(demo_clip, paused=True)
    return watched, watched.picture(lambda shown: shown.hands and shown.view is not None, 'a still shows its hand')


def test_settings_of_drawing_redraw_a_still_without_the_network(hand_shown):
    watched, before = hand_shown
    watched.engine.apply(replace(watched.engine.settings, style='skeleton'))
    drawn = watched.picture(lambda s: not np.array_equal(s.picture, before.picture), 'the still is drawn anew')
    assert drawn.inferred is before.inferred, 'the network ran again for a change of drawing'
    view = replace(watched.engine.settings.view, azimuth=60.0)
    watched.engine.apply(replace(watched.engine.settings, view=view))
    turned = watched.picture(lambda s: not np.array_equal(s.view, drawn.view), 'the 3D view is turned')
    assert turned.inferred is before.inferred
    watched.engine.apply(replace(watched.engine.settings, view=ViewSettings(width=0, height=0)))
    assert watched.picture(lambda s: s.view is None, 'the view is off') is not None


def test_settings_of_reconstruction_run_a_still_again_and_keep_the_track(hand_shown):
    watched, before = hand_shown
    watched.engine.apply(replace(watched.engine.settings, refine=False))
    after = watched.picture(lambda s: s.inferred is not before.inferred and s.hands, 'the still is reconstructed anew')
    assert after.hands[0].track == before.hands[0].track
    assert not np.array_equal(after.hands[0].vertices, before.hands[0].vertices)
    watched.engine.apply(replace(watched.engine.settings, field_of_view=40.0))
    narrow = watched.picture(lambda s: s.inferred.intrinsics.fx > 1.2 * before.inferred.intrinsics.fx, 'the camera is another')
    assert narrow.inferred.intrinsics.metric and narrow.hands[0].translation[2] > 1.2 * before.hands[0].translation[2]


def test_a_bad_camera_file_is_a_sentence_and_the_old_camera_stays(hand_shown, tmp_path):
    watched, before = hand_shown
    bad, good = tmp_path / 'bad.json', tmp_path / 'good.json'
    bad.write_text('{"fx": "wide"}')
    good.write_text(json.dumps({'fx': 500, 'fy': 500, 'cx': 320, 'cy': 240}))
    watched.engine.apply(replace(watched.engine.settings, intrinsics=bad))
    assert 'bad.json' in watched.ears.wait(Problem).sentence
    assert watched.picture().inferred.intrinsics == before.inferred.intrinsics
    watched.engine.apply(replace(watched.engine.settings, intrinsics=good))
    assert watched.picture(lambda s: s.inferred.intrinsics.fx == 500, 'the good camera is used')


def test_forgetting_the_person_keeps_following_the_hand(hand_shown):
    watched, before = hand_shown
    watched.engine.play()
    certain = watched.picture(lambda s: s.inferred.statuses and s.inferred.statuses[0].shape_certainty > 0.3, 'the shape becomes certain')
    watched.engine.reset_shapes()
    fresh = watched.picture(lambda s: s.inferred.statuses and s.inferred.statuses[0].shape_certainty < 0.15, 'the shape is forgotten')
    assert fresh.inferred.statuses[0].track == certain.inferred.statuses[0].track
    assert fresh.inferred.visibility[0] > 0.5, 'the hand went away with its shape'


def test_another_network_is_swapped_in_beside_the_old_one_and_hands_go_on(hand_shown, tmp_path):
    watched, before = hand_shown
    missing = tmp_path / 'none.onnx'
    watched.engine.apply(replace(watched.engine.settings, weights=missing))
    assert 'none.onnx' in watched.ears.wait(ModelFailed).sentence
    watched.engine.apply(replace(watched.engine.settings, weights=None, hands=2))
    watched.ears.wait(ModelReady, 2)
    after = watched.picture(lambda s: s.inferred is not before.inferred and s.hands, 'the new network sees the hand')
    assert after.hands[0].track == before.hands[0].track, 'the hand got another number'


def test_a_network_that_was_replaced_is_gone_at_once(hand_shown, request):
    watched, _ = hand_shown
    request.addfinalizer(gc.enable)
    gc.disable()  # what only the collector frees is kept for minutes, and there may be gigabytes of it
    old = []
    for number, provider in enumerate(('auto', 'cpu', 'auto'), 2):
        session = watched.engine._inference._pipeline.regressor.session
        old.append((type(session).__name__, weakref.ref(session)))
        del session
        watched.engine.apply(replace(watched.engine.settings, provider=provider))
        watched.ears.wait(ModelReady, number)
    watched.until(lambda: sum(kept() is not None for _, kept in old) == 0, f'all of {[name for name, _ in old]} are freed')


def test_a_network_that_cannot_be_used_at_the_start_gives_way_to_the_one_that_ships(start, tmp_path):
    watched = start(settings=LiveSettings(weights=tmp_path / 'none.onnx'))
    said = watched.ears.wait(ModelFailed).sentence
    assert 'none.onnx' in said and 'the network that ships' in said, said
    assert watched.ears.wait(ModelReady).name == 's2hand-lite'


def test_a_provider_that_cannot_be_had_runs_on_the_cpu_and_says_why(start):
    ready = start(settings=LiveSettings(provider='cuda')).ears.wait(ModelReady)
    assert ready.asked == 'cuda'
    if ready.provider == 'CPU':
        assert 'CUDA was asked for' in ready.note and 'CPU' in ready.note, ready.note


def test_a_gpu_that_breaks_while_loading_falls_back_to_the_cpu(start, monkeypatch):
    import app.regression

    monkeypatch.setattr(app.regression, 'wanted_providers', lambda provider, ort: ['CUDAExecutionProvider', 'CPUExecutionProvider'])
    ready = start(settings=LiveSettings(provider='cuda')).ears.wait(ModelReady)
    if ready.provider == 'CPU':
        assert 'CPU' in ready.note, ready


def test_a_gpu_that_loads_but_does_not_run_is_left_for_the_cpu(start, demo_clip, one_hand):
    watched = start(settings=replace(one_hand, view=SMALL_VIEW)).prepared()
    regressor = watched.engine._inference._pipeline.regressor

    class BrokenSession:
        def run(self, *_):
            raise RuntimeError('CUDA failure 700: an illegal memory access was encountered')

    regressor.session, regressor.provider, watched.engine._inference._provider = BrokenSession(), 'CUDA', 'CUDA'
    watched.engine.open(demo_clip, loop=True)
    ready = watched.ears.wait(ModelReady, 2)
    assert ready.provider == 'CPU' and 'CPU' in ready.note, ready
    assert watched.picture(lambda s: s.hands, 'hands are found').hands


def test_without_opengl_hands_are_still_drawn_and_it_is_said_why(start, demo_clip, one_hand, monkeypatch):
    from app.rendering import device

    monkeypatch.setenv('S2HAND_DRAW', 'software')
    monkeypatch.setattr(device, '_drawing', device._Drawing())
    watched = start(settings=replace(one_hand, view=SMALL_VIEW)).prepared()
    assert 'by the processor' in watched.ears.wait(DrawingChanged).sentence
    watched.engine.open(demo_clip, paused=True)
    shown = watched.picture(lambda s: s.hands and s.view is not None)
    assert not np.array_equal(shown.picture, cv2.flip(shown.frame.image, 1)), 'no hand is drawn'
