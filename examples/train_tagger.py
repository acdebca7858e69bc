"""Train the tagger of tagger.py with torch, and record what torch answers.

    python examples/train_tagger.py [--steps 600] [--output examples/tagger.pt]

Needs torch; takes under a minute on one core. What is learned: which characters of a line
belong to words, numbers, dates and times. "12.05" is a number and "12.05.2026" a date: the first
character can only be told with what follows, so one direction would not do.
"""

import argparse
from pathlib import Path
from random import Random

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

LABELS = ".wndt"  # other, word, number, date, time
CHARACTERS = 95  # printable ASCII, from the space on
EMBEDDING, HIDDEN, BATCH, SEED = 12, 32, 32, 2026
LETTERS = "aaabcdeeeefghiiijklmnnooopqrrsstttuuvwxyz"

# What torch's recorded answers are for.
LINES = [
    "Meet on 12.05.2026 at 9:30 in room 12.05",
    "Invoice 4711 of 2026-03-01: 1234.50 EUR",
    "departs 18:05, arrives 21:40 (3.5 hours)",
    "ok",
]


class Tagger(torch.nn.Module):
    """Characters to scores of labels."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(CHARACTERS, EMBEDDING)
        self.lstm = torch.nn.LSTM(EMBEDDING, HIDDEN, batch_first=True, bidirectional=True)
        self.head = torch.nn.Linear(2 * HIDDEN, len(LABELS))

    def forward(self, codes, lengths):
        """Scores (N, L, 5) of codes (N, L), padded."""
        packed = pack_padded_sequence(
            self.embedding(codes), lengths, batch_first=True, enforce_sorted=False
        )
        output, _ = self.lstm(packed)
        return self.head(pad_packed_sequence(output, batch_first=True)[0])


def piece(random):
    """Return a random piece of a line, and its label."""
    day, month, year = random.randint(1, 28), random.randint(1, 12), random.randint(1950, 2049)
    number = random.randint(0, 10 ** random.randint(1, 5))
    kinds = {
        "w": ["".join(random.choices(LETTERS, k=random.randint(1, 9)))],
        "n": [f"{number}", f"{number}.{random.randint(0, 99)}", f"{day:02}.{month:02}"],
        "d": [
            f"{day:02}.{month:02}.{year}",
            f"{year}-{month:02}-{day:02}",
            f"{day}/{month}/{year}",
        ],
        "t": [f"{random.randint(0, 23)}:{random.randint(0, 59):02}"],
    }
    label = random.choices("wndt", weights=(6, 4, 3, 2))[0]
    text = random.choice(kinds[label])
    if label == "w":
        text = random.choice([text, text, text.capitalize(), text.upper()])
    return text, label


def line(random):
    """Return a random line, and a label for every character."""
    text = labels = ""
    for _ in range(random.randint(1, 7)):
        before = random.choice(["", "", "", "(", '"', "- "])
        after = random.choice([" ", " ", " ", ", ", ". ", ": ", ") ", "! "])
        middle, label = piece(random)
        text += before + middle + after
        labels += "." * len(before) + label * len(middle) + "." * len(after)
    length = len(text.rstrip())
    return text[:length], labels[:length]


def encode(text, alphabet):
    """Return the places of characters in an alphabet."""
    return torch.tensor([alphabet.index(character) for character in text])


def batch(lines):
    """Return padded codes (N, L) and the lengths."""
    alphabet = "".join(map(chr, range(32, 32 + CHARACTERS)))
    codes = [encode(text, alphabet) for text in lines]
    return pad_sequence(codes, batch_first=True), torch.tensor([len(text) for text in lines])


def train(steps):
    """Return a Tagger that has seen ``steps`` batches of random lines."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    random = Random(SEED)
    model = Tagger()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(1, steps + 1):
        lines, labels = zip(*(line(random) for _ in range(BATCH)), strict=True)
        targets = [encode(text, LABELS) for text in labels]
        wanted = pad_sequence(targets, batch_first=True, padding_value=-1)
        scores = model(*batch(lines))
        loss = torch.nn.functional.cross_entropy(
            scores.flatten(0, 1), wanted.flatten(), ignore_index=-1
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == steps:
            right = (scores.argmax(-1) == wanted)[wanted >= 0].float().mean()
            print(f"step {step}: loss {loss:.4f}, {right:.2%} of the characters right")
    return model.eval()


def main():
    """Train, and write the weights with torch's answers for a few lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("tagger.pt"))
    options = parser.parse_args()
    model = train(options.steps)
    codes, lengths = batch(LINES)
    with torch.inference_mode():
        scores = model(codes, lengths)
    checkpoint = {"model": model.state_dict(), "labels": LABELS, "lines": LINES, "scores": scores}
    torch.save(checkpoint, options.output)


if __name__ == "__main__":
    main()
