"""Train the model of gates_over_a_year.py with torch.

    python examples/train_catchment.py [--steps 2000] [--output examples/catchment.pt]

Needs torch; takes about two minutes on one core. The data are made up: the weather of every day,
and a catchment with two stores. Snow lies until it is warm; soil water feeds the river and the
plants. The network sees rain and temperature and learns the flow of the river; it never sees the
stores.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

HIDDEN, SEED, YEAR, WARM_UP = 16, 2026, 365, 180
OCTOBER = 273  # the day of the year on which a hydrological year begins


class Catchment(torch.nn.Module):
    """Rain and temperature of every day to the flow of the river on that day."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(2, HIDDEN)
        self.head = torch.nn.Linear(HIDDEN, 1)

    def forward(self, weather, states=None):
        """Return flows (L, N, 1) and states of a weather (L, N, 2)."""
        output, states = self.lstm(weather, states)
        return self.head(output), states


def weather_of(rng, days, places, first_day):
    """Return rain in mm and temperature in degrees Celsius, each (days, places)."""
    day = np.arange(days)[:, None] + first_day
    season = 7 - 11 * np.cos(2 * np.pi * (day - 15) / YEAR)
    rain, temperature = np.zeros((2, days, places))
    anomaly, wet = np.zeros(places), np.zeros(places, bool)
    for today in range(days):
        anomaly = 0.8 * anomaly + 2.0 * rng.standard_normal(places)
        wet = rng.random(places) < np.where(wet, 0.6, 0.25)
        temperature[today] = season[today] + anomaly
        rain[today] = np.where(wet, rng.exponential(7.0, places), 0.0)
    return rain, temperature


def flow_of(rain, temperature):
    """Return flow, snow and soil water in mm, each (days, places), of a catchment's weather."""
    snow, soil = np.zeros(rain.shape[1]), np.full(rain.shape[1], 80.0)
    flows, snows, soils = [], [], []
    for falls, warmth in zip(rain, temperature, strict=True):
        melt = np.minimum(snow, 2.5 * np.maximum(warmth, 0))
        snow = snow - melt + np.where(warmth < 0, falls, 0)
        soil = soil + melt + np.where(warmth < 0, 0, falls)
        plants = 0.2 * np.maximum(warmth, 0) * np.minimum(soil / 80, 1)
        flow = 0.02 * soil + 0.3 * np.maximum(soil - 120, 0)
        soil = np.maximum(soil - plants - flow, 0)
        flows.append(flow), snows.append(snow), soils.append(soil)
    return np.stack(flows), np.stack(snows), np.stack(soils)


def samples(rng, days, places, first_day):
    """Return what the network reads, (days, places, 2), and flow, snow and soil water."""
    rain, temperature = weather_of(rng, days, places, first_day)
    read = np.stack([rain / 10, temperature / 10], axis=-1)
    arrays = [read, *flow_of(rain, temperature)]
    return [torch.from_numpy(array.astype(np.float32)) for array in arrays]


def train(steps):
    """Return a Catchment that has seen ``steps`` batches of a year, each after half a year."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    model = Catchment()
    with torch.no_grad():
        model.lstm.bias_ih_l0[HIDDEN : 2 * HIDDEN] = 3.0  # forget gates begin open
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(1, steps + 1):
        read, flow, _, _ = samples(rng, WARM_UP + YEAR, 24, int(rng.integers(YEAR)))
        expected, _ = model(read)
        loss = torch.nn.functional.mse_loss(expected[WARM_UP:, :, 0], flow[WARM_UP:])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == steps:
            print(f"step {step}: error {loss.sqrt():.3f} mm (the flow varies by {flow.std():.2f})")
    return model.eval()


def main():
    """Train; write the weights, two years of weather, the second year's stores, torch's flow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("catchment.pt"))
    options = parser.parse_args()
    model = train(options.steps)
    arrays = samples(np.random.default_rng(SEED + 1), 2 * YEAR, 1, OCTOBER)
    with torch.inference_mode():
        expected, _ = model(arrays[0])
    names = ("weather", "flow", "snow", "soil", "torch_flow")
    two_years = dict(zip(names, [*arrays, expected[..., 0]], strict=True))
    checkpoint = {name: array[:, 0].clone() for name, array in two_years.items()}
    torch.save({"model": model.state_dict(), **checkpoint}, options.output)


if __name__ == "__main__":
    main()
