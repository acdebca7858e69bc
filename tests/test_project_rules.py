"""The rules of the code base, as tests: layers, sizes, names, formatting, exports."""

import ast
import inspect
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

import pylstm
from pylstm import _core

ROOT = Path(__file__).resolve().parent.parent

FILE_LINES = 400
FUNCTION_LINES = 60
KERNEL_LINES = 80

# Not ours to check: what tools make, and hidden folders other than these.
MADE_FOLDERS = r"build.*|dist|venv|__pycache__|.*\.egg-info"
HIDDEN_FOLDERS = {".ci", ".github"}

# What a layer may include, by folder below csrc.
ALLOWED_LAYERS = {
    "python": {"python", "threads", "core", "simd"},
    "threads": {"threads", "core", "simd"},
    "core": {"core", "simd"},
    "simd": {"simd"},
}


def tree(*suffixes):
    """Return the project's text files, those with the given suffixes if any are named."""
    files = []
    for path in sorted(ROOT.rglob("*")):
        folders = path.relative_to(ROOT).parts[:-1]
        hidden = any(name.startswith(".") and name not in HIDDEN_FOLDERS for name in folders)
        made = any(re.fullmatch(MADE_FOLDERS, name) for name in folders)
        if path.is_file() and not hidden and not made and (not suffixes or path.suffix in suffixes):
            files.append(path)
    return files


def c_files(*folders):
    """Return the C files and headers below csrc, of the named layers if any are named."""
    files = tree(".c", ".h")
    return [
        path
        for path in files
        if path.is_relative_to(ROOT / "csrc") and (not folders or path.parent.name in folders)
    ]


def label(path):
    return str(path.relative_to(ROOT))


def code_of(path):
    """Return a C file without comments, strings and preprocessor lines, line for line."""
    text = path.read_text(encoding="utf-8").replace("\\\n", "\\ \n")

    def blank(match):
        return "\n" * match.group().count("\n") + " "

    text = re.sub(
        r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text, flags=re.S
    )
    lines, continued = [], False
    for line in text.split("\n"):
        directive = continued or line.lstrip().startswith("#")
        continued = directive and line.rstrip().endswith("\\")
        lines.append("" if directive else line)
    return "\n".join(lines)


def c_function_lengths(path):
    """Yield (line, lines) of every function body: a brace at top level after a parenthesis."""
    depth, start, before = 0, None, ""
    for number, line in enumerate(code_of(path).split("\n"), start=1):
        for character in line:
            if character == "{":
                if depth == 0 and before == ")":
                    start = number
                depth += 1
            elif character == "}":
                depth -= 1
                if depth == 0 and start is not None:
                    yield start, number - start + 1
                    start = None
            if not character.isspace():
                before = character


