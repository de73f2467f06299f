"""The table of actions: one key for each, every key that was agreed on, and styles that exclude each other."""
from __future__ import annotations

import typing
from collections import Counter

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QKeySequence
from PyQt5.QtWidgets import QWidget

from app.live.settings import LiveStyle
from app.window.actions import ACTIONS, GROUPS, STYLE_PREFIX, hint, keys, make_actions

AGREED = {
    'style_textured': '1', 'style_shaded': '2', 'style_wireframe': '3', 'style_skeleton': '4', 'style_off': '5', 'opacity_down': '[',
    'opacity_up': ']', 'mirror': 'M', 'layout': 'V', 'view_reset': '0', 'play_pause': 'Space', 'step_back': ',', 'step_forward': '.',
    'seek_back': 'Left', 'seek_forward': 'Right', 'loop': 'L', 'record': 'R', 'snapshot': 'S', 'reset_shape': 'X', 'lock': 'K',
    'refine': 'F', 'hands': 'H', 'hud': 'I', 'panel': 'P', 'theme': 'T', 'full_screen': 'F11', 'open_video': 'Ctrl+O',
    'open_folder': 'Ctrl+Shift+O', 'open_demo': 'Ctrl+D', 'next_camera': 'C', 'offline': 'Ctrl+R', 'export': 'Ctrl+E', 'shortcuts': '?',
    'quit': 'Ctrl+Q'}


def test_every_action_has_the_key_that_was_agreed_on():
    assert {spec.id: spec.key for spec in ACTIONS} == AGREED


def test_no_key_and_no_words_mean_two_things(qapp):
    all_keys = [QKeySequence(key).toString() for spec in ACTIONS for key in keys(spec)]
    for what, values in (('key', all_keys), ('words', [spec.text for spec in ACTIONS])):
        twice = [value for value, count in Counter(values).items() if count > 1 or not value]
        assert not twice, f'{what} used twice, or empty: {twice}'


def test_every_group_has_actions_and_every_action_a_group():
    assert {spec.group for spec in ACTIONS} == {*GROUPS}


def test_there_is_one_action_for_each_style():
    styles = [spec.id.removeprefix(STYLE_PREFIX) for spec in ACTIONS if spec.id.startswith(STYLE_PREFIX)]
    assert styles == [*typing.get_args(LiveStyle)]


def test_at_most_one_style_is_checked_and_a_second_press_keeps_it(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    actions = make_actions(parent)
    styles = [action for id, action in actions.items() if id.startswith(STYLE_PREFIX)]
    assert not any(action.isChecked() for action in styles), 'nobody has chosen yet'
    for action in (*styles, *reversed(styles), styles[0]):
        action.trigger()
        assert [a.objectName() for a in styles if a.isChecked()] == [action.objectName()]


def test_a_key_reaches_its_action_in_the_whole_window(qtbot):
    window = QWidget()
    child = QWidget(window)
    child.setFocusPolicy(Qt.StrongFocus)
    qtbot.addWidget(window)
    actions, heard = make_actions(window), []
    for id, action in actions.items():
        action.triggered.connect(lambda _, id=id: heard.append(id))
    with qtbot.waitExposed(window):
        window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=10_000)
    child.setFocus()
    for key, id in ((Qt.Key_R, 'record'), (Qt.Key_Space, 'play_pause'), (Qt.Key_Comma, 'step_back'), (Qt.Key_Left, 'seek_back'),
                    (Qt.Key_3, 'style_wireframe'), (Qt.Key_BracketLeft, 'opacity_down'), (Qt.Key_Minus, 'opacity_down'),
                    (Qt.Key_Question, 'shortcuts')):
        heard.clear()
        qtbot.keyClick(child, key)
        assert heard == [id], f'key {key:#x} reached {heard}'


def test_the_hint_tells_the_words_and_the_key(qapp):
    by_id = {spec.id: spec for spec in ACTIONS}
    assert hint(by_id['mirror']) == 'Show as in a mirror (M)'
    assert hint(by_id['export']) == 'Export sequence (Ctrl+E)'
