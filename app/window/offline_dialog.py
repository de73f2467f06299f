"""'Reconstruct this video with the best settings': every picture of it, in the background."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PyQt5.QtWidgets import QGridLayout, QWidget

from app.live.settings import LiveSettings
from app.types import DEFAULT_FIELD_OF_VIEW
from app.window.camera_rows import CameraRows
from app.window.controls import Segments, Switch
from app.window.file_choice import choose_file, choose_folder
from app.window.file_row import FileRow
from app.window.job_dialog import JobDialog, being_written, replaced_sentence
from app.window.record_section import from_home
from app.window.theme import GRID

if TYPE_CHECKING:
    from app.live.jobs import Job

FILMS = 'Videos (*.mp4 *.mov *.mkv *.avi *.webm *.m4v *.MP4 *.MOV);;All files (*)'
_PRODUCTS = (  # as `reconstruct --write`, words, tooltip, chosen at first
    ('overlay', 'Video with the hands', 'overlay.mp4: the video with the hands drawn on it', True),
    ('hands', 'Numbers', 'hands.npz: pose, shape, joints and mesh of each hand in each picture', True),
    ('meshes', 'Meshes', 'meshes: an OBJ file for each hand and picture; many files', False),
    ('glb', 'Animated scene', 'hands.glb: all of it as one moving scene; opens in Blender', True),
    ('textures', 'Skin pictures', 'texture_0_right.png: the skin of each hand, from all pictures; exports made later take it', True))


class OfflineDialog(JobDialog):
    """Starts `main.py reconstruct`."""

    def __init__(self, video: Path, live: LiveSettings, folder: Path, parent: QWidget | None = None):
        """`video`: a file or a folder of pictures; `live`: hands, camera, network and look are taken from it; `folder`: where
        recordings go."""
        super().__init__('Reconstruct this video', 'With the best settings: every picture is looked at and none is left out. It runs in '
                         'the background, and you can go on here.', 'Start', parent)
        self._live, self.video, self.folder = live, video, folder
        self._degrees, self._camera = live.field_of_view, live.intrinsics
        self.source = FileRow('Video', 'Choose another video')
        self.source.choose.connect(lambda: choose_file(self, 'Choose a video', self.video, FILMS, self.set_video))
        self.rows.addWidget(self.source)
        self.mirrored = Switch('It is a mirror image', 'Switch this on for videos of a selfie camera that show writing the wrong way '
                               'round; else left and right hands are mixed up.')
        self.rows.addWidget(self.mirrored)
        self.heading('Write')
        self.products: dict[str, Switch] = {}
        grid = QGridLayout()
        grid.setHorizontalSpacing(4 * GRID)
        grid.setVerticalSpacing(GRID // 2)
        for number, (name, text, tip, on) in enumerate(_PRODUCTS):
            switch = self.products[name] = Switch(text, tip)
            switch.show_value(on)
            switch.chosen.connect(self._check)
            grid.addWidget(switch, number // 2, number % 2)
        self.rows.addLayout(grid)
        self.heading('Hands')
        self.hands = Segments('How many hands', ((1, 'One hand', 'At most one hand: faster, and never a second one where there is none'),
                                                 (2, 'Two hands', 'Both hands')))
        self.hands.show_value(live.hands)
        self.rows.addWidget(self.hands)
        self.heading('Camera that took the video')
        self.camera = CameraRows()
        self.camera.chosen.connect(self._camera_chosen)
        self.rows.addWidget(self.camera)
        self.heading('Into the folder')
        self.out = FileRow('Folder for the results', 'Choose the folder in which the video gets a folder of its own')
        self.out.choose.connect(lambda: choose_folder(self, 'Folder for the results', self.folder, self.set_folder))
        self.rows.addWidget(self.out)
        self.camera.show_camera(self._degrees, self._camera)
        self.set_video(video)

    def set_video(self, video: Path) -> None:
        """Another video."""
        self.video = video
        self.source.show_text(video.name, str(video))
        self.set_folder(self.folder)

    def set_folder(self, folder: Path) -> None:
        """Where the results go."""
        self.folder = folder
        self.out.show_text(from_home(self._target), str(self._target))
        self._check()

    @property
    def _target(self) -> Path:
        from app.outputs.folder import result_folders

        return result_folders(self.folder, [self.video])[0]

    def _written(self) -> list[str]:
        return [name for name, switch in self.products.items() if switch.isChecked()]

    def _check(self) -> None:
        if not self._written():
            self.say('Choose at least one thing to write.', possible=False)
        elif not self.video.exists():
            self.say(f'{self.video} is not there; choose a video.', possible=False)
        elif being_written(self._target):
            self.say(f'A job that still runs writes into {self._target.name}; wait for it, or choose another folder.', possible=False)
        else:
            self.say(replaced_sentence(self._target))

    def _camera_chosen(self, name: str, value: object) -> None:
        if name == 'intrinsics':
            self._camera = value
        else:
            self._degrees = value
        self.camera.show_camera(self._degrees, self._camera)
        self.fit()

    def make_job(self) -> tuple[Job, str]:
        from app.live.jobs import reconstruct_job

        options = camera_options(self._degrees, self._camera) | network_options(self._live)
        job = reconstruct_job(self.video, self.folder, write=tuple(self._written()), hands=self.hands.value,
                              mirror=self.mirrored.isChecked(), **options)
        return job, f'Reconstruct {self.video.name}'


def camera_options(degrees: float, camera: Path | None) -> dict[str, object]:
    """The camera for `reconstruct`: a file, or an angle; the usual angle is assumed there too, and then sizes count as not metric."""
    if camera is not None:
        return {'intrinsics': camera}
    return {} if degrees == DEFAULT_FIELD_OF_VIEW else {'fov': degrees}


def network_options(live: LiveSettings) -> dict[str, object]:
    """The network that runs live, and the style; all else is what suits a video best."""
    return {'weights': live.weights, 'provider': live.provider, 'style': 'textured' if live.style == 'off' else live.style}
