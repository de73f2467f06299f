"""The hand model that the shipped network was trained for, loaded once for all threads of the live pipeline."""
from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the window should not wait for it
    from app.hand_model import HandModel

ATTEMPTS = 5

_lock = threading.Lock()
_model: HandModel | None = None


def shared_model() -> HandModel:
    """The one model; loads it the first time, which takes some hundredths of a second."""
    global _model
    with _lock:
        if _model is None:
            from app.hand_model import DEFAULT_PATH, HandModel

            _model = undisturbed(lambda: HandModel.load(DEFAULT_PATH))
        return _model


def undisturbed(make):
    """`make()`, again if another thread disturbed it.

    NumPy reads a file's header with `ast.literal_eval`, and in some versions of CPython 3.11 and 3.12 that raises SystemError
    ("recursion depth mismatch") when another thread is in `ast` at the same moment, as some packages are while they are imported.
    """
    for attempt in range(ATTEMPTS):
        try:
            return make()
        except SystemError:
            if attempt == ATTEMPTS - 1:
                raise
