"""The structure of the C half, as tests: no include circle, no word that was given up."""

import itertools
import re

import pytest
from test_project_rules import ROOT, c_files, code_of, label, tree


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


# What Python loads has no header: its one function is found by name.
WITHOUT_HEADER = {"module.c"}


@pytest.mark.parametrize("path", c_files("python", "threads", "core"), ids=label)
def test_every_file_has_a_header_of_its_own_with_prose(path):
    text = path.read_text()
    if path.suffix == ".h":
        assert re.match(r"/\* [A-Z_a-z][^\n]{20}", text), "a header begins with what it is for"
    elif path.name not in WITHOUT_HEADER:
        assert path.with_suffix(".h").exists()
        assert f'#include "{path.stem}.h"' in text


# ---------------------------------------------------------------------------- the way of a call

# From lstm(x) to the kernel: each pair of files of which one calls the other, by functions, in the
# order of a call that is dense, small and needs no conversion. csrc/python/request.h describes it.
WAY_OF_A_CALL = [
    ("python/call.c", "call_vector", "python/arguments.c", "arguments_read"),
    ("python/arguments.c", "arguments_open", "python/layer.c", "layer_snapshot"),
    ("python/layer.c", "layer_snapshot", "python/weights.c", "weights_cached_snapshot"),
    ("python/call.c", "request_run", "python/checks.c", "request_check"),
    ("python/checks.c", "check_real", "python/arrays.c", "array_fits"),
    ("python/call.c", "request_run", "python/run.c", "run_request"),
    ("python/run.c", "new_result", "python/arrays.c", "array_new"),
    ("python/run.c", "run", "core/network.c", "rnn_forward_single"),
    ("core/network.c", "rnn_forward_single", "core/single_step.c", "single_step"),
    ("core/single_step.c", "run", "simd/kernels.h", "step"),
]
# The functions on that way, each of which calls the next one of its line.
INSIDE = [
    ("python/call.c", "layer_vectorcall", "call_vector", "request_dispatch", "request_run"),
    ("python/arguments.c", "arguments_open"),
    ("python/layer.c", "layer_snapshot"),
    ("python/checks.c", "request_check", "check_rnn", "check_real"),
    ("python/run.c", "run_request", "set_inputs", "set_x"),
    ("python/run.c", "run_request", "set_results", "new_result"),
    ("python/run.c", "run_request", "run"),
    ("core/network.c", "rnn_forward_single"),
    ("core/single_step.c", "single_step", "run"),
]
# What these functions call besides: sizes; what other calls need; what follows the kernel.
BESIDES = (
    r"rnn_hidden_out|rnn_work|rnn_workspace_size|error_\w+|arguments_\w+|"
    r"weights_\w+|array_check_real|num_threads_limit|plan_\w+|pool_\w+|shared_call_\w+|gil_\w+|"
    r"slice_run|single_step_suits|within_\w+|layout_set_variant"
)


def functions_of(path):
    """Return the body of every function that a C file defines, by name."""
    head = r"^[a-zA-Z_][\w \t*]*?\b(\w+)\([^;{}]*?\)\s*"
    pattern = head + r"\{(?:([^\n]*)\}$|(.*?)^\})"
    found = re.finditer(pattern, code_of(path), flags=re.M | re.S)
    return {match[1]: match[2] or match[3] or "" for match in found}


def calls(body, name):
    """True if the body calls a function, or one of a table of functions, of that name."""
    return re.search(rf"\b{name}(?:\[[^\[\]]*\])?\(", body) is not None


def test_a_call_crosses_ten_files_at_most():
    bodies = {label(path).removeprefix("csrc/"): functions_of(path) for path in c_files()}
    home = {name: file for file in bodies if file.endswith(".c") for name in bodies[file]}
    assert len(bodies["python/run.c"]) > 10
    for file, caller, other, callee in WAY_OF_A_CALL:
        assert calls(bodies[file][caller], callee), f"{caller} does not call {callee}"
        assert other.endswith(".h") or callee in bodies[other]
    for file, *names in INSIDE:
        for name, callee in itertools.pairwise(names):
            assert calls(bodies[file][name], callee), f"{name} does not call {callee}"
        for name in names:
            others = set(re.findall(r"\b(\w+)\(", bodies[file][name])) & home.keys()
            others -= bodies[file].keys() | {callee for *_, callee in WAY_OF_A_CALL}
            unknown = [other for other in others if not re.fullmatch(BESIDES, other)]
            assert not unknown, f"{name} calls into another file"
    assert len(WAY_OF_A_CALL) <= 10


# ---------------------------------------------------------------------------- errors


