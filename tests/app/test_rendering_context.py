"""Making an OpenGL context while other threads are at work."""
from __future__ import annotations

import sys
from types import ModuleType

from app.rendering import context


class Importing(str):
    """The name of a module that, when looked at, has another one imported, as another thread would."""

    def partition(self, mark: str) -> tuple[str, str, str]:
        sys.modules['imported_meanwhile'] = ModuleType('imported_meanwhile')
        return super().partition(mark)


def test_a_module_that_another_thread_imports_meanwhile_does_not_stop_opengl(monkeypatch):
    for name in [known for known in list(sys.modules) if known.partition('.')[0] == 'pyrender']:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, Importing('looked_at'), ModuleType('looked_at'))
    try:
        made = context._platform_class()
    finally:
        sys.modules.pop('imported_meanwhile', None)
    assert hasattr(made, 'init_context')
    assert 'pyrender' not in sys.modules
