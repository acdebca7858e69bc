"""Train the network of the digits demo, and record what torch answers.

Not needed to run the demo. It needs torch and scikit-learn, takes under a minute on one
core, and writes the two data files beside itself:

    python -m pylstm.demo.train

``digits_weights.pt``
    The network's state_dict (``lstm.weight_ih_l0``, ..., ``head.bias``), as ``torch.save``
    writes it.
``digits_heldout.npz``
    The images that training never saw, their labels, and torch's logits for them.

The images are scikit-learn's bundled copy of E. Alpaydin and C. Kaynak, "Optical
Recognition of Handwritten Digits", UCI Machine Learning Repository (CC BY 4.0): 8x8 pixels
with values 0 to 16.
"""

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

HELD_OUT = 400
HIDDEN_SIZE = 32
EPOCHS = 80
BATCH = 64
SEED = 2026

# A recorded answer is only worth comparing with where rounding cannot change the class:
# the best logit leads by far more than the 1e-5 that two float32 libraries may differ by.
SMALLEST_LEAD = 1e-3


class DigitReader(torch.nn.Module):
    """An LSTM that reads an image row by row, then one linear layer."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(8, HIDDEN_SIZE, batch_first=True)
        self.head = torch.nn.Linear(HIDDEN_SIZE, 10)

    def forward(self, images):
        """Logits [N, 10] of images [N, 8, 8]."""
        _, (h_n, _) = self.lstm(images)
        return self.head(h_n[-1])


def split_digits():
    """Return images [1797, 8, 8] uint8 and labels, shuffled, as (training, held-out)."""
    digits = load_digits()
    order = np.random.default_rng(SEED).permutation(len(digits.target))
    images = digits.images[order].astype(np.uint8)
    labels = digits.target[order].astype(np.uint8)
    return (images[HELD_OUT:], labels[HELD_OUT:]), (images[:HELD_OUT], labels[:HELD_OUT])


def to_input(images):
    """Scale pixels 0..16 to float32 in [0, 1]."""
    return torch.from_numpy(images.astype(np.float32) / 16)


def train(images, labels):
    """Return a DigitReader trained on images [N, 8, 8]; the same one on every run."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    model = DigitReader()
    x, y = to_input(images), torch.from_numpy(labels.astype(np.int64))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-2)
    batches = -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1e-2, total_steps=EPOCHS * batches
    )
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            loss = torch.nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def main():
    """Train, check, and write the two data files."""
    training, (images, labels) = split_digits()
    model = train(*training)
    with torch.inference_mode():
        logits = model(to_input(images)).numpy()

    accuracy = np.mean(logits.argmax(axis=1) == labels)
    ranked = np.sort(logits, axis=1)
    lead = np.min(ranked[:, -1] - ranked[:, -2])
    print(f"held-out accuracy {accuracy:.2%}, smallest lead of the best logit {lead:.4f}")
    if accuracy < 0.97 or lead < SMALLEST_LEAD:
        raise SystemExit("not good enough to ship")

    folder = Path(__file__).parent
    torch.save(model.state_dict(), folder / "digits_weights.pt")
    np.savez_compressed(
        folder / "digits_heldout.npz", images=images, labels=labels, torch_logits=logits
    )


if __name__ == "__main__":
    main()
