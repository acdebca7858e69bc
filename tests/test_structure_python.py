"""The structure of the Python half, as tests: no circle, layers, no word that was given up."""

import ast
import inspect
import re
from itertools import pairwise

import pytest
from test_project_rules import ROOT, label, tree
from test_structure import circles

import pylstm

# ---------------------------------------------------------------------------- imports


def python_modules():
    """Return {dotted name: path} of Python's modules below pylstm; the C half has its stub."""
    found = {}
    for path in [path for path in tree(".py", ".pyi") if path.is_relative_to(ROOT / "pylstm")]:
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = python_modules()


def named_by(node, package):
    """Yield the modules that an import statement names, or a text that is imported by its name."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*(above if node.level else []), *([node.module] if node.module else [])])
        yield from (
            name if (name := f"{base}.{alias.name}") in MODULES else base for alias in node.names
        )
    elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
        "import_module",
        "library",
    ):
        text = node.args[0]
        if isinstance(text, ast.JoinedStr):  # f".formats.{module}": any of the folder
            start = package + text.values[0].value
            yield from (name for name in MODULES if name.startswith(start))
        elif isinstance(text, ast.Constant):
            yield package + text.value if text.value.startswith(".") else text.value


def imports(name):
    """Return the modules of pylstm that a module imports: also for types, and in functions.

    What the package imports for its public names when they are asked for is not counted.
    """
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        found.update(target for target in named_by(node, package) if target in MODULES)
    return found


IMPORTS = {name: imports(name) for name in MODULES}


def test_imports_are_seen():
    assert "pylstm.files.formats.keras" in IMPORTS["pylstm.files.open"]  # by an f-string
    assert "pylstm.files.formats.skops" in IMPORTS["pylstm.files.open"]  # by a text
    assert "pylstm.weights.build" in IMPORTS["pylstm.modules.recurrent"]  # in a function
    assert "pylstm.modules.rnn" in IMPORTS["pylstm"]
    assert "pylstm._core" in IMPORTS["pylstm.modules.rnn_base"]
    assert "pylstm.plot.ticks" in IMPORTS["pylstm.plot.drawing"]
    assert sum(map(len, IMPORTS.values())) > 300


def test_no_module_of_python_imports_itself_by_way_of_others():
    assert len(IMPORTS) > 100
    assert circles(IMPORTS) == []


# Each may import what stands above it in this table and its own folder, nothing below.
PYTHON_LAYERS = {
    "pylstm._core pylstm._version": "the C half, and a text: they import nothing",
    "pylstm.weights.kinds": "the table of cell kinds: a constant that every layer may look into",
    "pylstm.arguments": "every layer reads arguments and names them in messages",
    "pylstm.weights.variants": "the table of variants: what readers gather, and classes compute",
    "pylstm.files.base": "bytes, tensors and records: no format is known here",
    "pylstm.files.unpickle": "a language that several formats hold, and that knows none of them",
    "pylstm.files.formats": "a reader knows its format, not how a format is told from another",
    "pylstm.files.write": "writes what the readers read, by their constants",
    "pylstm.files": "opens files by their content and walks through what they hold",
    "pylstm.weights": "finds modules in what files hold, and makes them of classes it is given",
    "pylstm.utils": "packed sequences, for calls of modules and for users",
    "pylstm.functional": "functions of arrays, which modules without a kernel call",
    "pylstm.modules": "ask weights for from_weights, and utils for packed calls",
    "pylstm.runtime": "show_config tells about a module; no module asks what is told",
    "pylstm.plot": "draws modules",
    "pylstm": "the public names",
    "pylstm.contract pylstm.demo": "programs that use the public names",
    "pylstm.cli pylstm.__main__": "commands: they run those programs too",
    "pylstm.lstm pylstm.native pylstm.module pylstm.hooks pylstm.state pylstm.recurrent "
    "pylstm.config pylstm.find pylstm.generator pylstm.files.errors pylstm.files.named "
    "pylstm.files.record pylstm.files.save": "names in pickles: nothing imports them",
}
LAYER_OF = {name: row for row, names in enumerate(PYTHON_LAYERS) for name in names.split()}


def layer(name):
    """Return the row of the longest name in the table that a module's name begins with."""
    while name not in LAYER_OF:
        name = name.rpartition(".")[0]
    return LAYER_OF[name]


