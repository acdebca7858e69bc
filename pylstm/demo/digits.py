"""Handwritten digits, read row by row by an LSTM that torch trained.

The weights are the file that ``torch.save`` wrote, read here without torch; ``train.py`` in
this folder made it and recorded torch's answers. The LSTM takes an 8x8 image as a sequence
of 8 rows with 8 pixels each; a linear layer turns its last hidden state into one score per
digit.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import pylstm as nn

FOLDER = Path(__file__).parent
WEIGHTS = FOLDER / "digits_weights.pt"
HELD_OUT = FOLDER / "digits_heldout.npz"

Float32 = NDArray[np.float32]

# Two correct float32 implementations differ by a few units in the last place of each
# logit (about 1e-6 here); a wrong gate or layout is off by whole numbers.
LOGIT_TOLERANCE = 1e-4
REQUIRED_ACCURACY = 0.95


class DigitReader:
    """The trained network: an LSTM and one linear layer.

    Parameters
    ----------
    path : path or str
        A torch file with a state_dict: the keys ``lstm.*``, ``head.weight`` and ``head.bias``.
    """

    def __init__(self, path: Path | str) -> None:
        # Of the file, each line reads what it needs. That the input is (N, L, 8) no shape tells.
        self.lstm = nn.LSTM.from_weights(path, "lstm", batch_first=True)
        weights = nn.load(path)
        self.weight = weights["head.weight"]  # [10, 32]
        self.bias = weights["head.bias"]  # [10]

    def __call__(self, images: Float32) -> tuple[Float32, Float32]:
        """Return the last hidden state [N, 32] and the logits [N, 10] of images [N, 8, 8]."""
        _, (h_n, _) = self.lstm(images)
        return h_n[-1], h_n[-1] @ self.weight.T + self.bias


def load_answers() -> dict[str, np.ndarray]:
    """Return the held-out images, their labels, and torch's logits for them."""
    with np.load(HELD_OUT) as file:
        return dict(file)


def seconds(function: Callable[[], object], budget: float = 0.5) -> float:
    """Return the median time of one call, from as many calls as fit into the budget."""
    times: list[float] = []
    while not times or sum(times) < budget:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def draw(image: Float32) -> list[str]:
    """Return an image [8, 8] with values in [0, 1] as eight lines of text."""
    shades = " .:+#"
    levels = (image * (len(shades) - 1)).round().astype(int)
    return ["".join(2 * shades[level] for level in row) for row in levels]


def print_sample(images: Float32, answers: NDArray[np.intp], count: int = 4) -> None:
    """Print the first images side by side, with the answers below."""
    for lines in zip(*(draw(image) for image in images[:count]), strict=True):
        print("    " + "  |  ".join(lines))
    print("    " + "  |  ".join(f"read as {answer}".ljust(16) for answer in answers[:count]))


def run() -> bool:
    """Read the held-out images; print accuracy, times and the comparison with torch.

    Returns
    -------
    bool
        Whether the accuracy is reached, every class is torch's, every logit is within
        `LOGIT_TOLERANCE` of torch's, and one image alone gives the bits it has in the batch.
    """
    reader = DigitReader(WEIGHTS)
    recorded = load_answers()
    images = (recorded["images"] / 16).astype(np.float32)
    torch_logits = recorded["torch_logits"]

    hidden, logits = reader(images)
    answers = logits.argmax(axis=1)
    accuracy = np.mean(answers == recorded["labels"])
    same = int(np.sum(answers == torch_logits.argmax(axis=1)))
    difference = float(np.max(np.abs(logits - torch_logits)))
    alone = np.concatenate([reader(image[np.newaxis])[0] for image in images])
    same_bits = alone.tobytes() == hidden.tobytes()

    one = seconds(lambda: reader(images[:1]))
    batch = seconds(lambda: reader(images)) / len(images)

    print(f"Handwritten digits: {reader.lstm!r} reads {len(images)} images it has never seen")
    print(f"  weights              {WEIGHTS.name}, as torch.save wrote it; no torch is needed")
    print_sample(images, answers)
    print(f"  accuracy             {accuracy:.2%}")
    print(f"  time per image       {one * 1e6:.1f} us alone, {batch * 1e6:.2f} us in a batch")
    print(f"  same class as torch  {same} of {len(images)}")
    print(f"  largest difference   {difference:.1e} between our logits and torch's")
    print(f"  alone or in a batch  {'the same bits' if same_bits else 'DIFFERENT BITS'}")
    return bool(
        accuracy >= REQUIRED_ACCURACY
        and same == len(images)
        and difference <= LOGIT_TOLERANCE
        and same_bits
    )
