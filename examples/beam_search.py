"""Beam search over a decoder: `select` reorders the states as the hypotheses are reordered.

    python examples/beam_search.py

The decoder is an LSTM that reads the letter before and scores the next one. Its weights are
random, from a seed for which a narrow beam misses the best word, so the words mean nothing. Each
row of a Stream is a hypothesis. After each step the best continuations are chosen, and
`stream.select(parents)` gives each of them the states of the hypothesis that it continues; those
that ended drop out.
"""

import numpy as np

import pylstm as nn

LETTERS = "abcd."  # the last one ends a word
END = len(LETTERS) - 1
LONGEST = 6


class Decoder:
    """Letters to the logarithms of the probabilities of the next letter.

    Parameters
    ----------
    seed : int
        Of the weights. They are larger than those of a new network, for clear preferences.
    """

    def __init__(self, seed=64):
        nn.manual_seed(seed)
        random = np.random.default_rng(seed)
        self.lstm = nn.LSTM(8, 16, num_layers=2, dtype="float64")
        for values in self.lstm.parameters():
            values *= 4
        self.embedding = random.standard_normal((len(LETTERS) + 1, 8))  # the last: no letter yet
        self.head = random.standard_normal((len(LETTERS), 16))

    def start(self):
        """Return what stands in front of a word."""
        return self.embedding[len(LETTERS)]

    def scores(self, output):
        """Return log-probabilities (..., letters) of outputs (..., 16)."""
        logits = 3 * output @ self.head.T
        logits[..., END] -= 4  # long words are wanted
        return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def best(words, count):
    """Return the best of (score, letters, ...), ties in the order of the alphabet."""
    return sorted(words, key=lambda word: (-word[0], word[1]))[:count]


def beam_search(decoder, width):
    """Return the best words of a beam, each (log-probability, letters), and the rows computed."""
    stream = decoder.lstm.stream(batch=1)
    beam = [(0.0, ())]
    letters = decoder.start()[np.newaxis]
    ended, rows = [], 0
    for _ in range(LONGEST):
        scores = decoder.scores(stream(letters))
        rows += len(stream)
        grown = [
            (score + float(scores[row, letter]), (*word, letter), row)
            for row, (score, word) in enumerate(beam)
            for letter in range(len(LETTERS))
        ]
        kept = best(grown, width)
        ended += [(score, word) for score, word, _ in kept if word[-1] == END]
        alive = [word for word in kept if word[1][-1] != END]
        beam = [(score, word) for score, word, _ in alive]
        if not beam:
            break
        stream.select([row for *_, row in alive])
        letters = decoder.embedding[[word[-1] for _, word in beam]]
    return best(ended + beam, width), rows


def score_of(decoder, word):
    """Return the log-probability of a word that is read whole."""
    inputs = np.stack([decoder.start(), *decoder.embedding[list(word[:-1])]])
    scores = decoder.scores(decoder.lstm(inputs)[0])
    return float(scores[np.arange(len(word)), list(word)].sum())


def main():
    """Search with growing beams; compare the scores with those of the words read whole."""
    decoder = Decoder()
    difference = 0.0
    print("width  rows  best word  log-probability")
    for width in (1, 2, 4, 8, 64):
        words, rows = beam_search(decoder, width)
        score, word = words[0]
        difference = max(difference, *(abs(s - score_of(decoder, w)) for s, w in words))
        print(f"{width:5} {rows:5}  {''.join(LETTERS[k] for k in word):9}  {score:.6f}")
    print(f"largest difference to the words read whole: {difference:.1e}")
    return 0 if difference < 1e-12 else 1


if __name__ == "__main__":
    raise SystemExit(main())