def declarations_of_errors(text):
    """Return what stands before the name of each function error_..., static or in a header."""
    found = re.findall(
        r"^([A-Za-z_][\w \t*]*?)\b(?:error|raise)_\w+\([^;{}]*?\)\s*[;{]", text, re.M
    )
    return [before for before in found if not before.startswith("return")]


@pytest.mark.parametrize("path", c_files("python"), ids=label)
def test_functions_that_only_raise_are_cold(path):
    text = code_of(path)
    for before in declarations_of_errors(text):
        if path.suffix == ".h" or "static" in before:
            assert "COLD" in before.split(), before


def test_cold_functions_are_seen():
    text = "int error_a(int b);\nCOLD static int raise_c(void)\n{\n    return error_a(1);\n}\n"
    assert declarations_of_errors(text) == ["int ", "COLD static int "]


# ---------------------------------------------------------------------------- words

# What was called so has another name now; below csrc and tests/c no identifier has the old one.
OLD_WORDS = {
    "lstm_ (rnn_)": r"lstm_(net|call|stop|kernels|plan|sharing|team\w*|param\w*|hidden_out|packed_size|pack|"
    r"product|reset_parameters|workspace_size|forward|work)",
    "lockstep (barrier)": r"\w*lockstep\w*|LOCKSTEP\w*",
    "turn (step, spins)": r"turns?|first_turn",
    "rest (straggler, backoff, tail)": r"rest|rest_\w+|\w+_rest|\w+_REST",
    "part (slice, input gates)": r"parts?|part_run|team_part|(next|add)_part",
    "pass (scan)": r"pass|passes|pass_\w+",
    "product (gemm)": r"lstm_product|product_(stride|group)",
    "hoist, ahead, chunk (precompute)": r"\w*hoist\w*|HOIST\w*|ahead|\w*chunk\w*|CHUNK\w*",
    "backwards (descending)": r"backwards",
    "twin (reference)": r"\w*twin\w*",
    "system_ (os_)": r"system_\w+",
    "block (panel)": r"BLOCK_TOTALS|ROW_BLOCKS|block_lanes|tile_row_blocks",
    "cell (update)": r"cell_(sigmoids|states|outputs)",
}
# Below csrc/python these are other names too.
OLD_WORDS_OF_PYTHON = {
    "block (weights)": r"blocks?|block_\w+|\w+_blocks?",
    "state (module_state, hx, generator_state, state_dict)": r"states?|state_\w+",
    "lock, unlock (gil_acquire, gil_release)": r"unlock|gil_(un)?lock",
    "lstm_ (rnn_)": r"\w*lstm_\w+",
    "pass (scan)": r"\w+_pass",
    "params_, threads_ (parameters_, num_threads_)": r"params_\w+|threads_(limit|close|from_\w+|methods)",
}
# Words of tests and of arithmetic that are something else.
OTHER_IDEAS = {"turn": {"core_cases.c", "kernel_cases.c", "test_threads.c"}, "part": {"support.c"}}


def c_and_test_files():
    return [*c_files(), *(path for path in tree(".c", ".h") if path.parent.name == "c")]


@pytest.mark.parametrize("path", c_and_test_files(), ids=label)
def test_no_word_that_was_given_up_is_left(path):
    words = set(re.findall(r"[A-Za-z_]\w*", code_of(path)))
    patterns = list(OLD_WORDS.items())
    if path.parent.name == "python":
        patterns += OLD_WORDS_OF_PYTHON.items()
    for idea, pattern in patterns:
        old = {word for word in words if re.fullmatch(pattern, word)}
        old -= {word for word, files in OTHER_IDEAS.items() if path.name in files}
        assert not old, f"{label(path)}: {idea}"


# Names that the code of csrc/python had before.
GIVEN_UP = {
    "block (weights)": ["block", "block_new", "layer_block", "layer_set_block"],
    "state (module_state, hx, generator_state, state_dict)": ["state", "states", "state_names"],
    "lock, unlock (gil_acquire, gil_release)": ["unlock"],
    "lstm_ (rnn_)": ["lstm_run_dense", "error_lstm_input_rank", "lstm_type"],
    "pass (scan)": ["assign_pass"],
    "params_, threads_ (parameters_, num_threads_)": ["params_names", "threads_limit"],
}


def test_the_old_names_would_be_found():
    assert GIVEN_UP.keys() == OLD_WORDS_OF_PYTHON.keys()
    for idea, names in GIVEN_UP.items():
        assert all(re.fullmatch(OLD_WORDS_OF_PYTHON[idea], name) for name in names), idea
