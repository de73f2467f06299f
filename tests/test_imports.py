"""Who imports whom: the contracts stand in pyproject.toml."""
from __future__ import annotations

import ast
import importlib.metadata
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import app

ROOT = Path(__file__).resolve().parent.parent


def lint(config: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, '-c', 'from importlinter.cli import lint_imports_command; lint_imports_command()',
               '--config', str(config), '--no-cache']
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_folders_import_only_what_their_table_allows():
    result = lint(ROOT / 'pyproject.toml')
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr


def test_the_import_linter_can_fail(tmp_path):
    config = tmp_path / 'contracts.toml'
    config.write_text('[tool.importlinter]\nroot_packages = ["app"]\ninclude_external_packages = true\n[[tool.importlinter.contracts]]\n'
                      'name = "false on purpose"\ntype = "forbidden"\nsource_modules = ["app"]\nforbidden_modules = ["numpy"]\n')
    result = lint(config)
    assert result.returncode == 1 and 'BROKEN' in result.stdout, f'app imports numpy, and the linter said: {result.stdout[-500:]}'


def test_the_whole_program_loads_without_torch_and_qt():
    names = [module.name for module in pkgutil.walk_packages(app.__path__, 'app.') if not module.name.startswith('app.window')]
    script = f'import importlib, sys\nfor name in {names}: importlib.import_module(name)\n' \
             'print(sorted({"torch", "PyQt5", "models", "training", "export", "pytest"} & set(sys.modules)))'
    result = subprocess.run([sys.executable, '-c', script], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.strip().endswith('[]'), f'loading {len(names)} modules of app also loaded {result.stdout}{result.stderr[-2000:]}'


def test_every_package_that_the_code_imports_is_in_the_requirements():
    lines = (ROOT / 'requirements.txt').read_text(encoding='utf-8').splitlines()
    listed = {re.match(r'[\w-]+', line)[0].lower().replace('-', '_') for line in lines if line[:1].isalpha()}
    owners = importlib.metadata.packages_distributions()
    tracked = subprocess.run(['git', '-c', 'safe.directory=*', 'ls-files', '*.py'], cwd=ROOT, capture_output=True, text=True).stdout.split()
    own = {Path(name).parts[0].removesuffix('.py') for name in tracked} | {'tests'}
    unlisted = {}
    for name in tracked:
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding='utf-8'))) if (ROOT / name).is_file() else ():
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else \
                      [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            for top in {module.split('.')[0] for module in modules} - own - set(sys.stdlib_module_names):
                if not listed & {top.lower(), *(owner.lower().replace('-', '_') for owner in owners.get(top, []))}:
                    unlisted.setdefault(top, name)
    assert not unlisted, f'imported but not in requirements.txt (package: a file that imports it): {unlisted}'
