"""A bidirectional tagger: lines of any length in one padded batch, without torch.

    python examples/tagger.py "The train of 18:05 on 2026-05-12 is 12.5 minutes late"

It says which characters belong to words (w), numbers (n), dates (d) and times (t). Its weights,
tagger.pt, are what torch.save wrote at the end of train_tagger.py, which stands beside it.
"""

import sys
from pathlib import Path

import numpy as np

import pylstm as nn
from pylstm.utils.rnn import pad_sequence

WEIGHTS = Path(__file__).with_name("tagger.pt")
NAMES = {"w": "word", "n": "number", "d": "date", "t": "time", ".": "anything else"}


class Tagger(nn.Module):
    """An embedding of characters, a bidirectional LSTM and a linear layer.

    Parameters
    ----------
    path : path or str
        What train_tagger.py wrote.
    """

    def __init__(self, path=WEIGHTS):
        super().__init__()
        checkpoint = nn.load(path)
        weights = checkpoint["model"]
        # The shapes tell the sizes and the directions, but not that batches come first.
        self.lstm = nn.LSTM.from_weights(weights, "lstm", batch_first=True)
        self.register_parameter("embedding", weights["embedding.weight"])
        self.register_parameter("weight", weights["head.weight"])
        self.register_parameter("bias", weights["head.bias"])
        self.labels = checkpoint["labels"]
        self.eval()

    def codes(self, line):
        """Return the rows of the embedding for a line; what is not ASCII counts as "?"."""
        ascii_bytes = line.encode("ascii", errors="replace")
        codes = np.frombuffer(ascii_bytes, np.uint8).astype(np.intp) - 32
        return np.where((codes >= 0) & (codes < len(self.embedding)), codes, ord("?") - 32)

    def hidden(self, lines):
        """Return what the LSTM makes of lines, (N, L, 64), padded with zeros, and lengths (N,)."""
        sequences = [self.embedding[self.codes(line)] for line in lines]
        lengths = np.array([len(sequence) for sequence in sequences])
        padded = pad_sequence(sequences, batch_first=True)
        output, _ = self.lstm(padded, lengths=lengths)
        return output, lengths

    def forward(self, lines):
        """Return scores (N, L, 5) of lines, and the lengths (N,)."""
        hidden, lengths = self.hidden(lines)
        return hidden @ self.weight.T + self.bias, lengths

    def tag(self, lines):
        """Return for every line a string with a label for every character."""
        tags = [""] * len(lines)
        filled = [number for number, line in enumerate(lines) if line]  # "" has no step
        if filled:
            scores, lengths = self([lines[number] for number in filled])
            for number, best, length in zip(filled, scores.argmax(-1), lengths, strict=True):
                tags[number] = "".join(self.labels[label] for label in best[:length])
        return tags


def main(lines):
    """Tag the lines; compare with torch's answers, and a line alone with the same in a batch."""
    tagger, recorded = Tagger(), nn.load(WEIGHTS)
    lines = [line for line in lines if line] or recorded["lines"]
    for line, tags in zip(lines, tagger.tag(lines), strict=True):
        print(f"{line}\n{tags}")
    print("below each character: " + ", ".join(f"{tag} {name}" for tag, name in NAMES.items()))
    scores, lengths = tagger(recorded["lines"])
    inside = np.arange(scores.shape[1]) < lengths[:, np.newaxis]
    difference = np.abs(scores - recorded["scores"])[inside].max()
    alone = [tagger.hidden([line])[0] for line in lines]
    together, lengths = tagger.hidden(lines)
    same = all(
        one.tobytes() == row[:length].tobytes()
        for (one,), row, length in zip(alone, together, lengths, strict=True)
    )
    print(f"largest difference to torch's scores: {difference:.1e}")
    print(f"every line alone and in the batch: {'the same bits' if same else 'OTHER BITS'}")
    return 0 if same and difference < 1e-4 else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
