"""The command line as a person meets it: in a child process, with real arguments."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import main
from app.errors import InputError

ROOT = Path(__file__).resolve().parent.parent


def pretend(monkeypatch, body: str) -> None:
    """Let the command `demo` be a module whose `run` has this body; everything around it stays real."""
    namespace = {'InputError': InputError}
    exec('def add_arguments(parser):\n    parser.add_argument("--size", type=int, default=3)\n'
         f'def run(args):\n{textwrap.indent(body, "    ")}', namespace)
    module = type(sys)('pretended_command')
    module.add_arguments, module.run = namespace['add_arguments'], namespace['run']
    monkeypatch.setitem(sys.modules, 'pretended_command', module)
    monkeypatch.setitem(main.COMMANDS, 'demo', ('pretended_command', 'pretends'))


def test_help_names_every_command_and_starts_at_once(run_main):
    run_main('--help')  # the first start compiles
    started = time.monotonic()
    result = run_main('--help')
    seconds = time.monotonic() - started
    assert result.returncode == 0 and all(name in result.stdout for name in main.COMMANDS)
    assert seconds < 1, f'--help took {seconds:.2f} s; it imports nothing heavy, so 0.1 s is usual and 1 s generous for a busy machine'


def test_help_imports_nothing_heavy():
    script = 'import sys, main; main.main(["--help"]); ' \
             'print(sorted({"numpy", "cv2", "torch", "mediapipe", "onnxruntime"} & set(sys.modules)))'
    result = subprocess.run([sys.executable, '-c', script], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.endswith('[]\n'), result.stdout + result.stderr


@pytest.mark.parametrize('name', main.COMMANDS)
def test_every_command_explains_its_options(run_main, name):
    result = run_main(name, '--help')
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f'usage: python main.py {name}'), result.stdout


@pytest.mark.skipif(sys.platform != 'linux', reason='only there may a screen be missing')
def test_no_command_at_all_opens_the_window_and_without_a_screen_says_what_to_do(run_main):
    environment = {k: v for k, v in os.environ.items() if k not in ('DISPLAY', 'WAYLAND_DISPLAY', 'QT_QPA_PLATFORM')}
    result = run_main(env=environment)
    assert (result.returncode, result.stdout) == (2, ''), result
    assert 'no display' in result.stderr and '--no-display' in result.stderr and result.stderr.count('\n') == 1, result.stderr


def test_an_unknown_command_is_answered_with_those_that_exist(run_main):
    result = run_main('recontruct')
    assert (result.returncode, result.stdout) == (2, '')
    assert "did you mean 'reconstruct'" in result.stderr and 'demo' in result.stderr and result.stderr.count('\n') == 1, result.stderr


def test_an_input_error_is_one_sentence_and_exit_code_2(monkeypatch, capsys):
    pretend(monkeypatch, 'raise InputError("clip.mp4 is not a video: give another file")')
    assert main.main(['demo']) == 2
    assert capsys.readouterr().err == 'main.py: clip.mp4 is not a video: give another file\n'


def test_a_mistake_of_the_program_itself_is_not_hidden(monkeypatch):
    pretend(monkeypatch, 'return [][0]')
    with pytest.raises(IndexError):
        main.main(['demo'])


def test_the_chosen_command_gets_its_options_and_gives_the_exit_code(monkeypatch):
    pretend(monkeypatch, 'return args.size')
    assert main.main(['demo']) == 3
    assert main.main(['demo', '--size', '7']) == 7


def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch, capsys):
    pretend(monkeypatch, 'import no_such_package_at_all')
    assert main.main(['demo']) == 2
    error = capsys.readouterr().err
    assert "'no_such_package_at_all'" in error and 'make setup' in error, error


def test_a_missing_system_library_is_named_with_the_way_to_get_it(monkeypatch, capsys):
    pretend(monkeypatch, 'raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")')
    assert main.main(['demo']) == 2
    error = capsys.readouterr().err
    assert 'libGL.so.1' in error and 'make setup' in error, error


@pytest.mark.skipif(os.name == 'nt', reason='POSIX signals')
def test_ctrl_c_ends_with_one_line_and_exit_code_130():
    script = 'import signal, sys, types, main\n' \
             'signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background inherits a deaf ear\n' \
             'module = types.ModuleType("waits")\nmodule.add_arguments = lambda parser: None\n' \
             'def run(args):\n    import time\n    print("waiting", flush=True)\n    time.sleep(60)\n' \
             'module.run = run\nsys.modules["waits"] = module\nmain.COMMANDS["waits"] = ("waits", "waits")\nsys.exit(main.main(["waits"]))'
    child = subprocess.Popen([sys.executable, '-c', script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == 'waiting\n'
    child.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=20)
    assert (child.returncode, error) == (130, '\nStopped.\n')


@pytest.mark.skipif(os.name == 'nt', reason='a POSIX pipe')
def test_a_reader_that_goes_away_makes_no_noise():
    command = f'{sys.executable} -u main.py --help | true; echo "${{PIPESTATUS[0]}}"'
    results = [subprocess.run(['bash', '-c', command], cwd=ROOT, capture_output=True, text=True) for _ in range(3)]
    assert all(result.stderr == '' for result in results), results[0].stderr
    assert {result.stdout.strip() for result in results} <= {'0', '141'}, 'exit code: 0 if the reader went too late, else 141'


@pytest.mark.skipif(sys.platform != 'linux', reason='file names are bytes on Linux only')
@pytest.mark.parametrize('encoding', ['utf-8', 'ascii'])
def test_names_that_the_terminal_cannot_show_are_no_error(encoding, tmp_path):
    name = os.fsdecode(b'h\xe4nd \xe6\x89\x8b.mp4')  # Latin-1 and UTF-8 in one name
    result = subprocess.run([sys.executable, 'main.py', 'setup', '--wheel', str(tmp_path / name)], cwd=ROOT, capture_output=True,
                            env={**os.environ, 'PYTHONIOENCODING': encoding, 'S2HAND_CACHE': str(tmp_path / name / 'cache')})
    assert result.returncode == 2 and b'Traceback' not in result.stderr and b'nd' in result.stderr, result.stderr
