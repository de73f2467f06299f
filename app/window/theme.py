"""How it looks: two palettes, one accent, an 8 pixel grid. Text has a contrast of at least 4.5 to 1 on all it stands on.

Widgets made elsewhere choose their look by two dynamic properties: `role` of a QLabel ('title', 'heading', 'muted', 'number', 'good',
'warning', 'bad') and `kind` of a button ('primary', 'record', 'tool', 'flat').
"""
from __future__ import annotations

from dataclasses import asdict, dataclass
from string import Template

from PyQt5.QtGui import QColor, QPalette
from PyQt5.QtWidgets import QApplication

GRID = 8  # pixels: every distance is a multiple of it, or half of it
RADIUS = 8  # pixels, of rounded corners


@dataclass(frozen=True)
class Palette:
    """Colours as '#rrggbb'."""

    ground: str  # behind everything
    surface: str  # panels and bars
    raised: str  # fields, buttons
    hover: str  # a button under the mouse
    line: str  # hairlines
    edge: str  # of fields and switches, 3:1 on the surface
    text: str
    muted: str  # text of second rank
    faint: str  # of what is switched off
    accent: str
    accent_hover: str
    on_accent: str  # text on the accent
    good: str
    warning: str
    bad: str
    record: str  # the record button
    on_record: str
    glass: str  # under text over the picture; the same in both themes, as is what stands on it
    on_glass: str
    on_glass_muted: str


COLOURS: dict[str, Palette] = {
    'dark': Palette(
        ground='#101216', surface='#181b21', raised='#242932', hover='#2e3540', line='#2a303a', edge='#6b7482', text='#f2f3f5',
        muted='#a9b1be', faint='#5e6673', accent='#ff8a70', accent_hover='#ff9d87', on_accent='#2b0d06', good='#6fd6a0',
        warning='#ffc766', bad='#ff7b7b', record='#d1373d', on_record='#ffffff', glass='#0b0d11', on_glass='#f5f6f8',
        on_glass_muted='#b6bdc9'),
    'light': Palette(
        ground='#eceae6', surface='#f8f7f5', raised='#ffffff', hover='#efece8', line='#dedad4', edge='#86827c', text='#1c1e22',
        muted='#565c66', faint='#a3a19d', accent='#b83a21', accent_hover='#a9351d', on_accent='#ffffff', good='#17704a',
        warning='#8a5a00', bad='#b8262c', record='#cc2f35', on_record='#ffffff', glass='#0b0d11', on_glass='#f5f6f8',
        on_glass_muted='#b6bdc9'),
}
STAGE_COLOURS = ('#ff8a70', '#ffc766', '#8fd694', '#5cc8d7', '#7aa7ff', '#b79bff', '#f29bd0', '#c9ced8')  # on glass, neighbours differ
_STYLE = Template('''
* { font-size: 13px; }
QMainWindow { background: $ground; }
QDialog { background: $surface; }
QWidget { color: $text; }
QLabel { background: transparent; }
QLabel[role="title"] { font-size: 20px; font-weight: 600; }
QLabel[role="heading"] { font-size: 13px; font-weight: 600; }
QLabel[role="muted"] { color: $muted; }
QLabel[role="number"] { color: $muted; }
QLabel[role="good"] { color: $good; }
QLabel[role="warning"] { color: $warning; }
QLabel[role="bad"] { color: $bad; }
QToolTip { background: $raised; color: $text; border: 1px solid $line; padding: 4px 8px; }

QMenuBar { background: $surface; padding: 4px 8px; border-bottom: 1px solid $line; }
QMenuBar::item { background: transparent; padding: 4px 12px; border-radius: 4px; }
QMenuBar::item:selected { background: $hover; }
QMenu { background: $surface; border: 1px solid $line; padding: 8px 0; }
QMenu::item { padding: 6px 32px 6px 32px; }
QMenu::item:selected { background: $hover; }
QMenu::item:disabled { color: $faint; }
QMenu::separator { height: 1px; background: $line; margin: 8px 0; }
QMenu::indicator { width: 8px; height: 8px; left: 12px; border-radius: 4px; border: 1px solid $edge; }
QMenu::indicator:checked { background: $accent; border-color: $accent; }

QPushButton, QToolButton { background: $raised; border: 1px solid $line; border-radius: 8px; padding: 7px 16px; outline: none; }
QPushButton:hover, QToolButton:hover { background: $hover; }
QPushButton:pressed, QToolButton:pressed { background: $line; }
QPushButton:disabled, QToolButton:disabled { color: $faint; background: transparent; }
QPushButton:checked, QToolButton:checked { background: $hover; color: $accent; border-color: $accent; }
QPushButton[kind="primary"] { background: $accent; color: $on_accent; border-color: $accent; font-weight: 600; }
QPushButton[kind="primary"]:hover { background: $accent_hover; border-color: $accent_hover; }
QPushButton[kind="primary"]:disabled { background: $raised; color: $faint; border-color: $line; }
QPushButton[kind="record"] { background: $record; color: $on_record; border-color: $record; font-weight: 600; border-radius: 20px; }
QPushButton[kind="record"]:hover { border-color: $text; }
QPushButton[kind="record"]:disabled { background: $raised; color: $faint; border-color: $line; }
QPushButton[kind="record"]:checked { background: $raised; color: $text; border-color: $record; }
QToolButton[kind="tool"], QPushButton[kind="flat"] { background: transparent; border: 1px solid transparent; padding: 7px; }
QToolButton[kind="tool"]:hover, QPushButton[kind="flat"]:hover { background: $hover; }
QToolButton[kind="tool"]:checked { background: $hover; border-color: transparent; }
QPushButton:focus, QToolButton:focus, QToolButton[kind="tool"]:focus, QPushButton[kind="flat"]:focus,
QPushButton[kind="primary"]:focus, QPushButton[kind="record"]:focus { border-color: $text; }
QToolButton::menu-indicator { image: none; }

QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox, QPlainTextEdit, QListView, QTreeView, QTableView {
  background: $raised; border: 1px solid $line; border-radius: 8px; padding: 6px 8px;
  selection-background-color: $accent; selection-color: $on_accent; }
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus { border-color: $accent; }
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QComboBox:disabled { color: $faint; background: transparent; }
QComboBox::drop-down { border: none; width: 24px; }
QComboBox QAbstractItemView { background: $surface; border: 1px solid $line; border-radius: 0; selection-background-color: $hover;
  selection-color: $text; outline: none; }

QSlider { min-height: 24px; }
QSlider::groove:horizontal { height: 4px; background: $line; border-radius: 2px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider::sub-page:horizontal:disabled { background: $line; }
QSlider::handle:horizontal { width: 16px; height: 16px; margin: -6px 0; border-radius: 8px; background: $text; }
QSlider::handle:horizontal:hover { background: $accent; }
QSlider::handle:horizontal:focus { width: 12px; height: 12px; background: $accent; border: 2px solid $text; }
QSlider::handle:horizontal:disabled { background: $faint; }

QProgressBar { background: $line; border: none; border-radius: 4px; min-height: 8px; max-height: 8px; text-align: center; }
QProgressBar::chunk { background: $accent; border-radius: 4px; }

QCheckBox, QRadioButton { spacing: 8px; }
QCheckBox:disabled, QRadioButton:disabled { color: $faint; }
QScrollArea { border: none; background: transparent; }
QScrollBar:vertical { background: transparent; width: 8px; margin: 0; }
QScrollBar::handle:vertical { background: $line; border-radius: 4px; min-height: 32px; }
QScrollBar::handle:vertical:hover { background: $faint; }
QScrollBar:horizontal { background: transparent; height: 8px; margin: 0; }
QScrollBar::handle:horizontal { background: $line; border-radius: 4px; min-width: 32px; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: none; }
#bar { background: $surface; border-top: 1px solid $line; }
#side_panel { background: $surface; border-left: 1px solid $line; }
''')


