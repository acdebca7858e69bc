"""Train the forecaster of forecast.py with torch.

    python examples/train_forecast.py [--steps 300] [--output examples/forecast.pt]

Needs torch; takes some ten seconds on one core. The data are made up: the hourly demand of a town,
with a daily and a weekly rhythm and noise.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

HIDDEN, SEED, DAY, WEEK = 32, 2026, 24, 168


class Forecaster(torch.nn.Module):
    """The demand of every hour to that of the next one."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(1, HIDDEN)
        self.head = torch.nn.Linear(HIDDEN, 1)

    def forward(self, demand, states=None):
        """Return forecasts (L, N, 1) and states of a demand (L, N, 1)."""
        output, states = self.lstm(demand, states)
        return self.head(output), states


def demand(rng, hours, towns):
    """Return demands (hours, towns, 1), about -1 to 1, that start at random hours of the week."""
    hour = np.arange(hours)[:, None] + rng.integers(WEEK, size=towns)
    daily = np.sin(2 * np.pi * hour / DAY) + 0.4 * np.sin(4 * np.pi * hour / DAY + 1)
    workday = np.where(hour % WEEK < 5 * DAY, 1.0, 0.5)
    noise = 0.05 * rng.standard_normal((hours, towns))
    return torch.from_numpy((0.6 * daily * workday + noise).astype(np.float32)[..., None])


def train(steps):
    """Return a Forecaster that has seen ``steps`` batches of three weeks."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    model = Forecaster()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(1, steps + 1):
        series = demand(rng, 3 * WEEK, 16)
        forecast, _ = model(series[:-1])
        loss = torch.nn.functional.mse_loss(forecast, series[1:])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == steps:
            print(f"step {step}: error {loss.sqrt():.3f} (the noise alone is 0.05)")
    return model.eval()


def roll_out(model, history, hours):
    """Return what torch expects for the hours after a history, fed with its own forecasts."""
    with torch.inference_mode():
        forecasts, states = model(history)
        expected = [forecasts[-1:]]
        for _ in range(hours - 1):
            forecast, states = model(expected[-1], states)
            expected.append(forecast)
    return torch.cat(expected)


def main():
    """Train; write the weights, a history with what followed, and torch's forecast."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("forecast.pt"))
    options = parser.parse_args()
    model = train(options.steps)
    series = demand(np.random.default_rng(SEED + 1), 2 * WEEK + DAY, 1)
    history, future = series[: 2 * WEEK].clone(), series[2 * WEEK :].clone()
    forecast = roll_out(model, history, DAY)
    checkpoint = {"model": model.state_dict(), "history": history, "future": future}
    torch.save({**checkpoint, "forecast": forecast}, options.output)


if __name__ == "__main__":
    main()
