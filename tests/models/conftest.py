"""What these tests share."""
from tests.torch_fixtures import hand, one_thread

__all__ = ['hand', 'one_thread']
