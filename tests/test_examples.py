"""The programs in examples/ run, and do what they say."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from support import HANG

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def environment():
    """Scripts find what stands beside them, as they do when a user runs them."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"}


def example(name, *arguments):
    """What a program prints, after it ended well."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_readme_names_every_program():
    named = set(re.findall(r"\w+\.py", (EXAMPLES / "README.md").read_text(encoding="utf-8")))
    assert named == {path.name for path in EXAMPLES.glob("*.py")}


def test_streaming():
    output = example("streaming.py")
    assert output.count("row ") == 8 + 1
    assert output.splitlines()[0].split() == ["pixels", "guess", "and", "how", "sure", "it", "is"]
    assert "it is a 9" in output and output.endswith("the same bits\n")


def test_forecast():
    output = example("forecast.py")
    assert output.splitlines()[0].endswith("(* expected, o came)")
    assert len(re.findall(r"^ *\d+ .*\|$", output, flags=re.M)) == 24
    assert float(re.search("difference to torch's forecast: (.*)", output)[1]) < 1e-5
    # The last day again would be off by 0.154, the mean by 0.39.
    assert float(re.search(r"what came \(o\): (.*)", output)[1]) < 0.15


def test_tagger():
    output = example("tagger.py")
    lines = output.splitlines()
    assert lines[0] == "Meet on 12.05.2026 at 9:30 in room 12.05"
    assert lines[1] == "wwww.ww.dddddddddd.ww.tttt.ww.wwww.nnnnn"
    legend = lines[8].removeprefix("below each character: ").split(", ")
    assert legend == ["w word", "n number", "d date", "t time", ". anything else"]
    assert {each[0] for each in legend} == set("".join(lines[1:8:2]))
    assert float(re.search("difference to torch's scores: (.*)", output)[1]) < 1e-4
    assert output.endswith("the same bits\n")


def test_tagger_on_lines_of_the_users():
    # The same start is a date or a number, by what follows: one direction would not do.
    output = example("tagger.py", "room 24.12 on 24.12.2025 at 7:15", "x", "Ärger 7")
    assert output.splitlines()[1] == "wwww.nnnnn.ww.dddddddddd.ww.tttt"
    assert output.splitlines()[3] == "w"
    assert output.splitlines()[6].startswith("below each character: w word, n number")
    assert len(output.splitlines()[5]) == len("Ärger 7")


def test_dask():
    pytest.importorskip("dask.array", reason="dask is missing: the extra dask")
    output = example("dask_scoring.py", "--rows", "300", "--steps", "12")
    found = re.findall(r"^ +(\d) +(\d) +[\d.]+  ([0-9a-f]{16})$", output, flags=re.M)
    assert [(int(p), int(w)) for p, w, _ in found] == [(p, w) for p in (1, 2, 4) for w in (1, 2)]
    alone = re.search(r"one process +[\d.]+  ([0-9a-f]{16})$", output, flags=re.M)[1]
    assert {digest for *_, digest in found} == {alone}
    assert "the same bytes every time" in output


# ---------------------------------------------------------------------------- the service


def test_load_test():
    output = example("load_test.py", "--requests", "150", "--clients", "3", "--lines", "2")
    assert "150 requests of 2 lines by 3 clients, all right" in output
    assert re.search(r"\d+ requests/s, \d+ lines/s\nlatency: median [\d.]+ ms", output)


def test_load_test_is_bounded():
    for wrong in (["--requests", "100001"], ["--clients", "65"], ["--seconds", "301"]):
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / "load_test.py"), *wrong],
            capture_output=True,
            text=True,
            env=environment(),
        )
        assert done.returncode == 2 and "must be from 1 to" in done.stderr


# Even where a shell has SIGINT ignored, as it has for what it runs in the background.
START = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, sys.argv[1])
script = sys.argv[1] + "/http_service.py"
sys.argv = [script, "--port", "0"]
runpy.run_path(script, run_name="__main__")
"""


@contextmanager
def running_service():
    """The service on a free port; the connection to it."""
    command = [sys.executable, "-c", START, str(EXAMPLES)]
    # Not in a folder that may have a pylstm without its extension in it.
    service = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment(), cwd=EXAMPLES
    )
    try:
        host, port = re.fullmatch(r"http://(.*):(\d+)/tag\n", service.stdout.readline()).groups()
        yield service, HTTPConnection(host, int(port), timeout=HANG)
    finally:
        service.kill()
        service.wait()
        service.stdout.close()


def ask(connection, method, path, body=None, headers=None):
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_service_answers_and_refuses():
    with running_service() as (_, connection):
        lines = ["at 9:30", "", "no", "1.5"]
        right = json.dumps({"lines": lines})
        answer = {"tags": ["ww.tttt", "", "ww", "nnn"]}
        assert ask(connection, "POST", "/tag", right) == (200, answer)
        assert ask(connection, "POST", "/tag", '{"lines": []}') == (200, {"tags": []})
        assert "LSTM(12, 32" in ask(connection, "GET", "/health")[1]["model"]
        wrong = [
            ("GET", "/", None, {}, 404, "GET /health and POST /tag"),
            ("POST", "/other", right, {}, 404, "GET /health and POST /tag"),
            ("POST", "/tag", "no", {}, 400, "must be JSON"),
            ("POST", "/tag", b"\xff\xfe\xfd", {}, 400, "must be JSON"),
            ("POST", "/tag", "[" * 100_000, {}, 400, ""),
            ("POST", "/tag", "[1]", {}, 400, "list of strings"),
            ("POST", "/tag", '{"lines": "text"}', {}, 400, "list of strings"),
            ("POST", "/tag", '{"lines": [1]}', {}, 400, "list of strings"),
            ("POST", "/tag", json.dumps({"lines": ["x" * 1001]}), {}, 400, "at most 256 lines"),
            ("POST", "/tag", json.dumps({"lines": ["x"] * 257}), {}, 400, "at most 256 lines"),
            ("POST", "/tag", None, {"Content-Length": "9999999"}, 413, "at most 1048576 bytes"),
            ("POST", "/tag", None, {"Content-Length": "-1"}, 411, "Content-Length"),
        ]
        for method, path, body, headers, status, text in wrong:
            found, content = ask(connection, method, path, body, headers)
            assert found == status and text in content["error"], (path, body, found, content)
        assert ask(connection, "POST", "/tag", right) == (200, answer)
        connection.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_service_stops_at_ctrl_c():
    with running_service() as (service, connection):
        assert ask(connection, "GET", "/health")[0] == 200
        connection.close()
        service.send_signal(signal.SIGINT)
        assert service.wait(timeout=HANG) == 0
