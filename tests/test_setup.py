"""The set-up: what it makes, what it says when it cannot, and that it does nothing when nothing is missing."""
from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from app.detector_file import DETECTOR_NAME, DETECTOR_SHA256, detector_path, sha256
from app.errors import InputError
from setup import environment, system_libraries
from setup.detector_model import LANDMARK_NAME, PARTS, ensure_detector
from setup.pyrender_package import pinned
from setup.system_libraries import SetupError

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = [line for line in (ROOT / 'requirements.txt').read_text(encoding='utf-8').splitlines() if line and not line.startswith('#')]


def make(*arguments: str) -> subprocess.CompletedProcess:
    """`make` as a person calls it, though these tests may have been started by make themselves."""
    plain = {name: value for name, value in os.environ.items() if name not in ('MAKEFLAGS', 'MAKELEVEL', 'MFLAGS', 'MAKEOVERRIDES')}
    return subprocess.run(['make', *arguments], cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=plain)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel with the two true networks at their places, put together from this machine's model file."""
    path = tmp_path / 'mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl'
    with zipfile.ZipFile(detector_path()) as made, zipfile.ZipFile(path, 'w') as archive:
        for name, (member, _) in PARTS.items():
            archive.writestr(member, made.read(name))
    return path


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch) -> Path:
    folder = tmp_path / 'cache of s2händ'
    monkeypatch.setenv('S2HAND_CACHE', str(folder))
    return folder


def test_the_detector_is_put_together_byte_for_byte(wheel, empty_cache):
    made = ensure_detector(wheel)
    assert made == empty_cache / DETECTOR_NAME == detector_path()
    assert sha256(made) == DETECTOR_SHA256 and sha256(empty_cache / LANDMARK_NAME) == PARTS['hand_landmarks_detector.tflite'][1]
    assert sorted(path.name for path in empty_cache.iterdir()) == [LANDMARK_NAME, DETECTOR_NAME], 'something temporary was left behind'


def test_a_detector_that_is_there_is_left_alone(wheel, empty_cache):
    before = ensure_detector(wheel).stat()
    wheel.unlink()
    assert ensure_detector(wheel).stat() == before


@pytest.mark.parametrize('damage', [lambda path: path.write_bytes(path.read_bytes()[:-1]), lambda path: path.write_bytes(b''), Path.unlink],
                         ids=['cut', 'empty', 'gone'])
def test_a_damaged_detector_is_refused_in_a_sentence_and_mended_by_the_setup(wheel, empty_cache, damage):
    path = ensure_detector(wheel)
    damage(path)
    with pytest.raises(InputError, match='make setup'):
        detector_path()
    assert sha256(ensure_detector(wheel)) == DETECTOR_SHA256


def test_a_user_without_a_home_is_told_to_name_a_folder(monkeypatch):
    monkeypatch.delenv('S2HAND_CACHE', raising=False)
    monkeypatch.delenv('HOME', raising=False)
    monkeypatch.setattr('pwd.getpwuid', lambda number: {}[number])  # as in a container whose user nobody knows
    with pytest.raises(InputError, match='S2HAND_CACHE'):
        detector_path()


def test_networks_with_other_bytes_are_refused(wheel, empty_cache):
    with zipfile.ZipFile(wheel, 'w') as archive:
        for member, _ in PARTS.values():
            archive.writestr(member, b'another network')
    with pytest.raises(InputError, match='sha256'):
        ensure_detector(wheel)
    assert list(empty_cache.iterdir()) == [], 'a refused wheel left something behind'


@pytest.mark.parametrize('content', [b'no zip file', None], ids=['no zip', 'missing'])
def test_a_file_that_is_not_the_wheel_is_named(empty_cache, tmp_path, content):
    path = tmp_path / 'some.whl'
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError, match='some.whl is not the mediapipe==0.10.21 wheel'):
        ensure_detector(path)


def test_without_a_network_the_setup_says_so_in_one_sentence(run_main, tmp_path):
    cache = tmp_path / 'cache'
    offline = {**os.environ, 'S2HAND_CACHE': str(cache), 'PIP_NO_INDEX': '1', 'PIP_FIND_LINKS': '', 'PIP_CONFIG_FILE': os.devnull}
    result = run_main('setup', env=offline)
    assert result.returncode == 2 and result.stderr.count('\n') == 1 and 'pip could not fetch' in result.stderr, result.stderr
    assert list(cache.iterdir()) == [], 'the failed set-up left something behind'


