"""The window: it shows and steers, and computes nothing. Only this folder knows Qt.

Nothing here imports what is slow to load (the detector, the network's runtime, readers of video) at module level: the window must stand
within a second and a half, and they load on the engine's threads.
"""
