"""The structure of the code base, as tests: no import or include circle, no word that was given up."""

import ast
import re
from pathlib import Path

import pytest
from test_project_rules import ROOT, c_files, code_of, label, tree

PACKAGE = ROOT / "pylstm"


def circles(graph):
    """Return a circle of each strongly connected part of a graph that has one, sorted.

    ``graph`` gives for each node those that it points to.
    """
    found, number, low, stack, on_stack = [], {}, {}, [], set()

    def visit(node):
        number[node] = low[node] = len(number)
        stack.append(node)
        on_stack.add(node)
        for target in graph.get(node, ()):
            if target not in number:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in on_stack:
                low[node] = min(low[node], number[target])
        if low[node] == number[node]:
            part = []
            while not part or part[-1] != node:
                part.append(stack.pop())
                on_stack.discard(part[-1])
            if len(part) > 1 or node in graph.get(node, ()):
                found.append(sorted(part))

    for node in graph:
        if node not in number:
            visit(node)
    return sorted(found)


def test_circles_are_found():
    assert circles({"a": ["b"], "b": ["c"], "c": []}) == []
    assert circles({"a": ["a"], "b": []}) == [["a"]]
    graph = {"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": ["e"], "e": ["d"], "f": ["a"]}
    assert circles(graph) == [["a", "b", "c"], ["d", "e"]]


def includes():
    """Return which file below csrc includes which; a .c file counts with its own header."""
    graph = {}
    for path in c_files():
        names = re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), flags=re.M)
        targets = [(path.parent / name).resolve() for name in names]
        node = path.relative_to(ROOT / "csrc")
        own = path.with_suffix(".h")
        graph.setdefault(str(node.with_suffix("")), set()).update(
            str(target.relative_to(ROOT / "csrc").with_suffix(""))
            for target in targets
            if target.exists() and target != own
        )
    return graph


def test_no_file_of_c_includes_itself_by_way_of_others():
    graph = includes()
    assert len(graph) > 30
    assert circles(graph) == []


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports():
    """Return which module of the package imports which, at any place and for types as well."""
    paths = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
    graph = {}
    for name, path in paths.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        targets = graph[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                targets.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: package.count(".") + 2 - node.level]
                base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
                # `from .a import b`: the module b of a, or what a defines.
                inner = {f"{base}.{alias.name}" for alias in node.names}
                targets.update(inner & paths.keys() or {base})
        targets &= paths.keys() - {name}
        # A package is there before its modules: that they name it makes no circle.
        targets -= {parent for parent in paths if name.startswith(f"{parent}.")}
    return graph


def test_no_module_imports_itself_by_way_of_others():
    graph = imports()
    assert len(graph) > 60
    assert circles(graph) == []
