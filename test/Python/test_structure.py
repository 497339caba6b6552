"""How the package's modules depend on each other."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import dgemm

FILES = sorted(Path(dgemm.__file__).resolve().parent.glob("*.py"))
NAMES = {path.stem for path in FILES} - {"__init__", "__main__"}


def imported_modules(tree: ast.AST) -> set[str]:
    """The package's own modules that a file imports, also inside of functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            found |= {node.module} if node.module else {alias.name for alias in node.names}
    return found & NAMES


def test_no_import_circle():
    graph = {path.stem: imported_modules(ast.parse(path.read_text())) for path in FILES if path.stem in NAMES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(NAMES)  # CycleError names a circle


def test_private_names_stay_private():
    """No module reads or writes a name of another that begins with an underscore."""
    for path in FILES:
        tree = ast.parse(path.read_text())
        modules = imported_modules(tree) | {"dgemm"}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                name = node.attr
                assert not name.startswith("_") or name.startswith("__"), f"{path.name}:{node.lineno} uses {name}"
                assert isinstance(node.ctx, ast.Load), f"{path.name}:{node.lineno} writes {node.value.id}.{name}"
            if isinstance(node, ast.ImportFrom) and node.level and node.module:
                private = [alias.name for alias in node.names if alias.name.startswith("_") and alias.name != "__version__"]
                assert not private, f"{path.name}:{node.lineno} imports {private}"
