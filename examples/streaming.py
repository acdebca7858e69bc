"""One step at a time: the rows of an image as they arrive, by a stream that keeps the states.

    python examples/streaming.py

The network of ``python -m pylstm demo`` reads a handwritten digit of 8x8 pixels, one row per
step, and guesses after every row. A pickle of the stream can be loaded in another process and
continues there with the same states. The result equals that of one call with the whole image in
every bit.
"""

import pickle

import numpy as np

import pylstm as nn
from pylstm.demo.digits import HELD_OUT, WEIGHTS

SHADES = " .:+#"


def softmax(scores):
    """Turn scores into probabilities."""
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def main():
    """Read one image row by row, three ways; say whether the bits are the same."""
    lstm = nn.LSTM.from_weights(WEIGHTS, "lstm")
    weights = nn.load(WEIGHTS)
    with np.load(HELD_OUT) as file:
        image = file["images"][0].astype(np.float32) / 16  # (8, 8)
        label = file["labels"][0]

    stream = lstm.stream()  # one sequence, so that a step has the shape (1, 8)
    print(f"{'':7}{'pixels':16}  guess and how sure it is")
    for number, row in enumerate(image):
        output = stream(row[np.newaxis])
        if number == 3:
            stream = pickle.loads(pickle.dumps(stream))  # into a file in real life
        scores = softmax(weights["head.weight"] @ output[-1] + weights["head.bias"])
        picture = "".join(2 * SHADES[round(float(value) * 4)] for value in row)
        print(f"row {number}  {picture}  {scores.argmax()}  {scores.max():4.0%}")
    print(f"it is a {label}")

    # The same with a cell, whose states have no layers.
    cell = nn.LSTMCell.from_weights({n.removesuffix("_l0"): p for n, p in lstm.named_parameters()})
    h = c = np.zeros(lstm.hidden_size, np.float32)
    for row in image:
        h, c = cell(row, (h, c))

    _, whole = lstm(image)
    same = all(
        streamed.tobytes() == one.tobytes() == at_once.tobytes()
        for streamed, one, at_once in zip(stream.state, (h, c), whole, strict=True)
    )
    print(f"row by row, with a cell, all at once: {'the same bits' if same else 'OTHER BITS'}")
    return 0 if same and scores.argmax() == label else 1


if __name__ == "__main__":
    raise SystemExit(main())
