"""Speed and accuracy, each beside a peer in the same run."""
import app  # noqa: F401  before NumPy: it keeps linear algebra from using threads that only wait for each other