def test_a_cache_that_cannot_be_written_is_named(wheel, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('in the way')
    monkeypatch.setenv('S2HAND_CACHE', str(tmp_path / 'file' / 'cache'))
    with pytest.raises(InputError, match='S2HAND_CACHE'):
        ensure_detector(wheel)


def test_libraries_are_looked_for_by_loading_them(monkeypatch):
    monkeypatch.setattr(system_libraries, 'LIBRARIES', {'libc.so.6': 'libc6', 'libnowhere.so.9': 'libnowhere9'})
    assert system_libraries.missing_packages() == ['libnowhere9']


@pytest.mark.skipif(sys.platform != 'linux', reason='apt is on Linux')
def test_what_only_the_window_needs_stops_no_set_up(monkeypatch, capsys):
    monkeypatch.setattr(system_libraries, 'missing_packages', lambda: [])
    monkeypatch.setattr(system_libraries, 'egl_opens', lambda: True)
    monkeypatch.setattr(system_libraries, 'root_prefix', lambda: None)
    monkeypatch.setattr(shutil, 'which', lambda name: f'/usr/bin/{name}')
    monkeypatch.setattr(system_libraries, 'WINDOW_LIBRARIES', {'libnowhere.so.9': 'libnowhere9'})
    monkeypatch.setattr(system_libraries, 'FONT_FOLDERS', ())
    system_libraries.ensure_libraries()
    said = capsys.readouterr().out
    assert 'the window cannot open yet' in said and 'libnowhere9 fonts-dejavu-core' in said, said


@pytest.mark.skipif(sys.platform != 'linux', reason='apt is on Linux')
def test_without_permission_the_exact_line_is_printed(monkeypatch):
    monkeypatch.setattr(system_libraries, 'root_prefix', lambda: None)
    monkeypatch.setattr(shutil, 'which', lambda name: f'/usr/bin/{name}')
    with pytest.raises(SetupError, match=re.escape('sudo apt-get install -y --no-install-recommends libgl1 libegl1\n')):
        system_libraries.install(['libgl1', 'libegl1'])


def test_without_apt_the_missing_things_are_named(monkeypatch):
    monkeypatch.setattr(shutil, 'which', lambda name: None)
    with pytest.raises(SetupError, match='libgl1 libegl1'):
        system_libraries.install(['libgl1', 'libegl1'])


@pytest.mark.skipif(sys.platform != 'linux', reason='EGL')
def test_the_probe_opens_egl_as_the_renderer_will():
    assert system_libraries.egl_opens(), 'setup/egl_probe.py fails here, where tests render; the set-up would install a driver in vain'


def test_an_environment_serves_until_its_requirements_change(tmp_path):
    requirements, made = tmp_path / 'requirements.txt', tmp_path / '.venv'
    requirements.write_text('numpy==2.4.6\n')
    assert not environment.is_ready(made, requirements), 'there is no environment yet'
    (made / 'bin').mkdir(parents=True)
    (made / 'bin' / 'python').symlink_to(sys.executable)
    (made / 'stamp').write_text(environment.stamp_text(requirements))
    assert environment.is_ready(made, requirements)
    requirements.write_text('numpy==2.4.7\n')
    assert not environment.is_ready(made, requirements), 'the list has changed'
    requirements.write_text('numpy==2.4.6\n')
    (made / 'bin' / 'python').unlink()
    (made / 'bin' / 'python').symlink_to(tmp_path / 'a Python that was removed')
    assert not environment.is_ready(made, requirements), 'its Python is gone'


def test_a_second_setup_takes_under_three_seconds():
    made = ROOT / '.venv'
    if not environment.is_ready(made, ROOT / 'requirements.txt'):
        pytest.skip('these tests do not run in an environment that `make setup` has made')
    python = Path(sys.base_prefix) / 'bin' / f'python{sys.version_info.major}.{sys.version_info.minor}'
    started = time.monotonic()
    result = make('setup', f'PYTHON={python}')
    seconds = time.monotonic() - started
    assert (result.returncode, result.stdout) == (0, ''), result.stdout + result.stderr
    assert seconds < 3, f'{seconds:.2f} s; 0.1 s is usual, and the promise is under 3 s'


@pytest.mark.parametrize('target', ['setup', 'demo', 'test'])
def test_every_target_of_the_makefile_sets_up_first(target):
    result = make('--dry-run', target)
    assert result.returncode == 0 and 'setup/environment.py' in result.stdout, result.stdout + result.stderr


def test_make_without_any_python_says_what_is_missing():
    result = make('setup', 'PYTHON=')
    assert result.returncode == 2 and 'Python 3.11' in result.stderr


@pytest.mark.parametrize('line', REQUIREMENTS)
def test_every_requirement_is_pinned_and_installed_as_pinned(line):
    requirement = Requirement(line.split('#')[0])
    assert len(requirement.specifier) == 1 and str(requirement.specifier).startswith('=='), f'{line} has no exact version'
    if requirement.marker is None or requirement.marker.evaluate() or requirement.name == 'pyrender':
        found = importlib.metadata.version(requirement.name)
        assert requirement.specifier.contains(found.split('+')[0]), f'{requirement.name} {found} is installed, not {requirement.specifier}'


def test_there_is_exactly_one_opencv():
    found = {name for name in importlib.metadata.packages_distributions().get('cv2', [])}
    assert found == {'opencv-python'}, f'{found} all own the folder cv2; the last one installed wins'


def test_the_pin_of_pyrender_is_read_without_marker_and_comment():
    assert re.fullmatch(r'pyrender==[\d.]+', pinned('pyrender'))
