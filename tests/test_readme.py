"""The README names only what exists."""
from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import main
from app.outputs.hands_file import ROWS

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / 'README.md').read_text(encoding='utf-8')
QUOTED = re.findall(r'`([^`\n]+)`', TEXT)
PATH = re.compile(r'[\w./-]+(/|\.(py|txt|toml|npz|md))|LICENSE|NOTICE|Makefile')
OTHERS = r'bin/(tensorboard|torchrun)\b'  # programs of other people, whose options are theirs
HELP = """
import contextlib, json, runpy, sys
import main
for name in json.loads(sys.argv[1]):
    with contextlib.suppress(SystemExit):
        main.main([*name.split(), '--help'])
for module in json.loads(sys.argv[2]):
    sys.argv = [module, '--help']
    with contextlib.suppress(SystemExit):
        runpy.run_module(module, run_name='__main__')
"""  # in one process: torch and the others are imported once
CODE = QUOTED + [line.split(' # ')[0].strip() for line in TEXT.splitlines() if line.startswith('    ')]


def commands(pattern: str) -> list[str]:
    """The distinct groups of a pattern in everything that is set as code."""
    return sorted({match for code in CODE for match in re.findall(pattern, code)})


@pytest.mark.parametrize('target', commands(r'\bmake ([a-z]+)'))
def test_every_make_target_exists(target):
    assert re.search(rf'^{target}:', (ROOT / 'Makefile').read_text(), re.MULTILINE), f'make {target} is in the README only'


@pytest.mark.parametrize('name', commands(r'\bmain\.py (\w+)'))
def test_every_command_exists(name):
    assert name in main.COMMANDS


def test_every_option_exists():
    names = commands(r'\bmain\.py (export \w+|\w+)')
    modules = sorted({m for code in CODE if '--' in code for m in re.findall(r'python -m ([\w.]+)', code)})
    asked = subprocess.run([sys.executable, '-c', HELP, json.dumps(names), json.dumps(modules)], cwd=ROOT, capture_output=True, text=True)
    printed = asked.stdout
    assert printed.count('usage: ') >= len(names) + len(modules), f'something does not explain itself: {asked.stderr[-2000:]}'
    named = sorted({option for code in CODE if not re.search(OTHERS, code) for option in re.findall(r'(?<![\w-])(--[a-z-]+)', code)})
    missing = [option for option in named if option not in printed and option.replace('--no-', '--') not in printed]
    assert not missing, f'{missing} are in the README only'


@pytest.mark.parametrize('module', commands(r'python -m ([\w.]+)'))
def test_every_module_that_is_run_exists(module):
    assert importlib.util.find_spec(module), f'python -m {module} is in the README only'


@pytest.mark.parametrize('path', sorted({quoted for quoted in QUOTED if PATH.fullmatch(quoted)} - {'hands.npz', 'overlays/', 'pictures/'}))
def test_every_file_and_folder_exists(path):
    tracked = subprocess.run(['git', '-c', 'safe.directory=*', 'ls-files', '--', path], cwd=ROOT, capture_output=True, text=True).stdout
    assert tracked and (ROOT / path).exists(), f'{path} is in the README only'


def test_the_table_of_hands_npz_has_its_keys_in_order():
    table = TEXT[TEXT.index('`hands.npz` has one row'):TEXT.index('## Measured')]
    assert re.findall(r'^\| `(\w+)`', table, re.MULTILINE) == [*ROWS, 'faces', 'intrinsics']
