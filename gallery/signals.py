"""Inputs that need no recording: a voice of harmonics and formants, and noise."""

from __future__ import annotations

import numpy as np

from gallery.entries import Array

VOWELS = ((700, 1200, 2600), (300, 2300, 3000), (400, 800, 2500), (550, 1800, 2500))


def voice(seconds: float, rate: int, seed: int = 0) -> Array:
    """Make syllables of a tone with harmonics, in groups between pauses of noise, float32.

    The pitch glides, and each syllable has the formants of one vowel.
    """
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    syllable = (time / 0.18).astype(int)
    formants = np.array(VOWELS)[rng.integers(len(VOWELS), size=syllable[-1] + 1)][syllable]
    pitch = 120 + 25 * np.sin(2 * np.pi * 0.4 * time) + 10 * np.sin(2 * np.pi * 2.1 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    sound = np.zeros_like(time)
    for harmonic in range(1, int(3800 / 155)):
        distance = (harmonic * pitch[:, None] - formants) / (60 + 0.06 * formants)
        gain = (1 / (1 + distance**2)).sum(1) / harmonic**0.3
        sound += gain * np.sin(harmonic * phase)
    loudness = np.sin(np.pi * (time / 0.18 % 1)) ** 0.5 * (time % 3.0 < 1.8)
    return (0.1 * loudness * sound + rng.normal(0, 0.003, time.shape)).astype(np.float32)
