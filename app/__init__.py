"""What happens to each frame, live or from a file. No torch and no Qt in here."""
import os
import sys

os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')  # must stand before the first import of onnxruntime
if sys.platform == 'linux' and not os.environ.get('PYOPENGL_PLATFORM'):  # set but empty is refused by pyrender
    os.environ['PYOPENGL_PLATFORM'] = 'egl'  # draws without a display; must stand before the first import of OpenGL
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')  # our matrices are small: threads only wait for each other; before numpy
