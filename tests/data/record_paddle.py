"""Records state_dicts as PaddlePaddle 3.3.1 writes them: files/paddle_*.pdparams.

Run with paddlepaddle installed: python tests/data/record_paddle.py
Each is written twice: in bfloat16, and with the same values in float32.
"""

from pathlib import Path

import paddle

FOLDER = Path(__file__).parent / "files"


def record(name, layer, protocol=4):
    """Write both files of one layer."""
    state = layer.bfloat16().state_dict()
    wide = {key: value.astype("float32") for key, value in state.items()}
    for dtype, values in (("bfloat16", state), ("float32", wide)):
        path = FOLDER / f"{name}.{dtype}.pdparams"
        paddle.save(values, str(path), protocol=protocol)
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    assert paddle.__version__ == "3.3.1"
    paddle.seed(1)
    record("paddle_lstm", paddle.nn.LSTM(2, 3))
    record("paddle_lstm_2", paddle.nn.LSTM(2, 3, num_layers=2), protocol=2)
    record("paddle_bidirectional", paddle.nn.LSTM(2, 3, direction="bidirect"))
    record(
        "paddle_model",
        paddle.nn.LayerDict({"rnn": paddle.nn.LSTM(2, 3), "fc": paddle.nn.Linear(3, 2)}),
    )
    record("paddle_cell", paddle.nn.LSTMCell(2, 3))
