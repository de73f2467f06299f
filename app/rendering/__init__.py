"""Drawing meshes off screen: `Renderer` and `Mesh`, and the light, visibility and line work that go with them."""
from app.rendering.renderer import Layer, Mesh, Renderer, composite

__all__ = ['Layer', 'Mesh', 'Renderer', 'composite']
