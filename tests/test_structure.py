"""The structure of the C half, as tests: no include circle, no word that was given up."""

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
# Words of tests and of arithmetic that are something else.
OTHER_IDEAS = {"turn": {"core_cases.c", "kernel_cases.c", "test_threads.c"}, "part": {"support.c"}}


def c_and_test_files():
    return [*c_files(), *(path for path in tree(".c", ".h") if path.parent.name == "c")]


@pytest.mark.parametrize("path", c_and_test_files(), ids=label)
def test_no_word_that_was_given_up_is_left(path):
    words = set(re.findall(r"[A-Za-z_]\w*", code_of(path)))
    for idea, pattern in OLD_WORDS.items():
        old = {word for word in words if re.fullmatch(pattern, word)}
        old -= {word for word, files in OTHER_IDEAS.items() if path.name in files}
        assert not old, f"{label(path)}: {idea}"
