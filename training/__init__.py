"""Data, losses, loops, fits and measures."""
import app  # noqa: F401  before NumPy: it keeps linear algebra from using threads that only wait for each other
