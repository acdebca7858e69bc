"""The demo: ``python -m pylstm demo``.

First the examples of a PyTorch LSTM tutorial, then real work: an LSTM trained with torch
reads handwritten digits, and gives torch's recorded answers without torch.
"""

from pylstm.demo import digits, tutorial


def run() -> bool:
    """Run both parts and print what they do.

    Returns
    -------
    bool
        Whether everything came out as it should.
    """
    tutorial_fine = tutorial.run()
    print()
    return digits.run() and tutorial_fine