def test_every_folder_of_python_has_its_layer():
    folders = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert folders <= set(LAYER_OF)
    assert set(LAYER_OF) <= set(MODULES)
    unplaced = [name for name in MODULES if "." in name and layer(name) == layer("pylstm")]
    assert unplaced == []


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_up_the_table_only(name):
    wrong = [target for target in IMPORTS[name] if layer(target) > layer(name)]
    assert wrong == []


def test_the_bases_of_module_are_a_chain_and_declare_each_attribute_once():
    chain = pylstm.Module.__mro__[:-1]
    assert len(chain) == 5
    for above, below in pairwise(chain):
        assert above.__bases__ == (below,)
    declared = [name for base in chain for name in inspect.get_annotations(base)]
    assert len(declared) == len(set(declared)) > 10


# ---------------------------------------------------------------------------- words

# What was called so has another name now; no identifier below pylstm has the old one.
OLD_WORDS_OF_PYTHON = {
    "twin (reference)": r"\w*twin\w*",
    "rest (tail, others)": r"rest|rest_\w+|\w+_rest",
    "lockstep (barrier)": r"\w*lockstep\w*",
    "turn (step)": r"turns?",
    "pass (scan)": r"pass|passes|pass_\w+",
    "product (gemm)": r"products?",
    "hoist, ahead, chunk (precompute)": r"\w*hoist\w*|ahead|chunks?",
    "backwards (is_reverse)": r"backwards",
    "block (weights)": r"_?build_block|(?:lstm|parameter)_block",
    "lock (the GIL)": r"(?:un)?lock",
    "state (state_dict, hx, rng_state)": r"states?",
}
# Words of file formats and of Python's protocols, and what a file says of an object.
OTHER_IDEAS_OF_PYTHON = {
    "chunk": {"hdf5_text.py"},
    "chunks": {"hdf5_text.py"},
    "state": {"streams.py"},  # what a stream shows of its own, as API and pickles name it
    "states": {"cases.py"},  # a column of the table of cell kinds
}
# `state` alone is that of a pickled object, `states` the pair of h and c of a file or a picture.
WITH_STATES = ("files", "weights", "cli", "plot", "demo")


def identifiers(path):
    """Return the names that a Python file gives: of variables, arguments, functions, attributes."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for field in ("id", "attr", "arg", "name", "asname"):
            name = getattr(node, field, None)
            if isinstance(name, str):
                found.add(name)
    return found


def test_identifiers_are_seen(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("def f(a, *b, c=1):\n    d = e.g\n    for h in i(j=k): pass\nclass L: m: int\n")
    assert identifiers(path) == set("fabcdeghijkLm") | {"int"}


@pytest.mark.parametrize("name", [name for name in MODULES if name != "pylstm._core"])
def test_no_word_that_was_given_up_is_left_in_python(name):
    path = MODULES[name]
    for idea, pattern in OLD_WORDS_OF_PYTHON.items():
        if idea.startswith("state ") and path.relative_to(ROOT).parts[1] in WITH_STATES:
            continue
        old = {word for word in identifiers(path) if re.fullmatch(pattern, word)}
        old -= {word for word, files in OTHER_IDEAS_OF_PYTHON.items() if path.name in files}
        if path.name in ("hooks.py", "handles.py", "state_dict.py"):
            old.discard("state")  # the argument of __setstate__ and set_extra_state
        assert not old, f"{label(path)}: {idea}"


def test_references_and_copies_are_called_so_in_tests():
    for path in (ROOT / "tests").rglob("*.py"):
        assert not [word for word in identifiers(path) if "twin" in word.lower()], label(path)
