"""`python main.py live`, and `python main.py` alone: the window, or the same pipeline without one. Knows nothing of Qt until it opens."""
from __future__ import annotations

import argparse
import ctypes
import os
import sys
from dataclasses import replace
from pathlib import Path

from app.errors import InputError
from app.live.settings import LiveSettings, ViewSettings

STYLES = ('textured', 'shaded', 'wireframe', 'skeleton', 'off')  # as in `app/overlay.py`, which is too heavy to import for --help
SETTINGS = ('style', 'opacity', 'mirror', 'smoothing', 'ahead', 'refine', 'lock', 'field_of_view', 'intrinsics', 'weights', 'provider',
            'threads', 'hands')  # fields of LiveSettings that are options; what is not typed is not among the parsed arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options. Settings that are not given are as the window remembers them, or as usual without a window."""
    usual, unset = LiveSettings(), argparse.SUPPRESS
    parser.add_argument('--source', metavar='SOURCE', default=unset,
                        help='a video, a picture, a folder of pictures, or the number of a camera; else what was open last, or a camera')
    parser.add_argument('--seconds', type=_positive, metavar='S', default=unset, help='end after this time')
    without = parser.add_argument_group('without a window')
    without.add_argument('--no-display', action='store_true', default=unset, help='open no window, print the timing table; needs --source')
    without.add_argument('--max-frames', type=_count, metavar='N', default=unset, help='end after N pictures')
    without.add_argument('--json', type=Path, metavar='FILE', default=unset, help='write the timing table there, too')
    look = parser.add_argument_group('look')
    look.add_argument('--style', choices=STYLES, default=unset, help=f'of the hands on the picture (usual: {usual.style})')
    look.add_argument('--opacity', type=_share, metavar='0..1', default=unset, help='of the hands on the picture (usual: 1)')
    look.add_argument('--mirror', action=argparse.BooleanOptionalAction, default=unset, help='show the picture as in a mirror (usual)')
    look.add_argument('--view', type=_view, metavar='WxH', default=unset,
                      help="pixels of the 3D view without a window, or 'off' for none (usual: 480x480)")
    seen = parser.add_argument_group('camera and hands')
    seen.add_argument('--hands', type=int, choices=(1, 2), default=unset, help=f'how many at once (usual: {usual.hands})')
    seen.add_argument('--fov', type=_degrees, metavar='DEGREES', dest='field_of_view', default=unset,
                      help=f'of the longer side of the picture (usual: {usual.field_of_view:.0f})')
    seen.add_argument('--intrinsics', type=Path, metavar='FILE', default=unset,
                      help='JSON with fx, fy, cx, cy in pixels (width, height optional)')
    how = parser.add_argument_group('how')
    how.add_argument('--weights', type=Path, metavar='FILE', default=unset, help='an exported network (.onnx), not the one that ships')
    how.add_argument('--provider', choices=('auto', 'tensorrt', 'cuda', 'openvino', 'cpu'), default=unset,
                     help='of the network (usual: auto)')
    how.add_argument('--threads', type=int, choices=range(1, 65), metavar='N', default=unset, help='of the network on the CPU')
    how.add_argument('--refine', action=argparse.BooleanOptionalAction, default=unset, help='fit the hand to the detected points (usual)')
    how.add_argument('--smoothing', type=_share, metavar='0..1', default=unset, help=f'over time (usual: {usual.smoothing})')
    how.add_argument('--ahead', action=argparse.BooleanOptionalAction, default=unset,
                     help='wait one frame, so that hands tremble less (usual); else all comes 33 ms sooner at 30 frames per second')
    how.add_argument('--lock', action=argparse.BooleanOptionalAction, default=unset, help='one shape and one texture for a hand (usual)')


def run(args: argparse.Namespace) -> int:
    """The command. Raises InputError for options that contradict each other, and where no window can be shown."""
    asked = {name: getattr(args, name) for name in SETTINGS if hasattr(args, name)}
    view = getattr(args, 'view', None)
    _check(args, asked)
    if getattr(args, 'no_display', False):
        from app.live.headless import run_headless

        args.settings = replace(LiveSettings(), **asked, view=view or ViewSettings())
        for name in ('source', 'max_frames', 'json', 'seconds'):
            setattr(args, name, getattr(args, name, None))
        return run_headless(args)
    no_display = why_no_display()
    if no_display:
        raise InputError(f'There is no display to open a window on ({no_display}); start it from a desktop, or run '
                         '`python main.py live --source FILE --no-display`, which needs none.')
    from app.window.start import run_window

    return run_window(getattr(args, 'source', None), asked, seconds=getattr(args, 'seconds', None), picture_only=view is not None)


def why_no_display() -> str:
    """Why no window can be shown; '' where one can, as far as is known. Qt itself would end the program on the spot."""
    if not sys.platform.startswith('linux') or os.environ.get('QT_QPA_PLATFORM'):
        return ''
    display = os.environ.get('DISPLAY')
    if not display:
        return '' if os.environ.get('WAYLAND_DISPLAY') else 'neither DISPLAY nor WAYLAND_DISPLAY is set'
    try:
        xcb = ctypes.CDLL('libxcb.so.1')
    except OSError:  # Qt will say what it misses
        return ''
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
    refused = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return f'DISPLAY is {display}, and nothing answers there' if refused else ''


def _check(args: argparse.Namespace, asked: dict) -> None:
    if getattr(args, 'no_display', False):
        if not hasattr(args, 'source'):
            raise InputError('--no-display has nothing to show by itself; say what it should work on with --source FILE.')
    else:
        for name in ('max_frames', 'json'):
            if hasattr(args, name):
                raise InputError(f'--{name.replace("_", "-")} is for running without a window; add --no-display.')
        if getattr(args, 'view', None) is not None and args.view.width:
            raise InputError("The window's 3D view is as large as its place; give --view a size only with --no-display, or say --view off.")
    if 'intrinsics' in asked and 'field_of_view' in asked:
        raise InputError('--intrinsics and --fov both say what the camera is; give one of them')
    if 'intrinsics' in asked:
        from app.reconstruct_settings import read_intrinsics

        read_intrinsics(asked['intrinsics'], 640, 480)  # says what is wrong with the file
    if 'weights' in asked and not asked['weights'].is_file():
        raise InputError(f'The network weights {asked["weights"]} do not exist; give the path of an exported .onnx file.')


def _view(text: str) -> ViewSettings:
    if text == 'off':
        return ViewSettings(width=0, height=0)
    width, cross, height = text.partition('x')
    if not (cross and width.isdigit() and height.isdigit() and 16 <= int(width) <= 4096 and 16 <= int(height) <= 4096):
        raise argparse.ArgumentTypeError(f"{text} is neither a size such as 480x480, from 16 to 4096 pixels, nor 'off'")
    return ViewSettings(width=int(width), height=int(height))


def _number(text: str, low: float, high: float, what: str, kind: type = float) -> float:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise argparse.ArgumentTypeError(f'{text} is not {what}')
    return value


def _share(text: str) -> float:
    return _number(text, 0, 1, 'a number from 0 to 1')


def _degrees(text: str) -> float:
    return _number(text, 1, 170, 'an angle from 1 to 170 degrees')


def _positive(text: str) -> float:
    return _number(text, 1e-3, 1e7, 'a positive number of seconds')


def _count(text: str) -> int:
    return _number(text, 1, 10**9, 'a whole number from 1 on', int)
