"""The side panel: everything a person can change while it runs, in sections that fold."""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PyQt5.QtCore import QEvent, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QPainter
from PyQt5.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QFrame, QScrollArea, QVBoxLayout, QWidget

from app.live.events import ModelFailed, ModelLoading, ModelReady, RecordingStopped
from app.live.recorder import RecordingSettings
from app.live.settings import LiveSettings
from app.window.controls import WheelGuard
from app.window.hands_section import HandsSection
from app.window.jobs_panel import JobsPanel
from app.window.look_section import LookSection
from app.window.model_section import ModelSection
from app.window.record_section import RecordSection
from app.window.theme import GRID, colours

if TYPE_CHECKING:
    from app.live.statistics import LiveStatistics
    from app.window.bridge import EngineBridge

WIDTH = 320  # pixels
_OWN_KEYS = (Qt.Key_Space, Qt.Key_Left, Qt.Key_Right, Qt.Key_Up, Qt.Key_Down, Qt.Key_Home, Qt.Key_End, Qt.Key_PageUp, Qt.Key_PageDown)


class SidePanel(QWidget):
    """`changed` and `recording_changed` tell what a person did; what the window sets is shown and not told."""

    changed = pyqtSignal(object)  # LiveSettings
    recording_changed = pyqtSignal(object)  # RecordingSettings

    def __init__(self, bridge: EngineBridge | None, settings: LiveSettings, recording: RecordingSettings, parent: QWidget | None = None):
        """`bridge`: forgets shapes when asked, and tells of recordings that ended; None: nobody does."""
        super().__init__(parent)
        self.setMinimumWidth(WIDTH - 2 * GRID)
        self.setMaximumWidth(WIDTH)
        self.settings = settings
        self.look, self.hands, self.model = LookSection(), HandsSection(), ModelSection()
        self.record, self.jobs = RecordSection(recording), JobsPanel()
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for section in (self.jobs, self.look, self.hands, self.model, self.record):
            column.addWidget(section)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setFrameShape(QFrame.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.NoFocus)
        scroll.setWidget(content)
        content.setAutoFillBackground(False)  # which the scroll area has just switched on
        scroll.viewport().setAutoFillBackground(False)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)
        for section in (self.look, self.hands, self.model):
            section.edited.connect(self._edited)
        self.record.chosen.connect(self.recording_changed)
        self.jobs.added.connect(lambda: scroll.verticalScrollBar().setValue(0))  # where the jobs are
        self._guard = WheelGuard(self)
        for kind in (QAbstractSlider, QAbstractSpinBox, QComboBox):
            for control in content.findChildren(kind):
                control.installEventFilter(self._guard)
        if bridge is not None:
            self.hands.forget.connect(bridge.reset_shapes)
            bridge.recording_started.connect(lambda _: self.record.set_enabled(False))
            bridge.recording_stopped.connect(self.show_stopped)
        self._show()

    def set_settings(self, settings: LiveSettings) -> None:
        """Show settings that were changed elsewhere, by a key or a menu."""
        if settings != self.settings:
            self.settings = settings
            self._show()

    def set_recording(self, recording: RecordingSettings) -> None:
        """Show what is to be recorded."""
        self.record.show_recording(recording)

    def show_model(self, event: ModelReady | ModelLoading | ModelFailed) -> None:
        """What became of the network."""
        self.model.show_model(event)

    def show_statistics(self, statistics: LiveStatistics) -> None:
        """The followed hands: how sure, and how far their shape and skin are settled."""
        self.hands.show_hands(statistics.hands)

    def show_stopped(self, event: RecordingStopped) -> None:
        """A recording has ended."""
        self.record.set_enabled(True)
        self.record.show_stopped(event)

    def sizeHint(self) -> QSize:
        return QSize(WIDTH, 640)

    def paintEvent(self, _) -> None:
        QPainter(self).fillRect(self.rect(), QColor(colours().surface))

    def event(self, event: QEvent) -> bool:
        """The control that has the keyboard keeps the keys that steer it, which are the window's shortcuts otherwise."""
        if event.type() == QEvent.ShortcutOverride and event.key() in _OWN_KEYS and not event.modifiers():
            focus = self.focusWidget()
            if focus is not None and focus.hasFocus() and isinstance(focus, (QAbstractButton, QAbstractSlider, QComboBox)):
                event.accept()
                return True
        return super().event(event)

    def _edited(self, name: str, value: object) -> None:
        wanted = replace(self.settings, **{name: value})
        if wanted != self.settings:
            self.settings = wanted
            self._show()
            self.changed.emit(wanted)

    def _show(self) -> None:
        for section in (self.look, self.hands, self.model):
            section.show_settings(self.settings)