def apply_theme(app: QApplication, name: str) -> None:
    """Dress the whole program. `name`: 'dark' or 'light'; anything else is dark."""
    name = name if name in COLOURS else 'dark'
    colours = COLOURS[name]
    if app.property('theme') is None:  # the style's own name cannot be asked for: a style sheet hides it
        app.setStyle('Fusion')
    app.setProperty('theme', name)
    palette = QPalette()
    roles = {QPalette.Window: colours.ground, QPalette.WindowText: colours.text, QPalette.Base: colours.raised,
             QPalette.AlternateBase: colours.surface, QPalette.Text: colours.text, QPalette.Button: colours.raised,
             QPalette.ButtonText: colours.text, QPalette.BrightText: colours.bad, QPalette.Highlight: colours.accent,
             QPalette.HighlightedText: colours.on_accent, QPalette.ToolTipBase: colours.raised, QPalette.ToolTipText: colours.text,
             QPalette.PlaceholderText: colours.muted, QPalette.Link: colours.accent}
    for role, colour in roles.items():
        palette.setColor(role, QColor(colour))
    for role in (QPalette.WindowText, QPalette.Text, QPalette.ButtonText):
        palette.setColor(QPalette.Disabled, role, QColor(colours.faint))
    app.setPalette(palette)
    style = _STYLE.substitute(asdict(colours))
    windows = [w for w in app.topLevelWidgets() if w.parent() is None and w.isVisible()]
    for window in windows:  # its dialogs and menus inherit it; dressing the whole program anew would hold it up four times as long
        window.setStyleSheet(style)
    if not windows:
        app.setStyleSheet(style)


def theme_name() -> str:
    """The theme that is on."""
    app = QApplication.instance()
    return (app.property('theme') if app else None) or 'dark'


def colours() -> Palette:
    """The palette that is on."""
    return COLOURS[theme_name()]


def translucent(colour: str, opacity: float) -> QColor:
    """The colour '#rrggbb' with an opacity of 0..1."""
    found = QColor(colour)
    found.setAlphaF(opacity)
    return found
