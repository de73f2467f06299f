"""Everything the window can be told by a key or a menu, said once: menus, the buttons' hints and the `?` sheet are made from this table."""
from __future__ import annotations

from dataclasses import dataclass

from PyQt5.QtCore import QObject, Qt
from PyQt5.QtGui import QKeySequence
from PyQt5.QtWidgets import QAction, QActionGroup, QWidget


@dataclass(frozen=True)
class ActionSpec:
    """One thing to do."""

    id: str
    text: str  # plain words, as in a menu
    key: str  # portable text of the shortcut, as QKeySequence reads it
    group: str  # one of GROUPS
    checkable: bool = False  # it is on or off
    repeats: bool = False  # again and again while the key is held
    also: str = ''  # a second key, where some keyboards have the first only behind another


GROUPS = ('Look', 'Hands', 'Playing', 'Saving', 'Sources', 'Window')  # in the order of the `?` sheet
STYLE_PREFIX = 'style_'  # what follows is a LiveStyle; of these actions one at most is checked

ACTIONS: tuple[ActionSpec, ...] = (
    ActionSpec('style_textured', 'Skin', '1', 'Look', checkable=True),
    ActionSpec('style_shaded', 'Porcelain', '2', 'Look', checkable=True),
    ActionSpec('style_wireframe', 'Wireframe', '3', 'Look', checkable=True),
    ActionSpec('style_skeleton', 'Skeleton', '4', 'Look', checkable=True),
    ActionSpec('style_off', 'Picture only, nothing drawn', '5', 'Look', checkable=True),
    ActionSpec('opacity_down', 'More see-through', '[', 'Look', repeats=True, also='-'),
    ActionSpec('opacity_up', 'More solid', ']', 'Look', repeats=True, also='+'),
    ActionSpec('mirror', 'Show as in a mirror', 'M', 'Look', checkable=True),
    ActionSpec('layout', 'Next layout of picture and 3D view', 'V', 'Look'),
    ActionSpec('view_reset', 'Reset the 3D view', '0', 'Look'),
    ActionSpec('hands', 'Follow two hands', 'H', 'Hands', checkable=True),
    ActionSpec('refine', 'Fit to the detected points', 'F', 'Hands', checkable=True),
    ActionSpec('lock', 'Keep one shape and skin', 'K', 'Hands', checkable=True),
    ActionSpec('reset_shape', 'Forget shape and skin', 'X', 'Hands'),
    ActionSpec('play_pause', 'Play or pause', 'Space', 'Playing'),
    ActionSpec('step_back', 'One picture back', ',', 'Playing', repeats=True),
    ActionSpec('step_forward', 'One picture forward', '.', 'Playing', repeats=True),
    ActionSpec('seek_back', 'Back 5 seconds', 'Left', 'Playing', repeats=True),
    ActionSpec('seek_forward', 'Forward 5 seconds', 'Right', 'Playing', repeats=True),
    ActionSpec('loop', 'Play in a loop', 'L', 'Playing', checkable=True),
    ActionSpec('record', 'Record', 'R', 'Saving', checkable=True),
    ActionSpec('snapshot', 'Snapshot', 'S', 'Saving'),
    ActionSpec('offline', 'Reconstruct this video with the best settings…', 'Ctrl+R', 'Saving'),
    ActionSpec('export', 'Export sequence…', 'Ctrl+E', 'Saving'),
    ActionSpec('next_camera', 'Next camera', 'C', 'Sources'),
    ActionSpec('open_video', 'Open a video or picture…', 'Ctrl+O', 'Sources'),
    ActionSpec('open_folder', 'Open a folder of pictures…', 'Ctrl+Shift+O', 'Sources'),
    ActionSpec('open_demo', 'Play the demo clip', 'Ctrl+D', 'Sources'),
    ActionSpec('hud', 'Show speed and delay', 'I', 'Window', checkable=True),
    ActionSpec('panel', 'Show the side panel', 'P', 'Window', checkable=True),
    ActionSpec('theme', 'Dark or light look', 'T', 'Window'),
    ActionSpec('full_screen', 'Full screen', 'F11', 'Window', checkable=True),
    ActionSpec('shortcuts', 'All shortcuts', '?', 'Window'),
    ActionSpec('quit', 'Quit', 'Ctrl+Q', 'Window'),
)


def make_actions(parent: QObject) -> dict[str, QAction]:
    """The actions by id, owned by `parent` and, if that is a widget, working in its whole window. The styles are exclusive."""
    styles = QActionGroup(parent)
    actions = {}
    for spec in ACTIONS:
        action = QAction(spec.text, parent)
        action.setObjectName(spec.id)
        action.setShortcuts([QKeySequence(key, QKeySequence.PortableText) for key in keys(spec)])
        action.setShortcutContext(Qt.WindowShortcut)
        action.setAutoRepeat(spec.repeats)
        action.setCheckable(spec.checkable)
        action.setMenuRole(QAction.QuitRole if spec.id == 'quit' else QAction.NoRole)  # macOS would move some by their words
        action.setToolTip(hint(spec))
        if spec.id.startswith(STYLE_PREFIX):
            styles.addAction(action)
        if isinstance(parent, QWidget):
            parent.addAction(action)
        actions[spec.id] = action
    return actions


def hint(spec: ActionSpec) -> str:
    """What a tooltip says: the words and the key."""
    return f'{spec.text.removesuffix("…")} ({key_text(spec)})'


def keys(spec: ActionSpec) -> tuple[str, ...]:
    """All its keys, the first one first."""
    return (spec.key, spec.also) if spec.also else (spec.key,)


def key_text(spec: ActionSpec) -> str:
    """The key as this system writes it."""
    return native(spec.key)


def native(key: str) -> str:
    """A key of the table as this system writes it."""
    return QKeySequence(key, QKeySequence.PortableText).toString(QKeySequence.NativeText)
