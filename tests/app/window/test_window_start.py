"""How a window begins and ends: what it opens first, what it remembers, and what stands on the picture until there is a network."""
from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QPushButton

from app.live import events
from app.live.settings import LiveSettings
from app.window.choosing import DEMO, NO_CAMERA
from app.window.settings_store import SettingsStore, Stored
from tests.app.lateness import Lateness
from tests.app.window.made_engine import MadeEngine, info, shown

CAMERAS = SimpleNamespace(index=0, name='Front camera'), SimpleNamespace(index=2, name='Desk camera')


def test_without_a_camera_the_demo_clip_plays_and_a_banner_says_how_to_choose_one(play):
    played = play()
    engine = played.begin()
    played.wait(lambda: engine.told('open') == [(str(DEMO), True, False)])
    assert NO_CAMERA in played.window.banners.sentences()


def test_a_camera_that_is_plugged_in_while_the_demo_clip_stands_in_is_offered(play):
    cameras = []
    played = play(cameras=cameras)
    engine = played.begin()
    played.wait(lambda: NO_CAMERA in played.window.banners.sentences())
    cameras.append(CAMERAS[0])
    played.window.cameras.refresh()
    played.wait(lambda: played.window.banners.sentences() == ['Front camera was plugged in.'])
    button, = (b for b in played.window.banners.findChildren(QPushButton) if b.text() == 'Use it')
    played.qtbot.mouseClick(button, Qt.LeftButton)
    played.wait(lambda: engine.told('open')[-1][0] == 'camera:0')


def test_the_first_camera_is_opened_and_all_stand_in_the_menu(play):
    played = play(cameras=CAMERAS)
    engine = played.begin()
    played.wait(lambda: engine.told('open') == [('camera:0', False, False)])
    assert [action.text() for action in played.window.menus.cameras.actions()] == ['Front camera', 'Desk camera']
    engine.say(events.SourceOpened(info('camera', name='camera 0')))
    played.wait(lambda: played.window.chooser.spec == 'camera:0')
    assert 'Front camera' in played.window.transport.name.full and 'Front camera' in played.window.windowTitle()
    assert [action.isChecked() for action in played.window.menus.cameras.actions()] == [True, False]
    played.press('next_camera')
    played.wait(lambda: engine.told('open')[-1][0] == 'camera:2')


def test_the_last_source_is_opened_and_if_it_is_gone_a_camera_is(play):
    played = play(Stored(source='/films/gone.mp4'), CAMERAS)
    engine = played.begin()
    played.wait(lambda: engine.told('open') == [('/films/gone.mp4', False, True)])
    engine.say(events.SourceFailed('/films/gone.mp4', 'There is no file /films/gone.mp4.'))
    played.wait(lambda: engine.told('open')[-1][0] == 'camera:0')
    engine.say(events.SourceFailed('camera:0', 'Camera 0 is used by another program.'))
    played.wait(lambda: engine.told('open')[-1][0] == 'camera:2')
    engine.say(events.SourceFailed('camera:2', 'Camera 2 is used by another program.'))
    played.wait(lambda: engine.told('open')[-1][0] == str(DEMO))
    assert 'There is no file /films/gone.mp4.' in played.window.banners.sentences()


def test_everything_is_remembered_for_the_next_start(live, tmp_path):
    for name in ('style_wireframe', 'hud', 'panel', 'theme', 'layout'):
        live.press(name)
    live.window.close()
    stored = SettingsStore(tmp_path / 'config').load()
    assert (stored.live.style, stored.hud, stored.panel, stored.theme, stored.layout) == ('wireframe', False, False, 'light', 'corner')
    assert stored.source == str(Path('/films/clip.mp4').resolve()) and stored.geometry


def test_the_demo_clip_is_not_remembered_so_that_a_camera_is_looked_for_again(play, tmp_path):
    played = play()
    played.begin().say(events.SourceOpened(info(spec=str(DEMO))))
    played.wait(lambda: played.window.chooser.info is not None)
    played.window.close()
    assert SettingsStore(tmp_path / 'config').load().source == ''


