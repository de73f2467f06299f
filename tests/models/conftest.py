"""What these tests share."""
from tests.models.drawn_hands import colours, hands, pictures
from tests.torch_fixtures import hand, one_thread

__all__ = ['colours', 'hand', 'hands', 'one_thread', 'pictures']
