"""Work in the background: a video reconstructed with the best settings, a recording turned into meshes. Each job is a process of its own.

It runs `main.py ... --progress-lines` at low priority, so the live window stays quick, and a job that fails takes nothing with it. Its
standard input is a pipe: when the program ends, however it ends, the pipe closes, and the job ends too.
"""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

from app.outputs.folder import RESULTS, result_folders
from app.reconstruct_settings import ReconstructSettings

MAIN = Path(__file__).resolve().parents[2] / 'main.py'
NICE = 10  # how far it stands back, on Unix
PATIENCE = 3.0  # seconds that a cancelled job has to clear up before it is killed
LAST_WORDS = 40  # lines of its standard error that are kept

State = Literal['running', 'done', 'failed', 'cancelled']


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    done: int  # frames
    total: int | None  # None when only the end will tell
    fps: float | None  # frames per second
    sentence: str  # for a person: what it does, what it did, or why it failed
    state: State
    folder: Path  # where the results will lie, or do
    warnings: tuple[str, ...] = ()  # what of the input could not be used


class Job:
    """One background process. Made, then started; `progress` may be read at any time from any thread."""

    def __init__(self, arguments: Sequence[str | Path], folder: Path, parts: Sequence[str] = ()):
        """`arguments` of main.py; `folder` gets the results, and `parts` are the names in it that a killed run would leave."""
        self._command = [sys.executable, str(MAIN), *map(str, arguments), '--progress-lines']
        self._parts = tuple(parts)
        self._new_folder = not folder.exists()
        self._progress = Progress(0, None, None, 'Starting.', 'running', folder)
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._cancelled = self._finished = False
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._complaints: threading.Thread | None = None
        self._ended = threading.Event()

    @property
    def progress(self) -> Progress:
        """How far it is now."""
        return self._progress

    def start(self) -> None:
        """Begin. What goes wrong is told by `progress`."""
        flags = {'creationflags': subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW} if os.name == 'nt' else {}
        with self._lock:
            if self._process is not None or self._cancelled:
                return
            try:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    encoding='utf-8', errors='replace', env={**os.environ, 'PYTHONUTF8': '1', 'PYTHONUNBUFFERED': '1'}, **flags)
            except OSError as error:
                self._end('failed', f'The background work could not be started ({error.strerror or error}).')
                return
        if hasattr(os, 'setpriority'):
            with suppress(OSError):  # it ended already
                os.setpriority(os.PRIO_PROCESS, self._process.pid, min(os.getpriority(os.PRIO_PROCESS, 0) + NICE, 19))
        number = self._process.pid
        self._complaints = threading.Thread(target=self._hear_complaints, name=f'job-complaints {number}', daemon=True)
        self._complaints.start()
        threading.Thread(target=self._listen, name=f'job {number}', daemon=True).start()

    def cancel(self) -> None:
        """End it; returns at once. Nothing half-written is left."""
        with self._lock:
            if self._cancelled or self._ended.is_set():
                return
            self._cancelled = True
            if self._process is None:
                self._end('cancelled', 'Cancelled.')
                return
        with suppress(OSError):
            if os.name == 'posix':
                self._process.terminate()
            self._process.stdin.close()  # Windows cannot end a process in a way that lets it clear up; this does
        threading.Thread(target=self._kill_later, name=f'job-end {self._process.pid}', daemon=True).start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end; whether it came in that time (seconds)."""
        return self._ended.wait(timeout)

    def _kill_later(self) -> None:
        if not self._ended.wait(PATIENCE):
            with suppress(OSError):
                self._process.kill()

    def _listen(self) -> None:
        """The thread that reads what it prints, until its end."""
        for line in self._process.stdout:
            try:
                told = json.loads(line)
            except ValueError:
                continue
            if isinstance(told, dict):
                self._told(told)
        code = self._process.wait()
        self._complaints.join(PATIENCE)
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()
        if self._finished:
            self._end('done', ' '.join(self._progress.warnings) or self._progress.sentence)
            return
        self._clear_up()
        if self._cancelled:
            self._end('cancelled', 'Cancelled.')
        else:
            self._end('failed', self._why(code))

    def _told(self, told: dict) -> None:
        if 'done' in told:
            total = told.get('total')
            sentence = f'{told["done"]} of {total} frames' if total else f'{told["done"]} frames'
            self._progress = replace(self._progress, done=told['done'], total=total, fps=told.get('fps'), sentence=sentence)
        elif 'folder' in told:
            self._finished = True
            self._progress = replace(self._progress, folder=Path(told['folder']), sentence=told['summary'],
                                     warnings=tuple(told.get('warnings', ())))

    def _hear_complaints(self) -> None:
        with self._process.stderr as lines:
            for line in lines:
                self._last_words.append(line.rstrip())

    def _why(self, code: int) -> str:
        """One sentence out of what it said last."""
        own = [line.removeprefix('main.py: ') for line in self._last_words if line.startswith('main.py: ')]
        if own:
            return own[-1]
        if code < 0:
            return f'The background work was killed (signal {-code}); perhaps there was too little memory. Try again with fewer frames.'
        last = next((line for line in reversed(self._last_words) if line.strip()), '')
        return f'The background work failed{f": {last.strip()}" if last else ""} (exit code {code}).'

    def _clear_up(self) -> None:
        """What a killed process could not: unfinished files, and a folder that is empty and was not there before."""
        folder = self._progress.folder
        for name in self._parts:
            part = folder / f'.{name}.part'
            with suppress(OSError):
                shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)
        if self._new_folder:
            with suppress(OSError):
                folder.rmdir()

    def _end(self, state: State, sentence: str) -> None:
        self._progress = replace(self._progress, state=state, sentence=sentence)
        self._ended.set()


def reconstruct_job(video: str | Path, out: Path, **options: object) -> Job:
    """`main.py reconstruct VIDEO --out OUT`; the results will lie in OUT/<name>/. `options` are fields of `ReconstructSettings`, for
    example hands=1, mirror=True, write=('overlay', 'glb'); those that are None are left alone. Raises ValueError for another name."""
    default = ReconstructSettings()
    wrong = set(options) - {f.name for f in fields(default)}
    if wrong:
        raise ValueError(f'reconstruct has no option {", ".join(sorted(wrong))}')
    arguments: list[str | Path] = ['reconstruct', Path(video).absolute(), '--out', Path(out).absolute()]
    for name, value in options.items():
        if value is None or value == getattr(default, name):
            continue
        if isinstance(value, bool):
            arguments.append(f'--{name}' if value else f'--no-{name}')
        else:
            arguments += [f'--{name}', ','.join(value) if isinstance(value, tuple) else str(value)]
    return Job(arguments, result_folders(Path(out).absolute(), [video])[0], RESULTS)


def meshes_job(hands_npz: Path, out: Path, kind: Literal['obj', 'ply', 'glb'] = 'obj', textured: bool = False, start: int = 0,
               stop: int | None = None, step: int = 1) -> Job:
    """`main.py meshes HANDS.npz --out OUT`; the results will be OUT/meshes/ or OUT/hands.glb."""
    arguments = ['meshes', Path(hands_npz).absolute(), '--out', Path(out).absolute(), '--format', kind,
                 '--start', str(start), '--step', str(step), *(('--stop', str(stop)) if stop is not None else ()),
                 *(('--textured',) if textured else ())]
    return Job(arguments, Path(out).absolute(), ('meshes', 'hands.glb'))
