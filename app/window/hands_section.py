"""How hands are followed, and what is known of them."""
from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QPushButton, QWidget

from app.live.settings import LiveSettings
from app.live.shown import HandStatus
from app.window.controls import Segments, Switch, WordedSlider
from app.window.hand_card import HandCard
from app.window.section import Section
from app.window.theme import GRID


class HandsSection(Section):
    """Tells `edited(field of LiveSettings, value)`, and `forget` when shape and skin are to be learnt anew."""

    edited = pyqtSignal(str, object)
    forget = pyqtSignal()

    def __init__(self, parent: QWidget | None = None):
        super().__init__('Hands', parent)
        self._lock, self._hands, self._seen = True, 1, ()
        self.hands = self.add(Segments('How many hands', (
            (1, 'One hand', 'Follow one hand: faster, and never a second one where there is none (H)'),
            (2, 'Two hands', 'Follow both hands: takes more time (H)'))))
        self.hands.chosen.connect(lambda count: self.edited.emit('hands', count))
        self.smoothing = self.add(WordedSlider(
            'Steadiness', 'quick', 'steady', 'To the left the hand follows at once and may tremble; to the right it is calm and trails '
            'a little behind quick moves.'), GRID)
        self.smoothing.chosen.connect(lambda value: self.edited.emit('smoothing', value))
        self.ahead = self.add(Switch(
            'Steadier: wait one picture', 'A picture is shown when the next one is known, which tells trembling from moving: hands tremble '
            'less than half as much, and everything comes one picture later, 33 ms at 30 per second. Slow sources do not wait.'), GRID)
        self.ahead.chosen.connect(lambda on: self.edited.emit('ahead', on))
        self.refine = self.add(Switch(
            'Fit to the detected points', 'After the network has guessed the hand, its fingers are moved until they lie on the points '
            'seen in the picture. More exact; takes a few milliseconds a hand (F).'), GRID)
        self.refine.chosen.connect(lambda on: self.edited.emit('refine', on))
        self.lock = self.add(Switch(
            'Keep one shape and skin', 'The program learns how long your fingers are and what your skin looks like, then keeps that: the '
            'hand no longer changes from picture to picture (K).'))
        self.lock.chosen.connect(lambda on: self.edited.emit('lock', on))
        self.cards = (self.add(HandCard()), self.add(HandCard()))
        self.reset = self.add(QPushButton('Forget shape and skin'))
        self.reset.setToolTip('Learn them anew: for another person, or when the hand looks wrong (X)')
        self.reset.setAccessibleName('Forget shape and skin')
        self.reset.setFocusPolicy(Qt.TabFocus)
        self.reset.clicked.connect(self.forget)

    def show_settings(self, settings: LiveSettings) -> None:
        """Show them without telling."""
        self.hands.show_value(settings.hands)
        self.smoothing.show_value(settings.smoothing)
        self.ahead.show_value(settings.ahead)
        self.refine.show_value(settings.refine)
        self.lock.show_value(settings.lock)
        self._lock, self._hands = settings.lock, settings.hands
        self.show_hands(self._seen)

    def show_hands(self, hands: Sequence[HandStatus]) -> None:
        """The followed hands; the second card is there while two are asked for, or still seen."""
        self._seen = tuple(hands)
        self.cards[1].setVisible(max(self._hands, len(hands)) > 1)
        for card, hand in zip(self.cards, (*sorted(hands, key=lambda hand: hand.track)[:2], None, None)):
            card.show_hand(hand, self._lock)
