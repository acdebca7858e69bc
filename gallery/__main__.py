"""``python -m gallery [NAME ...]``: real models on pylstm beside their own runtimes, as a table."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from benchmarks.timing import geometric_mean
from gallery import fetch
from gallery.entries import ENVIRONMENTS, NAMES, NOT_RUN, model

HEAD = (
    "| model | weights | runtime | an input | largest difference | decisions equal "
    "| pylstm | runtime | ratio |",
    "|---|---|---|---|---|---|---|---|---|",
)
BEGIN, END = "<!-- python -m gallery -->", "<!-- end -->"


def _duration(seconds: float) -> str:
    """Return a time as a reader wants it."""
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"


def _ratio(line: dict[str, Any]) -> str:
    """Return how often pylstm runs while the runtime runs once; in brackets what is not counted."""
    return f"{line['ratio']:.2f}" if line["counts"] else f"({line['ratio']:.2f})"


def _measured(name: str, cache: Path, pythons: dict[str, Path]) -> dict[str, Any]:
    """Fetch a model, make the environment that it needs, and measure it there.

    Raises
    ------
    gallery.fetch.NotRunError
        If any of it cannot be done here.
    """
    entry = model(name).ENTRY
    folder = fetch.package(entry, cache)
    python = pythons.get(entry.runtime) or fetch.environment(entry.runtime, cache)
    printed = fetch.measure(name, folder, python).strip().splitlines()
    result: dict[str, Any] = json.loads(printed[-1])
    return result


def _rows(name: str, result: dict[str, Any]) -> list[str]:
    """Lines of the table for one model."""
    entry = model(name).ENTRY
    runtime = result.get("runtime") or f"NumPy {result['numpy']}"
    package = entry.package.replace("==", " ")
    return [
        f"| {package}{', ' * bool(title)}{title} | {entry.form} | {runtime} "
        f"| {line['shape']} | {line['difference']:.1e} of {line['magnitude']:.3g} "
        f"| {line['equal']} of {line['decisions']} | {_duration(line['ours'])} "
        f"| {_duration(line['official'])} | {_ratio(line)} |"
        for title, line in result["lines"].items()
    ]


def _ending(results: list[dict[str, Any]], missed: dict[str, str]) -> list[str]:
    """Lines below the table: machine, mean, what each runtime takes, what was not run and why."""
    ratios = [
        line["ratio"] for each in results for line in each["lines"].values() if line["counts"]
    ]
    sizes = {each["runtime"]: each["bytes"] for each in results if "bytes" in each}
    machines = sorted({each["machine"] for each in results})
    return [
        "",
        *(f"- Measured on: {machine}, one thread." for machine in machines),
        f"- Geometric mean of the {len(ratios)} ratios that count: {geometric_mean(ratios):.2f}.",
        *(
            f"- {runtime} and what it needs beside NumPy: {size / 1e6:.0f} MB of installed files."
            for runtime, size in sizes.items()
        ),
        *(f"- Not run: {package}: {reason}." for package, reason in missed.items()),
    ]


def replace_table(page: Path, lines: list[str]) -> None:
    """Put lines in place of those between the two marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{page} has no {BEGIN} and {END} behind it")
    table = "\n".join(lines)
    page.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gallery", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(NAMES)}")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument(
        "--cache",
        type=Path,
        default=home / "pylstm-gallery",
        help="where packages and environments are kept (%(default)s)",
    )
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="RUNTIME=PATH",
        help="a Python that has a runtime already, instead of an environment made below the cache; "
        f"of: {', '.join(ENVIRONMENTS)}",
    )
    parser.add_argument("--page", type=Path, help="also put the table into this page")
    options = parser.parse_args()
    for name in options.names:
        if name not in NAMES:
            parser.error(f"there is no {name}; there are {', '.join(NAMES)}")
    for text in options.python:
        if text.partition("=")[0] not in ENVIRONMENTS or not text.partition("=")[2]:
            parser.error(f"--python {text}: RUNTIME=PATH, with one of {', '.join(ENVIRONMENTS)}")
    return options


def main() -> int:
    """Print the table; 1 where a decision differs, 0 also where models were not run."""
    options = _arguments()
    pythons = {text.partition("=")[0]: Path(text.partition("=")[2]) for text in options.python}
    results, missed, lines = [], dict(NOT_RUN), list(HEAD)
    print(*HEAD, sep="\n", flush=True)
    for name in options.names or NAMES:
        try:
            result = _measured(name, options.cache.absolute(), pythons)
        except fetch.NotRunError as error:
            missed[model(name).ENTRY.package] = str(error)
            continue
        results.append(result)
        lines += _rows(name, result)
        print(*_rows(name, result), sep="\n", flush=True)
    ending = _ending(results, missed)
    print(*ending, sep="\n")
    if options.page:
        replace_table(options.page, lines + ending)
    compared = [line for each in results for line in each["lines"].values()]
    return int(any(line["equal"] < line["decisions"] for line in compared))


if __name__ == "__main__":
    raise SystemExit(main())