def test_broken_settings_are_named_and_the_window_opens(play, tmp_path):
    store = SettingsStore(tmp_path / 'config')
    store.file.parent.mkdir(parents=True)
    store.file.write_bytes(b'\x00\xff[live\nopacity=' + bytes(range(256)))
    stored = store.load()
    played = play(stored)
    assert stored.note and played.window.banners.sentences() == [stored.note] and played.window.isVisible()


@pytest.mark.parametrize('geometry', [b'', b'nonsense'])
def test_a_geometry_that_makes_no_sense_gives_a_usual_window(play, geometry):
    window = play(Stored(geometry=geometry)).window
    assert window.width() >= 832 and window.height() >= 520


def test_closing_while_the_engine_is_still_loading_is_quick(play):
    go = threading.Event()

    def slow(settings, listener):
        go.wait(20)
        return MadeEngine(settings, listener)

    played = play(make_engine=slow)
    played.window.begin('/films/clip.mp4')
    played.qtbot.wait(50)
    with Lateness() as machine:
        began = time.monotonic()
        played.window.close()
        took = time.monotonic() - began
    go.set()
    assert took < 2.6 + machine.lost, f'closing took {took:.2f} s; 2 s is what the engine gets'


def test_what_the_network_is_doing_is_said_on_the_picture_until_it_is_ready(play):
    played = play()
    engine = played.begin('/films/clip.mp4')
    engine.give(shown())
    engine.say(events.ModelLoading('loading the network'))
    played.wait(lambda: 'loading the network' in played.window.canvas.note)
    engine.say(events.ModelReady('s2hand-lite', 'cuda', 'CPU', 'CUDA was asked for, but there is no GPU; the network runs on the CPU.'))
    played.wait(lambda: played.window.canvas.note == '')
    assert any('no GPU' in sentence for sentence in played.window.banners.sentences())


def test_without_a_network_no_picture_is_said_to_hold_no_hand(play):
    played = play()
    engine = played.begin('/films/clip.mp4')
    engine.say(events.SourceOpened(info()))
    played.wait(lambda: played.window.canvas.hint == 'No hand in this picture')
    engine.say(events.ModelFailed('The detector cannot be loaded.'))
    played.wait(lambda: 'no network' in played.window.canvas.hint)
    engine.say(events.ModelReady('s2hand-lite', 'auto', 'CPU'))
    engine.say(events.ModelFailed('The file holds no network.'))  # another one; the old one goes on
    played.wait(lambda: played.window.canvas.hint == 'No hand in this picture')


@pytest.mark.parametrize('settled', [events.ModelReady('s2hand-lite', 'auto', 'CPU'), events.ModelFailed('The file holds no network.')])
def test_a_clip_stands_on_its_first_picture_until_there_is_a_network_and_plays_then(play, settled):
    played = play()
    engine = played.begin('/films/clip.mp4')
    played.wait(lambda: bool(engine.told('open')))
    assert engine.told('open') == [('/films/clip.mp4', False, True)], 'it plays without hands while the network is loaded'
    engine.say(events.SourceOpened(info()))
    engine.say(events.PlayStateChanged(False, False))
    engine.say(settled)
    played.wait(lambda: len(engine.told('play')) == 1)
    played.window.chooser.open('/films/other.mp4')
    played.wait(lambda: len(engine.told('open')) == 2)
    assert engine.told('open')[1] == ('/films/other.mp4', False, False)


def test_a_clip_that_was_played_and_paused_while_the_network_was_loaded_stays_paused(play):
    played = play()
    engine = played.begin('/films/clip.mp4')
    engine.say(events.SourceOpened(info()))
    for playing in (False, True, False):
        engine.say(events.PlayStateChanged(playing, False))
    engine.say(events.ModelReady('s2hand-lite', 'auto', 'CPU'))
    played.wait(lambda: played.window.canvas.note == '')
    assert not engine.told('play'), 'it plays although a person paused it'


def test_settings_of_the_command_line_go_before_what_is_remembered(play):
    played = play(Stored(live=LiveSettings(style='skeleton', opacity=0.4)))
    assert played.window.actions_by_id['style_skeleton'].isChecked()
    assert played.window.panel.settings.opacity == 0.4
