"""The command line. It only finds the chosen command's module: each has `add_arguments(parser)` and `run(args) -> exit code`.

Nothing heavy is imported before the command is known, so that `--help` and a mistyped word answer at once.
"""
from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys

from app.errors import InputError

VERSION = '0.1.0'
COMMANDS = {  # name: (module, what it does)
    'live': ('app.window.command', 'the window: a camera or a video with the hands on it (also without any command)'),
    'demo': ('app.demo', 'run the main job on the bundled clip and compare the result with the truth'),
    'reconstruct': ('app.reconstruct', 'videos, pictures or folders of pictures in; textured 3D hands out'),
    'meshes': ('app.meshes_command', 'the numbers of a run or a recording in; OBJ, PLY or GLB out'),
    'bench': ('benchmarks.bench.command', 'how fast everything is here, beside MediaPipe Hands alone, in one run'),
    'setup': ('setup.command', "fetch the hand detector's model file, once"),
    'label': ('training.label', 'pictures and videos in; a training set of crops with detected points out'),
    'train': ('training.train', 'train the network'),
    'evaluate': ('training.evaluate', 'measure a network on pictures with truth, beside its peers'),
    'export': ('export.command', 'a checkpoint as ONNX (fp32, fp16), int8, or a TensorRT engine'),
}
OWN_FOLDERS = {'app', 'models', 'training', 'export', 'setup', 'benchmarks'}
INPUT_ERROR, INTERRUPTED, BROKEN_PIPE = 2, 130, 141  # 128 + the signal's number, as shells count


def main(arguments: list[str]) -> int:
    """Run one command line and return its exit code. What a person can cause is one sentence on stderr, never a traceback."""
    try:
        code = dispatch(arguments)
        sys.stdout.flush()
        return code
    except InputError as error:
        return fail(str(error))
    except ImportError as error:
        return fail(missing_import(error))
    except KeyboardInterrupt:
        print('\nStopped.', file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `main.py ... | head`: whoever read the output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit is silent too
        return BROKEN_PIPE


def dispatch(arguments: list[str]) -> int:
    """Import the chosen command's module, give it its arguments and run it."""
    arguments = arguments or ['live']
    if arguments[0] in ('-h', '--help', 'help'):
        print(overview())
        return 0
    if arguments[0] == '--version':
        print(f's2hand {VERSION}')
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f', did you mean {close[0]!r}?' if close else ''
        raise InputError(f'there is no command {name!r}{hint or "."} The commands are: {", ".join(COMMANDS)}')
    module_name, purpose = COMMANDS[name]
    module = importlib.import_module(module_name)
    parser = argparse.ArgumentParser(prog=f'python main.py {name}', description=purpose[0].upper() + purpose[1:] + '.',
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    module.add_arguments(parser)
    return module.run(parser.parse_args(arguments[1:]))


def overview() -> str:
    """What `--help` prints."""
    lines = [f'  {name:<12} {purpose}' for name, (_, purpose) in COMMANDS.items()]
    return '\n'.join(['usage: python main.py [COMMAND] [options]', '', *lines, '',
                      'python main.py COMMAND --help lists the options of a command.'])


def missing_import(error: ImportError) -> str:
    """The sentence for an import that failed because of the machine; one of our own mistakes is raised again."""
    name = (error.name or '').split('.')[0]
    if 'cannot open shared object file' in str(error):
        return f'a system library is missing ({error}): run `make setup`, which installs it or prints the line that does'
    if not isinstance(error, ModuleNotFoundError) or not name or name in OWN_FOLDERS:
        raise error
    return (f'this Python ({sys.executable}) has no package {name!r}: run `make setup` and use .venv/bin/python, '
            'or run `python -m pip install -r requirements.txt`')


def fail(sentence: str) -> int:
    """Print the sentence and return the exit code for input that cannot be used."""
    print(f'main.py: {sentence}', file=sys.stderr)
    return INPUT_ERROR


if __name__ == '__main__':
    sys.stdout.reconfigure(errors='backslashreplace')  # a file name may hold what the terminal's encoding, or any, cannot say
    sys.exit(main(sys.argv[1:]))
