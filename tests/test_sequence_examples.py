"""The examples of what can be inside a sequence, and independent oracles for what they print."""

import importlib.util
import itertools
import re
import struct

import numpy as np
import pytest
from test_examples import EXAMPLES, example

import pylstm as nn


def module_of(name):
    """Import a program of examples/ without running it."""
    specification = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


# ---------------------------------------------------------------------------- the server


def test_frames_server():
    output = example("frames_server.py")
    calls = int(re.match(r"64 clients sent 1024 frames; the server made (\d+) calls\n", output)[1])
    # With pauses of 10 ms on average, clients share calls; one call for each frame would be 1024.
    assert 16 <= calls < 1024
    assert "126 of 128 digits read correctly" in output
    assert output.endswith("each digit whole: the same bits\n")


def test_frames_server_with_other_clients():
    output = example("frames_server.py", "--clients", "5", "--digits", "3")
    assert output.startswith("5 clients sent 120 frames")
    assert output.endswith("the same bits\n")


class FakeConnection:
    """A reader and a writer of a connection whose messages are all there at once."""

    def __init__(self, data):
        self.data, self.written, self.closed = data, [], False

    async def readexactly(self, count):
        import asyncio

        piece, self.data = self.data[:count], self.data[count:]
        if len(piece) < count:
            raise asyncio.IncompleteReadError(piece, count)
        return piece

    def write(self, data):
        self.written.append(data)

    async def drain(self):
        pass

    def close(self):
        self.closed = True


def test_frames_that_are_sent_without_waiting_keep_their_order():
    """Two clients: one sends everything at once, with a reset between; one ends in half a frame."""
    import asyncio

    module = module_of("frames_server")
    layer = nn.LSTM(3, 4)
    frames = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    packets = [struct.pack("B", 12) + frame.tobytes() for frame in frames]
    new = struct.pack("B", 3) + module.NEW
    whole = FakeConnection(b"".join([*packets[:2], new, *packets[2:]]))
    cut = FakeConnection(packets[0] + packets[1][:7])
    wrong = FakeConnection(b"\x05hello" + packets[0])

    async def serve():
        server = module.FramesServer(layer)
        advancing = asyncio.create_task(server.advance())
        await asyncio.gather(*(server.serve(each, each) for each in (cut, whole, wrong)))
        advancing.cancel()
        return server

    server = asyncio.run(serve())
    expected = [*layer(frames[:2])[0], *layer(frames[2:])[0]]
    assert whole.written == [state.tobytes() for state in expected]
    assert cut.written == [expected[0].tobytes()] and wrong.written == []
    assert len(server.stream) == 0 and not server.clients and not server.waiting
    assert all(each.closed for each in (whole, cut, wrong))


# ---------------------------------------------------------------------------- the policy


def test_policy_resets():
    output = example("policy_resets.py")
    found = re.findall(r"rollout \d: (\d+) episodes ended, (\d+) turned right", output)
    assert len(found) == 2 and all(ended == right and int(ended) > 50 for ended, right in found)
    assert int(re.search(r"without resets, (\d+) of them would turn the wrong way", output)[1]) > 5
    assert output.endswith("each rollout in one call: the same bits\n")


def test_the_rollout_is_its_episodes_read_alone():
    """An oracle that knows no reset: every episode is a call of its own."""
    module = module_of("policy_resets")
    lstm, corridors = module.policy(), module.Corridors(module.ENVIRONMENTS, seed=5)
    stream = lstm.stream(batch=module.ENVIRONMENTS)
    seen, acted, _, ends = module.collect(corridors, stream)
    for row in range(module.ENVIRONMENTS):
        cuts = np.flatnonzero(ends[:, row]) + 1
        pieces = [lstm(piece)[0] for piece in np.split(seen[:, row], cuts) if len(piece)]
        assert np.concatenate(pieces).tobytes() == acted[:, row].tobytes()


# ---------------------------------------------------------------------------- beam search


def every_word(module):
    """All words, by length: letters that end in the last one, and those that are cut."""
    letters = range(module.END)
    for length in range(1, module.LONGEST):
        for start in itertools.product(letters, repeat=length - 1):
            yield (*start, module.END)
    yield from (
        (*start, last)
        for start in itertools.product(letters, repeat=module.LONGEST - 1)
        for last in range(module.END + 1)
    )


@pytest.fixture(scope="module")
def ranked():
    """The module, its decoder, and all words with their scores, read whole, the best first."""
    module = module_of("beam_search")
    decoder = module.Decoder()
    return (
        module,
        decoder,
        module.best([(module.score_of(decoder, word), word) for word in every_word(module)], 20),
    )


def test_beam_search(ranked):
    module, _, best = ranked
    output = example("beam_search.py")
    rows = re.findall(r"^ *(\d+) +(\d+)  (\S+) +(-[\d.]+)$", output, flags=re.M)
    assert [int(row[0]) for row in rows] == [1, 2, 4, 8, 64]
    scores = [float(row[3]) for row in rows]
    assert scores == sorted(scores) and scores[0] < scores[1] < scores[2]
    assert rows[-1][2] == "".join(module.LETTERS[k] for k in best[0][1])
    assert abs(scores[-1] - best[0][0]) < 1e-6
    assert float(re.search("words read whole: (.*)", output)[1]) < 1e-12


def test_a_beam_as_wide_as_the_tree_finds_what_trying_all_words_finds(ranked):
    module, decoder, best = ranked
    assert len(set(every_word(module))) == 1 + 4 + 16 + 64 + 256 + 5 * 1024
    found, _ = module.beam_search(decoder, 5 * 4**5)
    assert [word for _, word in found[:20]] == [word for _, word in best]
    assert np.allclose([score for score, _ in found[:20]], [score for score, _ in best], rtol=1e-12)


@pytest.mark.parametrize("width", [1, 3, 10])
def test_a_narrow_beam_gives_true_scores(ranked, width):
    module, decoder, best = ranked
    found, _ = module.beam_search(decoder, width)
    assert len(found) == width
    for score, word in found:
        assert abs(score - module.score_of(decoder, word)) < 1e-12
        assert score <= best[0][0] + 1e-12


# ---------------------------------------------------------------------------- gates


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    """What the program prints, and the picture that it draws."""
    pytest.importorskip("matplotlib", reason="matplotlib is missing: the extra plot")
    picture = tmp_path_factory.mktemp("year") / "year.png"
    return example("gates_over_a_year.py", "--picture", str(picture)), picture


def test_gates_over_a_year(year):
    output, picture = year
    assert float(re.search(r"explains ([\d.]+)% of how the flow varies", output)[1]) > 90
    assert abs(float(re.search(r"snow: .* correlation (\S+)", output)[1])) > 0.9
    assert abs(float(re.search(r"temperature have the correlation (\S+)", output)[1])) < 0.7
    assert len(re.findall(r"^[A-Z][a-z]{2} .* \d\.\d\d$", output, flags=re.M)) == 12
    assert float(re.search("difference to torch's flow: (.*) mm", output)[1]) < 1e-4
    from matplotlib import image

    pixels = image.imread(picture)
    assert pixels.shape[0] > 500 and pixels[..., :3].std() > 0.05


def test_the_readme_shows_what_the_program_prints(year):
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    shown = text.partition("$ python examples/gates_over_a_year.py\n")[2].partition("\n\n")[0]
    lines = [line.removeprefix("    ") for line in shown.splitlines()]
    printed = year[0].splitlines()
    assert lines[:-2] == printed[:-2]  # behind them: rounding, the path