def python_function_lengths(path):
    """Yield (line, lines) of every function, its docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            has_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            text = first.end_lineno - first.lineno + 1 if has_text else 0
            yield node.lineno, node.end_lineno - node.lineno + 1 - text


def is_test(path):
    return path.relative_to(ROOT).parts[0] == "tests"


# ---------------------------------------------------------------------------- layers


@pytest.mark.parametrize("path", c_files(), ids=label)
def test_includes_point_down_only(path):
    allowed = ALLOWED_LAYERS[path.parent.name]
    for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), flags=re.M):
        if name.startswith("numpy/"):
            continue  # the next test's business
        beside = (path.parent / name).resolve()
        target = beside if beside.exists() else (ROOT / "csrc" / name).resolve()
        assert target.exists(), f"{name} is neither beside {label(path)} nor below csrc"
        assert target.parent.name in allowed, f"{label(path)} includes {name}"


@pytest.mark.parametrize("path", c_files("threads", "core", "simd"), ids=label)
def test_python_and_numpy_stay_in_their_layer(path):
    text = path.read_text()
    assert not re.search(r'#\s*include\s*[<"](Python\.h|numpy/|structmember\.h)', text)
    assert not re.search(r"\bPy[A-Z_]\w*|\bnpy_\w+", code_of(path))


@pytest.mark.parametrize("path", c_files("threads", "core", "simd"), ids=label)
def test_core_and_kernels_neither_allocate_nor_print(path):
    words = r"(?:malloc|calloc|realloc|aligned_alloc|free|alloca|\w*printf|puts|abort|exit)"
    assert not re.search(rf"(?<![\w.>]){words}\s*\(", code_of(path))
    assert "<stdio.h>" not in path.read_text()


@pytest.mark.parametrize("path", c_files("threads", "core", "simd"), ids=label)
def test_no_library_functions_in_the_arithmetic(path):
    # The C library's exp, tanh and fma give other bits on other systems, or call out of line.
    words = r"(?:exp|expm1|exp2|tanh|log|log1p|pow|fma)[fl]?"
    assert not re.search(rf"(?<![\w.>*]){words}\s*\(", code_of(path))


def test_no_flags_that_break_the_contract():
    text = (ROOT / "setup.py").read_text() + (ROOT / "pyproject.toml").read_text()
    for flag in ("-ffast-math", "-march=native", "-Ofast", "-funsafe-math-optimizations"):
        assert flag not in text
    assert "-ffp-contract=off" in text


# ---------------------------------------------------------------------------- sizes


def source_files():
    return [path for path in tree(".c", ".h", ".py", ".pyi") if not is_test(path)]


@pytest.mark.parametrize("path", source_files(), ids=label)
def test_files_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES


@pytest.mark.parametrize("path", source_files(), ids=label)
def test_functions_are_short(path):
    if path.suffix in (".c", ".h"):
        lengths = c_function_lengths(path)
    else:
        lengths = python_function_lengths(path)
    limit = KERNEL_LINES if path.name.endswith("_template.h") else FUNCTION_LINES
    too_long = [f"line {line}: {count} lines" for line, count in lengths if count > limit]
    assert not too_long


def test_the_length_counters_count(tmp_path):
    c_file = tmp_path / "a.c"
    c_file.write_text(
        'int x[] = {1};\nint f(int a)\n{\n    if (a) { /* } */\n    }\n}\nchar s = "{";\n'
    )
    assert list(c_function_lengths(c_file)) == [(3, 4)]
    python_file = tmp_path / "a.py"
    python_file.write_text('def f():\n    """One\n    two."""\n    return 1\n')
    assert list(python_function_lengths(python_file)) == [(1, 2)]


# ---------------------------------------------------------------------------- words


def text_files():
    suffixes = {".c", ".h", ".py", ".pyi", ".md", ".toml", ".in", ".cfg", ".sh", ".json", ""}
    suffixes |= {".yml", ".cff"}
    return [path for path in tree() if path.suffix in suffixes and path.name != "callgrind.out"]


@pytest.mark.parametrize("path", text_files(), ids=label)
def test_no_machine_is_named(path):
    text = path.read_text(encoding="utf-8")
    paths = r"(?<![\w.*/-])/(?:home|opt|root|tmp|work|mnt)/\w"
    assert not re.search(paths, text), "a machine's path"
    hosts = r"\b(?:pypi|pythonhosted|debian|anaconda|conda|npmjs|crates|docker)\.(?:org|com|io)\b"
    assert not re.search(rf"{hosts}|download\.pytorch", text), "a registry's host"


def test_readme_opens_with_the_two_commands():
    first_screen = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:25]
    lines = [line.strip() for line in first_screen]
    assert "pip install -e . && python -m pylstm demo" in lines
    assert "pip install -e '.[test]' && pytest" in lines


def test_the_version_is_the_same_everywhere():
    def found(pattern, name):
        match = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), flags=re.M)
        assert match, f"{name} names no version"
        return match.group(1)

    version = found(r'^__version__ = "(.+)"$', "pylstm/_version.py")
    assert pylstm.__version__ == version
    assert found(r"^version: (.+)$", "CITATION.cff") == version
    assert found(r"^## \[(.+?)\]", "CHANGELOG.md") == version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" in project["dynamic"] and "version" not in project


def test_links_between_documents_lead_somewhere():
    for path in tree(".md"):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{label(path)} links to {target}"


def test_architecture_names_every_folder():
    """Every folder of sources, and no file that there is not; each file opens with what it does."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    files = [path.relative_to(ROOT) for path in source_files()]
    files = [path for path in files if path.parts[0] in ("csrc", "pylstm")]
    for folder in {path.parent for path in files} - {Path("pylstm")}:
        assert f"`{folder.as_posix()}`" in text, f"ARCHITECTURE.md does not mention {folder}"
    names = {name for path in files for name in (path.name, path.as_posix())}
    known = names | {path.name for path in tree(".py", ".c", ".h", ".md", ".pkl", ".txt")}
    for name in re.findall(r"`([a-z_][a-z0-9_./]*\.(?:c|h|py))`", text):
        assert name in known or (ROOT / name).exists() or (ROOT / "pylstm" / name).exists(), (
            f"ARCHITECTURE.md mentions {name}, which is not there"
        )


@pytest.mark.parametrize("path", [p for p in source_files() if not is_test(p)], ids=label)
def test_files_open_with_what_they_do(path):
    """A docstring or a comment; a .c file may leave that to its header."""
    text = path.read_text(encoding="utf-8").removeprefix("// clang-format Language: C\n")
    own = path.with_suffix(".h")
    assert text.startswith(('"""', "/* ", "# ")) or (path.suffix == ".c" and own.exists())


