"""A process that judges hostile files under limits: ``run_jobs`` starts such processes.

To see one file again: python tests/hostile/worker.py torch:123 [FILE TO WRITE IT TO]
"""

import codecs
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

# Jobs that are worth a process of their own: it takes as long to start as these take.
LEAST_JOBS = 50


def run_jobs(jobs, address_space=1 << 30):
    """Judge files in processes of their own, one a CPU; return for each job what came of it.

    Parameters
    ----------
    jobs : list of str
        ``"torch:7"``: the seventh mutation of the format; or the name of an attack.
    address_space : int
        Bytes that a process may map beyond what it has mapped when it starts.

    Returns
    -------
    list of (str, str, float)
        ``"loaded"``, ``"refused"`` or ``"broken"``; what there is to say; seconds of CPU.
    """
    count = max(1, min(len(os.sched_getaffinity(0)), len(jobs) // LEAST_JOBS))
    results = [None] * len(jobs)
    with ThreadPoolExecutor(count) as pool:
        slices = [jobs[first::count] for first in range(count)]
        for first, done in enumerate(pool.map(_run_in_turn, slices, [address_space] * count)):
            results[first::count] = done
    return results


def _run_in_turn(jobs, address_space):
    """Judge files one after the other, in one process as long as it lives."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        # A process that dies takes with it the file it is at; the next goes on with the rest.
        while len(results) < len(jobs):
            command = [
                sys.executable,
                str(Path(__file__).resolve()),
                "--serve",
                folder,
                str(address_space),
            ]
            environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
            process = subprocess.run(
                command,
                input="\n".join(jobs[len(results) :]),
                capture_output=True,
                encoding="utf-8",
                env=environment,
            )
            ready, *lines = map(json.loads, process.stdout.splitlines() or ["null"])
            if not ready:
                raise RuntimeError(f"a worker could not start:\n{process.stderr}")
            results += map(tuple, lines)
            if process.returncode:
                told = process.stderr[-4000:]
                results.append(("broken", f"exit code {process.returncode}\n{told}", 0.0))
            unexpected = {path.name for path in Path(folder).iterdir()} - {"file", "model"}
            if unexpected:
                raise AssertionError(f"files appeared: {unexpected}")
    return results


def content_of(job):
    """Return the bytes of the file that a job names, and its format."""
    import attacks
    import mutate

    format, _, index = job.partition(":")
    if index.isdecimal():
        return mutate.mutation(format, int(index)), format
    return attacks.content(job), attacks.format(job)


def serve(folder, address_space):
    """Judge what standard input names, line by line."""
    import judge
    import seeds

    guard = judge.Guard(folder)
    # To show one Python would open the source of its caller, and the guard counts what is opened.
    warnings.simplefilter("ignore", judge.pylstm.WeightFileWarning)
    codecs.lookup("unicode_escape")  # of Python 2's texts, which are in no seed
    for reader in seeds.EXTRAS:  # a seed needs the package, an attack only the reader
        import_module(f"pylstm.files.formats.{reader}")
    for format in seeds.FORMATS:  # readers are imported when a file needs them
        for content in seeds.seeds(format)[:2]:
            judge.open_all(content, format)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + address_space,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir(folder)  # the canary has a relative name
    gc.collect()
    gc.freeze()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(verdict(guard, line.rstrip("\n"), judge)), flush=True)


def verdict(guard, job, judge):
    """Return what came of one job."""
    content, format = content_of(job)
    start = time.process_time()
    try:
        loaded = judge.judge(guard, content, format)
        refused = isinstance(loaded, Exception)
        outcome, told = ("refused", str(loaded)) if refused else ("loaded", "")
        del loaded
    except Exception:
        outcome, told = "broken", traceback.format_exc()[-6000:]
    gc.collect()  # to take a deep nest apart may crash as well
    return outcome, told, time.process_time() - start


def main(job, path=None):
    """Show one file and judge it."""
    import judge

    content, format = content_of(job)
    if path:
        Path(path).write_bytes(content)
    print(f"{len(content)} bytes: {content[:200]!r}")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        print(repr(judge.judge(judge.Guard(folder), content, format))[:2000])
    print(f"{time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    # Not the folder of the package: an installed one is meant if there is one.
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    if sys.argv[1] == "--serve":
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        main(*sys.argv[1:])
