"""The benchmarks of smaller weights: their engines, what they judge, how they read trained nets."""

import pickle
import re
import zipfile

import numpy as np
import pytest
from test_benchmarks import KINDS, ROOT, run

import pylstm

pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not installed"
)
ENGINES = """
import sys
from benchmarks import environment
environment.prepare()
from benchmarks.grids import Case
from benchmarks.measure import _prepare
from benchmarks.problem import Problem, errors
from benchmarks.weights_engines import STORED
kind = sys.argv[1]
for case in (
    Case(40, 48, 20, 3, num_layers=2, bidirectional=True, states=True, kind=kind),
    Case(40, 48, 4, 3, states=True, cell=True, kind=kind),
):
    problem = Problem(case)
    for storage, engine in STORED.items():
        outcome, runner = _prepare(engine, problem, problem.truth())
        assert outcome.ok, (storage, outcome)
        assert engine(problem).module.weights == storage
        assert outcome.rms_error > 3e-6, (storage, outcome)
        runner.seconds(1)
    coarse = type("Coarse", (STORED["int16"],), {"weights": "int8"})
    outcome, runner = _prepare(coarse, problem, problem.truth())
    assert outcome.status.startswith("wrong") and runner is None, outcome
"""
JUDGE = """
from benchmarks.grids import GRIDS
from benchmarks.measure import Outcome, Row, _fill_leads
from benchmarks.timing import ratios, spread
from benchmarks.weights_report import weights_budgets, weights_lines

def rows(slow=None, without=None, wrong=None):
    made = []
    for case in GRIDS["head"]:
        if case.label == without:
            continue
        times = {"pylstm": [9.0] * 3, "pylstm int8-fast": [1.4] * 3, "torch qint8": [4.0] * 3,
                 "onnxruntime int8 channel": [4.2] * 3, "openvino bf16": [1.0] * 3}
        if case.label == slow:
            times["torch qint8"] = [1.6] * 3
        row = Row("head", case, {
            name: Outcome("ok", spread(each), ratios(each, times["pylstm"]), 1e-3, 1e-2)
            for name, each in times.items()
        })
        if case.label == wrong:
            row.outcomes["pylstm int8-fast"] = Outcome("wrong: error 1", None, None, 1.0, 1.0)
            del times["pylstm int8-fast"]
        _fill_leads(row, times)
        made.append(row)
    return made

# float32 takes 9 of any unit, int8-fast 1.4, which is above every target; of one cell more.
targets = [b for b in weights_budgets("head", rows(), "avx512-vnni") if "/" in b.what]
print(len(targets), *{b.verdict for b in targets}, targets[0].figure)
few = rows(without="b1 h64 t100")
row = next(row for row in few if row.case.label == "b1 h128 t100")
row.outcomes["pylstm int8-fast"].ratio = ratios([3.2], [9.0])
for flavour in ("avx512-vnni", "avx2-vnni"):
    budgets = weights_budgets("head", few, flavour)
    print(*(b.verdict for b in budgets if "T 100, batch 1," in b.what))
for options in ({}, {"slow": "b8 h64 t100"}, {"without": "b8 h64 t1"}, {"wrong": "b1 h20 t10"}):
    budgets = weights_budgets("head", rows(**options), "avx512-vnni")
    print(*(b.verdict.split()[0] for b in budgets if "peer" in b.what or "float64" in b.what))
print("\\n".join(weights_lines("head", rows(slow="b8 h64 t100"))))
"""
CLAIMS = """
from benchmarks.errors import Line, budgets_of
def verdict(*shares, trained=3, others="random", own="int8", peer="onnxruntime int8 channel"):
    lines = [
        Line("", "", "trained" if i < trained else others, {f"pylstm {own}": share, peer: 1.0})
        for i, share in enumerate(shares)
    ]
    return next(budget.verdict for budget in budgets_of(lines) if budget.what.startswith(own + ":"))
assert verdict(0.1, 0.2, 0.19, own="int16", peer="torch bf16") == "holds"
assert verdict(0.1, 0.2, 0.21, own="int16", peer="torch bf16") == "FAILS"
assert verdict(0.5, 0.9, 1.0, 0.7) == "holds"
assert verdict(0.5, 1.09, 0.9, 0.7) == "holds"
assert verdict(0.5, 1.11, 0.9, 0.7) == "FAILS"
assert verdict(0.5, 1.01, 1.01, 0.7) == "FAILS"
assert verdict(0.5, 0.9, 0.7, 2.0, others="stack") == "holds"
assert verdict(0.5, 0.9, trained=2) == "not decided"
assert verdict(0.5, 2.0, trained=2) == "FAILS"
assert {b.verdict for b in budgets_of([Line("", "", "trained", {"pylstm int8": 1.0})])} == {"not decided"}
"""
TRAINED = """
import sys
from pathlib import Path
from benchmarks import environment
environment.prepare()
from benchmarks import trained
from benchmarks.engines import Pylstm
from benchmarks.problem import errors
trained.fetch_wheel = lambda package, folder: Path(sys.argv[1]) / (package + ".whl")
for net in trained.NETS:
    problem = trained.problem_of(net)
    rms, worst = errors(Pylstm(problem).outputs(), problem.truth())
    assert worst < 1e-5, (net, worst)
    assert abs(problem.x).max() > 0
    case = problem.case
    print(net.package, case.kind, case.input_size, case.hidden_size, case.num_layers, case.bidirectional)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_storages_are_compressed_and_near_the_reference(kind):
    run("-c", ENGINES, kind)


def test_budgets_of_speed_and_results():
    targets, few, vnni, whole, slow, without, wrong, *page = run("-c", JUDGE).splitlines()
    assert targets == "4 holds 6.43 / 6.43 / 6.43 / 6.43"
    # 2.81 against 3.00 of AVX-512, 2.70 of AVX-VNNI; hidden 64 is missing.
    assert (few, vnni) == ("FAILS", "not decided")
    # Of int8-fast: every result, every cell, the geometric means of T 1 and T 100.
    assert whole == "holds holds holds holds"
    assert slow == "holds FAILS holds holds"
    assert without == "holds not not holds"
    assert wrong == "FAILS not holds holds"
    (cell,) = (line for line in page if line.startswith("| b8 h64 t100 |"))
    assert "6.43× [6.43–6.43] 1.4 s, 1.0e-03" in cell
    assert "1.14× torch qint8" in cell
    (mean,) = (line for line in page if line.startswith("| int8-fast | 100 |"))
    assert "6.43× of 15 cells" in mean
    assert "1.14× at b8 h64 t100 (torch qint8)" in mean


def test_claims_about_errors():
    run("-c", CLAIMS)


@pytest.mark.parametrize("words", ["int4", "int8,float64", ""])
def test_what_is_no_storage_is_refused(words):
    code = (
        "import sys; from benchmarks.peers import parse_arguments\n"
        "try: parse_arguments(['--weights', sys.argv[1]])\n"
        "except SystemExit as exit: print(exit.code)"
    )
    assert run("-c", code, words).split() == ["2"]


def test_a_run_with_smaller_weights():
    options = ("--weights", "int8,float16", "--engines", "pylstm", "--grid", "cells", "--quick")
    page = run("-m", "benchmarks.peers", *options, "--filter", "b1 h20")
    assert re.search(r"^\| cells, int8: no result .*\| 1 of 1 cells \| holds \|$", page, flags=re.M)
    header, _, case = page.split("## Grid cells\n\n")[1].splitlines()[:3]
    assert header == "| case | pylstm float32 | pylstm int8 | pylstm float16 |"
    assert re.fullmatch(r"\| b1 h20 t10 \| [^×|]+ \|( [\d.]+× \[[^|]+ \|){2}", case)


def test_errors_of_random_weights():
    page = run("-m", "benchmarks.errors", "--no-fetch")
    table = page.split("## Errors\n\n")[1].split("\n\n")[0].splitlines()
    header, _, *lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table]
    assert len(lines) == 9
    for line in lines:
        row = dict(zip(header, line, strict=True))
        if "layers" in row["weights"]:
            continue
        scale = int(row["weights"].split()[-1])
        for name, low, high in (
            ("float32", 1e-8, 1e-7),
            ("int8", 5e-4, 9e-4),
            ("int8-fast", 9e-4, 1.5e-3),
            ("int16", 1e-5, 6e-5),
            ("bfloat16", 2e-4, 3e-4),
            ("float16", 2e-5, 4e-5),
        ):
            assert low * 0.8 < float(row[f"pylstm {name}"]) / scale < high


def state_of(kind, *sizes, prefix="", **options):
    module = getattr(pylstm, kind)(*sizes, **options)
    return {prefix + name: np.array(value) for name, value in module.state_dict().items()}


def test_trained_nets_are_read(tmp_path):
    """Files of the layout that the wheels hold."""
    normal = np.random.default_rng(0).standard_normal
    table = {"embedding.weight": normal((54, 128), np.float32)}
    taggers = state_of("LSTM", 128, 256, 3, bidirectional=True, prefix="lstm.")
    speaker = state_of("LSTM", 40, 256, 3, prefix="model_state.lstm.")
    short = {"weight_ih": "w_ih", "weight_hh": "w_hh", "bias_ih": "b_ih", "bias_hh": "b_hh"}
    encoder = state_of("GRUCell", 256, 256)
    encoder = {f"enc_{short[name]}": value for name, value in encoder.items()}
    encoder["enc_emb"] = normal((29, 256), np.float32)
    text = state_of("LSTM", 64, 32, bidirectional=True, prefix="lstm.")
    text["embedding.weight"] = normal((50, 64), np.float32)
    (tmp_path / "g2pM").write_bytes(pickle.dumps(text))
    pylstm.save(state_of("LSTMCell", 128, 128, prefix="lstm_cell."), tmp_path / "a.safetensors")
    pylstm.save(speaker, tmp_path / "b.pt")
    pylstm.save(taggers | table, tmp_path / "c.pt")
    np.savez(tmp_path / "d.npz", **encoder)
    for package, file, name in (
        ("silero-vad==6.2.3", "a.safetensors", "silero_vad/data/silero_vad_16k.safetensors"),
        ("g2pM==0.1.2.5", "g2pM", "g2pM/np_ckpt.pkl"),
        ("Resemblyzer==0.1.4", "b.pt", "resemblyzer/pretrained.pt"),
        ("arabic-diacritizer==1.0.0", "c.pt", "diacritize/assets/bilstm_best.pt"),
        ("g2p-en==2.1.0", "d.npz", "g2p_en/checkpoint20.npz"),
    ):
        with zipfile.ZipFile(tmp_path / f"{package}.whl", "w") as wheel:
            wheel.write(tmp_path / file, name)
    assert run("-c", TRAINED, str(tmp_path)).splitlines() == [
        "silero-vad==6.2.3 lstm 128 128 1 False",
        "g2pM==0.1.2.5 lstm 64 32 1 True",
        "Resemblyzer==0.1.4 lstm 40 256 3 False",
        "arabic-diacritizer==1.0.0 lstm 128 256 3 True",
        "g2p-en==2.1.0 gru 256 256 1 False",
    ]
