"""Batches that are packed, run and padded: ``python -m benchmarks.round_trip [--before REVISION]``.

The three lines of a user, pack_padded_sequence, the call and pad_packed_sequence, against the call
with the padded batch, in the same rounds. First their results are compared with each sequence run
alone, as bytes. The exit code is 1 if the ratio is greater than allowed. With ``--before`` an
earlier commit takes turns with this tree, and the least figures of both are compared, also of the
other functions of pylstm.utils.rnn; the exit code is 1 too if one of them is slower by 10 %.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.before import BEFORE, NOW, build, import_copies
from benchmarks.engines import AbsentError, require
from benchmarks.kinds import KINDS
from benchmarks.timing import Runner, Spread, interleave, ratios, spread

PLAIN = "rnn(x)"
THREE = """\
packed = pack_padded_sequence(x, lengths, batch_first, ordered)
out, hx = rnn(packed)
out, lengths_out = pad_packed_sequence(out, batch_first)
"""
# Each line alone, and the functions around them.
PIECES = {
    "pack": "pack_padded_sequence(x, lengths, batch_first, ordered)",
    "call": "rnn(packed)",
    "pad": "pad_packed_sequence(out, batch_first)",
    "pad with -1": "pad_packed_sequence(out, batch_first, -1.0)",
    "pad_sequence": "pad_sequence(sequences, batch_first)",
    "unpad_sequence": "unpad_sequence(x, lengths, batch_first)",
    "pack_sequence": "pack_sequence(sequences, ordered)",
    "unpack_sequence": "unpack_sequence(out)",
}
SLOWER = 1.1


@dataclass(frozen=True)
class Batch:
    """A padded batch for a layer 64 -> 32 in both directions, and the greatest ratio allowed.

    That is promised of an LSTM.
    """

    batch: int
    steps: int
    batch_first: bool = False
    ordered: bool = True
    allowed: float | None = None

    @property
    def label(self) -> str:
        words = ["batch first"] * self.batch_first + ["unsorted"] * (not self.ordered)
        return ", ".join([f"b{self.batch} t{self.steps}", *words])

    def lengths(self) -> list[int]:
        """Half of the steps and more, up to all of them."""
        found = np.linspace(self.steps, (self.steps + 1) // 2, self.batch).astype(int)
        if not self.ordered:
            np.random.default_rng(0).shuffle(found)
        return [int(length) for length in found]


BATCHES = [
    Batch(1, 25, allowed=2.5),
    Batch(1, 25, batch_first=True),
    Batch(8, 25),
    Batch(8, 25, ordered=False),
    Batch(32, 25, ordered=False),
    Batch(32, 25, batch_first=True, ordered=False),
    Batch(1, 1000),
    Batch(32, 400, ordered=False),
]


@dataclass
class RoundTripRow:
    """The three lines over the plain call, for one batch."""

    label: str
    plain: Spread
    seconds: Spread
    ratio: Spread
    allowed: float | None

    @property
    def holds(self) -> bool | None:
        """Whether the ratio is allowed, None where nothing is promised."""
        return None if self.allowed is None else self.ratio.median <= self.allowed


def names_of(package: str, batch: Batch, kind: str = "lstm") -> dict[str, Any]:
    """Return what the statements use, after a look at the results."""
    nn = require(package)
    utils = require(f"{package}.utils.rnn")
    nn.set_num_threads(1)
    nn.manual_seed(0)
    options = {"bidirectional": True, "batch_first": batch.batch_first, **KINDS[kind].options}
    rnn = getattr(nn, KINDS[kind].layer)(64, 32, **options)
    shape = (batch.steps, batch.batch, 64)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    lengths = batch.lengths()
    sequences = [np.ascontiguousarray(x[:length, row]) for row, length in enumerate(lengths)]
    x = np.ascontiguousarray(x.swapaxes(0, 1)) if batch.batch_first else x
    names = {name: getattr(utils, name) for name in utils.__all__}
    names |= {"rnn": rnn, "x": x, "lengths": lengths, "sequences": sequences}
    names |= {"batch_first": batch.batch_first, "ordered": batch.ordered}
    exec(THREE, names)
    out, lengths_out = names["out"], names["lengths_out"]
    assert lengths_out.tolist() == lengths
    for row, sequence in enumerate(sequences):
        padded = out[row] if batch.batch_first else out[:, row]
        assert padded[: len(sequence)].tobytes() == rnn(sequence)[0].tobytes()
        assert not padded[len(sequence) :].any()
    names["out"] = rnn(names["packed"])[0]
    return names


def measure_round_trips(rounds: int, target: float, kind: str = "lstm") -> list[RoundTripRow] | str:
    """Time every batch; a text where pylstm is absent."""
    rows = []
    for batch in BATCHES:
        try:
            names = names_of("pylstm", batch, kind)
        except AbsentError as error:
            return f"pylstm absent: {error}"
        runners = {"plain": Runner(PLAIN, names), "three": Runner(THREE, dict(names))}
        samples = interleave(runners, rounds, target)
        plain, three = samples["plain"], samples["three"]
        ratio, allowed = ratios(three, plain), batch.allowed if kind == "lstm" else None
        rows.append(RoundTripRow(batch.label, spread(plain), spread(three), ratio, allowed))
    return rows


def compare(revision: str, rounds: int, target: float) -> bool:
    """Print the least figures before and now; return False where one is slower now."""
    good = True
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "commit").mkdir()
        import_copies(build(revision, Path(folder) / "commit"), Path(folder))
        for batch in BATCHES:
            runners = {}
            for package in (BEFORE, NOW):
                names = names_of(package, batch)
                for piece, statement in {"plain": PLAIN, "all three": THREE, **PIECES}.items():
                    runners[package, piece] = Runner(statement, dict(names))
            by_name = {" ".join(key): runner for key, runner in runners.items()}
            samples = interleave(by_name, rounds, target)
            for piece in ("plain", "all three", *PIECES):
                before, now = (min(samples[f"{package} {piece}"]) for package in (BEFORE, NOW))
                mark = "  slower" if now > before * SLOWER else ""
                good &= not mark
                print(
                    f"{batch.label:28} {piece:16} {before * 1e6:9.2f} -> {now * 1e6:9.2f} us  "
                    f"{before / now:6.2f}{mark}"
                )
    return good


def main(arguments: list[str] | None = None) -> int:
    """Command line: 0 where every ratio is allowed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.round_trip", description=__doc__)
    parser.add_argument("--before", metavar="REVISION", help="the earlier commit")
    parser.add_argument("--rounds", type=int, default=15, help="figures of each (default 15)")
    parser.add_argument("--target", type=float, default=3.0, metavar="MS", help="of one figure")
    options = parser.parse_args(arguments)
    rows = measure_round_trips(options.rounds, options.target / 1e3)
    if isinstance(rows, str):
        print(rows)
        return 1
    for row in rows:
        verdict = ""
        if row.holds is not None:
            verdict = f"at most {row.allowed:g}: {'holds' if row.holds else 'FAILS'}"
        print(
            f"{row.label:28} {row.seconds.median * 1e6:9.2f} us, plain "
            f"{row.plain.median * 1e6:9.2f} us, ratio {row.ratio.median:5.2f}  {verdict}"
        )
    good = all(row.holds is not False for row in rows)
    if options.before:
        good &= compare(options.before, options.rounds, options.target / 1e3)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
