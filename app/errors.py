"""The one exception that a person sees as a sentence."""
from __future__ import annotations

import sys
from collections.abc import Callable


class InputError(Exception):
    """Something the person gave (a file, a folder, an option, a set-up step) cannot be used.

    The message is one plain sentence that says what happened and what to do. `main.py` prints it and exits with code 2.
    """


def exit_code(command: Callable[[], object]) -> int:
    """Run what a module does as a program (`python -m ...`): 0, or 2 and the sentence on the error stream."""
    try:
        command()
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0