# ---------------------------------------------------------------------------- stub


def stub_definitions():
    """Yield (dotted name, node) of every function and class in _core.pyi."""
    stub = ast.parse((ROOT / "pylstm" / "_core.pyi").read_text(encoding="utf-8"))
    for node in stub.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef):
                    yield f"{node.name}.{member.name}", member


def stub_parameters(node):
    """Return [(name, kind, has a default)] of a function in the stub."""
    kinds = inspect.Parameter
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    with_default = len(positional) - len(spec.defaults)
    rows = []
    for index, arg in enumerate(positional):
        only = index < len(spec.posonlyargs)
        kind = kinds.POSITIONAL_ONLY if only else kinds.POSITIONAL_OR_KEYWORD
        rows.append((arg.arg, kind, index >= with_default))
    if spec.vararg:
        rows.append((spec.vararg.arg, kinds.VAR_POSITIONAL, False))
    for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        rows.append((arg.arg, kinds.KEYWORD_ONLY, default is not None))
    if spec.kwarg:
        rows.append((spec.kwarg.arg, kinds.VAR_KEYWORD, False))
    return rows


def is_property(node):
    return any(
        (isinstance(mark, ast.Name) and mark.id == "property")
        or (isinstance(mark, ast.Attribute) and mark.attr == "setter")
        for mark in node.decorator_list
    )


def stub_functions():
    return [
        (name, node)
        for name, node in stub_definitions()
        if isinstance(node, ast.FunctionDef)
        and not is_property(node)
        and not node.name.startswith("__")
    ]


@pytest.mark.parametrize(("name", "node"), stub_functions(), ids=lambda value: str(value)[:40])
def test_stub_agrees_with_signature(name, node):
    actual = _core
    for part in name.split("."):
        actual = getattr(actual, part)
    parameters = inspect.signature(actual).parameters.values()
    rows = [(p.name, p.kind, p.default is not p.empty) for p in parameters]
    # An unbound C method shows its `self` as positional-only; the stub need not say so.
    expected = stub_parameters(node)
    if "." in name:
        assert rows[0][0] == expected[0][0] == "self"
        rows, expected = rows[1:], expected[1:]
    assert rows == expected


def test_stub_names_everything():
    stub = ast.parse((ROOT / "pylstm" / "_core.pyi").read_text(encoding="utf-8"))
    named = {node.name for node in stub.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in stub.body:
        if isinstance(node, ast.AnnAssign) and "TypeAlias" not in ast.unparse(node.annotation):
            named.add(node.target.id)
    # What begins with _test_ is in builds for tests only (PYLSTM_TEST_HOOKS).
    public = {name for name in dir(_core) if not name.startswith(("__", "_test_"))}
    assert named - public == set(), "in the stub only"
    assert public - named == set(), "missing from the stub"


# ---------------------------------------------------------------------------- tools


def tool(name):
    """Return the path of a program, this environment's first; skip the test without it."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command):
    """Return the finished process of a command in the root folder."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def pinned_version(package):
    """Return the version that pyproject.toml pins in one of its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in project["optional-dependencies"].values():
        for requirement in extra:
            name, _, version = requirement.partition("==")
            if name.strip() == package and version:
                return version.strip()
    raise AssertionError(f"pyproject.toml pins no {package}")


def test_clang_format_changes_nothing():
    clang_format = tool("clang-format")
    version = run(clang_format, "--version").stdout.strip()
    wanted = pinned_version("clang-format")
    if wanted not in version:
        pytest.skip(f"clang-format is not {wanted} but {version}")
    result = run(clang_format, "--dry-run", "--Werror", *map(str, tree(".c", ".h")))
    assert result.returncode == 0, result.stderr[-3000:]


def test_cppcheck_finds_nothing():
    result = run(
        tool("cppcheck"),
        "--quiet",
        "--error-exitcode=1",
        "--enable=warning,portability",
        "--inline-suppr",
        "--suppress=missingInclude",
        "--suppress=missingIncludeSystem",
        "--library=python",
        "--suppress=preprocessorErrorDirective",  # it does not read <float.h>
        "--suppress=constStatement",  # `(void)args, (void)kwargs;` is meant
        "--suppress=uninitvar:*_template.h",  # it loses itself in macros; the compilers do not
        "--std=c11",
        "csrc",
    )
    assert result.returncode == 0, result.stderr[-3000:]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="nm -D reads ELF files")
def test_one_symbol_is_exported():
    result = run(tool("nm"), "-D", "--defined-only", _core.__file__)
    assert result.returncode == 0, result.stderr
    assert [line.split()[-1] for line in result.stdout.splitlines()] == ["PyInit__core"]
