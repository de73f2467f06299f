"""Background jobs: real processes of the real program; their progress, their end, and what they leave."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.hand_model import HandModel
from app.live.jobs import meshes_job, reconstruct_job
from app.outputs.hands_file import HandsWriter, read_hands
from tests.app.lateness import Lateness
from tests.app.made_hands import CAMERA, made_frame, made_hand

MODEL = HandModel.load()
GENEROUS = 120.0  # seconds: a machine may be slow
ROOT = Path(__file__).resolve().parents[3]


def recording(path: Path, frames: int = 30) -> Path:
    with HandsWriter(path, MODEL.faces) as writer:
        for index in range(frames):
            hands = [made_hand(MODEL, index, track, side) for track, side in ((0, 'right'), (1, 'left')) if index not in (10, 11, 12)]
            writer.write(made_frame(index), hands, CAMERA)
    return path


def long_recording(path: Path) -> Path:
    """One whose meshes take a while."""
    hand = made_hand(MODEL)
    with HandsWriter(path, MODEL.faces) as writer:
        for index in range(1500):
            writer.write(made_frame(index, width=1, height=1), [hand], CAMERA)
    return path


def until(condition, seconds=GENEROUS):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f'nothing happened in {seconds} s'
        time.sleep(0.01)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob('*')) if folder.exists() else []


@pytest.mark.parametrize('kind, name', [('obj', 'meshes'), ('ply', 'meshes'), ('glb', 'hands.glb')])
def test_a_recording_becomes_meshes_with_progress(tmp_path, kind, name):
    job = meshes_job(recording(tmp_path / 'hands.npz'), tmp_path / 'out', kind)
    job.start()
    assert job.wait(GENEROUS)
    progress = job.progress
    assert progress.state == 'done', progress
    assert (progress.done, progress.total, progress.folder) == (27, 27, tmp_path / 'out')
    assert (tmp_path / 'out' / name).exists() and name in progress.sentence
    if kind != 'glb':
        assert len([n for n in left_in(tmp_path / 'out') if n.endswith(kind)]) == 54


@pytest.mark.slow
def test_a_video_is_reconstructed_at_low_priority_while_its_progress_is_read(tmp_path, demo_clip):
    job = reconstruct_job(demo_clip, tmp_path, hands=1, stop=12, write=('hands', 'ply'), mirror=False)
    job.start()
    if hasattr(os, 'getpriority'):
        behind = os.getpriority(os.PRIO_PROCESS, job._process.pid) - os.getpriority(os.PRIO_PROCESS, 0)
        assert behind == 10 or os.getpriority(os.PRIO_PROCESS, job._process.pid) == 19
    seen = set()
    until(lambda: seen.add(job.progress.done) or job.wait(0))
    progress = job.progress
    assert progress.state == 'done' and progress.done == progress.total == 12 and progress.fps > 0, progress
    assert len(seen) > 2, f'only {seen} was seen of the progress'
    assert progress.folder == tmp_path / demo_clip.stem and len(read_hands(progress.folder / 'hands.npz')) >= 11
    assert {'meshes_ply', 'hands.npz', 'report.json', 'settings.json'} == {p.name for p in progress.folder.iterdir()}


def test_a_cancelled_job_ends_within_seconds_and_leaves_nothing(tmp_path):
    job = meshes_job(long_recording(tmp_path / 'hands.npz'), tmp_path / 'out')
    job.start()
    until(lambda: job.progress.done > 0 or job.wait(0))
    with Lateness() as machine:
        started = time.monotonic()
        job.cancel()
        took = time.monotonic() - started
    assert took < 0.5 + machine.lost, f'cancel itself took {took:.2f} s; the window waits for it'
    assert job.wait(GENEROUS) and job.progress.state == 'cancelled'
    assert left_in(tmp_path / 'out') == []


def test_cancelling_before_the_start_or_twice_or_after_the_end_is_no_error(tmp_path):
    job = meshes_job(tmp_path / 'hands.npz', tmp_path / 'out')
    job.cancel()
    job.cancel()
    job.start()
    assert job.wait(0) and job.progress.state == 'cancelled'


@pytest.mark.parametrize('make, words', [
    (lambda folder: meshes_job(folder / 'missing.npz', folder / 'out'), 'missing.npz'),
    (lambda folder: reconstruct_job(folder / 'missing.mp4', folder / 'out'), 'missing.mp4')])
def test_a_job_that_cannot_be_done_gives_its_one_sentence(tmp_path, make, words):
    job = make(tmp_path)
    job.start()
    assert job.wait(GENEROUS) and job.progress.state == 'failed'
    assert words in job.progress.sentence and '\n' not in job.progress.sentence and 'main.py' not in job.progress.sentence
    assert left_in(tmp_path / 'out') == []


@pytest.mark.skipif(os.name != 'posix', reason='signals')
def test_a_job_that_is_killed_says_so_and_what_it_left_is_removed(tmp_path):
    job = meshes_job(long_recording(tmp_path / 'hands.npz'), tmp_path / 'out')
    job.start()
    until(lambda: job.progress.done > 0 or job.wait(0))
    os.kill(job._process.pid, signal.SIGKILL)
    assert job.wait(GENEROUS)
    assert job.progress.state == 'failed' and 'killed' in job.progress.sentence, job.progress
    assert left_in(tmp_path / 'out') == []


@pytest.mark.skipif(os.name != 'posix', reason='signals')
def test_a_job_ends_when_the_program_that_started_it_is_killed(tmp_path):
    long_recording(tmp_path / 'hands.npz')
    script = ('import sys, time\nfrom pathlib import Path\nfrom app.live.jobs import meshes_job\n'
              f'job = meshes_job(Path({str(tmp_path / "hands.npz")!r}), Path({str(tmp_path / "out")!r}))\njob.start()\n'
              'while not job.progress.done: time.sleep(0.01)\nprint(job._process.pid, flush=True)\ntime.sleep(1000)\n')
    program = subprocess.Popen([sys.executable, '-c', script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    child = int(program.stdout.readline())
    program.kill()
    program.wait()
    program.stdout.close()
    until(lambda: not Path(f'/proc/{child}').exists() or 'Z' in Path(f'/proc/{child}/stat').read_text().split(')')[1][:3])
    assert left_in(tmp_path / 'out') == []


def test_no_thread_is_left_behind(tmp_path):
    before = set(threading.enumerate())
    job = meshes_job(recording(tmp_path / 'hands.npz', 3), tmp_path / 'out', 'glb')
    job.start()
    assert job.wait(GENEROUS)
    until(lambda: set(threading.enumerate()) <= before, 10)


def test_an_option_that_does_not_exist_is_a_mistake_of_the_program(tmp_path):
    with pytest.raises(ValueError, match='colour'):
        reconstruct_job('clip.mp4', tmp_path, colour='red')
