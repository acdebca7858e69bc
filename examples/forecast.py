"""Serve what train_forecast.py trained with torch, without torch.

    python examples/forecast.py [examples/forecast.pt]

Reads the file that torch.save wrote, takes in two weeks of hourly demand in one call, and goes on
hour by hour with its own forecasts. The file also holds what torch forecast: the two are compared.
"""

import sys
from pathlib import Path

import numpy as np

import pylstm as nn

WEIGHTS = Path(__file__).with_name("forecast.pt")


class Forecaster(nn.Module):
    """The demand of every hour to that of the next one, as train_forecast.py has it.

    Parameters
    ----------
    weights : mapping
        The state_dict of torch's model.
    """

    def __init__(self, weights):
        super().__init__()
        self.lstm = nn.LSTM.from_weights(weights, "lstm")
        self.register_parameter("weight", weights["head.weight"])
        self.register_parameter("bias", weights["head.bias"])
        self.eval()

    def forward(self, demand, states=None):
        """Return forecasts (L, N, 1) and states of a demand (L, N, 1)."""
        output, states = self.lstm(demand, states)
        return output @ self.weight.T + self.bias, states

    def roll_out(self, history, hours):
        """Return what is expected for the hours after a history."""
        forecasts, states = self(history)
        expected = [forecasts[-1:]]
        for _ in range(hours - 1):
            forecast, states = self(expected[-1], states)
            expected.append(forecast)
        return np.concatenate(expected)


def main(path=WEIGHTS):
    """Forecast a day; print it beside what came, and the difference to torch."""
    checkpoint = nn.load(path)
    model = Forecaster(checkpoint["model"])
    future = checkpoint["future"]
    expected = model.roll_out(checkpoint["history"], len(future))
    print("hour  expected  came    (* expected, o came)")
    for hour, (guess, value) in enumerate(zip(expected.ravel(), future.ravel(), strict=True)):
        line = [" "] * 41
        line[round(20 + 20 * float(np.clip(value, -1, 1)))] = "o"
        line[round(20 + 20 * float(np.clip(guess, -1, 1)))] = "*"
        print(f"{hour:4}  {guess:8.3f}  {value:6.3f}  |{''.join(line)}|")
    error = float(np.sqrt(np.mean((expected - future) ** 2)))
    difference = float(np.abs(expected - checkpoint["forecast"]).max())
    print(f"error of the forecast (*) against what came (o): {error:.3f}")
    print(f"largest difference to torch's forecast: {difference:.1e}")
    return 0 if difference < 1e-4 else 1


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:2]))
