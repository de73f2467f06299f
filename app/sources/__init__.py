"""Where pictures come from: `open_source` tells a video, a picture, a folder and a camera apart; all give `Frame`s."""
from app.sources.opening import open_source
from app.sources.source import Selection, Source

__all__ = ['Selection', 'Source', 'open_source']
