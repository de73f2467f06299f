"""The one exception that a person sees as a sentence."""


class InputError(Exception):
    """Something the person gave (a file, a folder, an option, a set-up step) cannot be used.

    The message is one plain sentence that says what happened and what to do. `main.py` prints it and exits with code 2.
    """
