"""Result files, one writer a file. Each appears under its name whole or not at all."""
from app.outputs.folder import prepare_folder, remove_others, result_folders
from app.outputs.hands_file import HandsFile, HandsWriter, read_hands
from app.outputs.meshes import MeshWriter
from app.outputs.picture import write_picture
from app.outputs.report import Report, stage_percentiles, versions, write_report, write_settings
from app.outputs.scene import SceneWriter
from app.outputs.video import VideoWriter

__all__ = ['HandsFile', 'HandsWriter', 'MeshWriter', 'Report', 'SceneWriter', 'VideoWriter', 'prepare_folder', 'read_hands',
           'remove_others', 'result_folders', 'stage_percentiles', 'versions', 'write_picture', 'write_report', 'write_settings']
