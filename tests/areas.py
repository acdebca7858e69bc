"""What each test file is about, so that a step of CI can leave out what its build cannot change.

``pytest --areas bits,numbers`` runs the files of these areas alone; test_areas.py holds the table
complete. ``pytest --first-cases`` runs of every test with parameters the first case.
"""

from fnmatch import fnmatchcase
from pathlib import Path

TESTS = Path(__file__).resolve().parent

# Patterns of paths below tests/, by area.
AREAS = {
    # The numeric contract: what a compiler or an instruction set could change, in least time.
    "bits": """
        test_accuracy.py test_arrays.py test_contract.py test_contract_compressed.py test_linear.py test_conv.py
        test_contract_levels.py test_forward.py test_golden.py test_init.py test_packed.py
    """,
    # What else is computed, bit for bit: the kernels, how they are called, how weights are packed.
    "numbers": """
        test_kinds_of_modules.py test_leases.py test_lengths.py test_nonlinearity.py test_one_state.py test_order_of_panels.py
        test_out.py test_overflow.py test_recorded_variants.py test_reset.py test_state_machine.py test_frame_streams.py
        test_stream.py test_threads.py test_trace.py test_trace_calls.py test_variants.py
        test_within.py
    """,
    # What else the extension does: arguments, errors, objects, memory, the life of the interpreter.
    "objects": """
        test_allocations.py test_compress.py test_compressed_modules.py test_constructor.py
        test_container_classes.py test_containers.py test_hooks.py
        test_hostile_objects.py test_kinds.py test_layers.py test_module.py test_overrides.py test_packing.py test_pickle.py
        test_pickle_names.py test_rnn_utils.py test_shutdown.py test_signatures.py
        test_state_dict.py test_storages.py test_wrong_mappings.py test_wrong_out.py test_wrong_states.py
        test_wrong_within.py
    """,
    # The same calls a thousand times over, for what they leave behind.
    "repeats": "test_memory.py test_memory_compressed.py",
    # Python alone, whatever was built: weight files, the command line, pictures, programs, pages.
    "python": """
        hostile/test_*.py test_adapters.py test_benchmarks*.py test_cli*.py test_compare.py
        test_demo.py test_docstrings.py test_examples.py test_files_*.py test_find*.py
        test_first_minute.py test_foreign.py test_from_weights*.py test_gallery.py test_notebook.py test_pages.py
        test_plot*.py test_sequence_examples.py test_site.py test_torch_to_numpy.py test_values.py
        test_exact_float32.py test_reference_weights.py test_stored_weights.py test_verify*.py
    """,
    # The text of the sources.
    "sources": "test_areas.py test_project_rules.py test_structure.py test_structure_python.py",
    # Comparisons with a live torch.
    "torch": "torch/test_*.py",
}


def areas_of(path):
    """The areas of a test file: one, where the table is right."""
    name = Path(path).resolve().relative_to(TESTS).as_posix()
    return [
        area
        for area, patterns in AREAS.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns.split())
    ]


def first_cases(nodeids):
    """Whether each of these tests is the first of its function."""
    seen = set()
    return [
        (name := nodeid.partition("[")[0]) not in seen and not seen.add(name) for nodeid in nodeids
    ]
