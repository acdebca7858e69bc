"""Makes the table of csrc/core/gelu.c: erf on intervals of 1/2, as polynomials around the middles.

Run as ``python tests/c/gelu_coefficients.py`` (needs mpmath). Each is Chebyshev's interpolation in
40-digit arithmetic; the largest error over all intervals is printed behind the table.
"""

from __future__ import annotations

from mpmath import cos, erf, lu_solve, matrix, mp, mpf, nstr, pi

mp.dps = 40
INTERVALS, WIDTH, TERMS = 12, mpf(1) / 2, 14


def polynomial(middle: mpf) -> list[mpf]:
    """Coefficients of erf(middle + t), |t| <= WIDTH / 2, lowest order first."""
    nodes = [cos(pi * (2 * j + 1) / (2 * TERMS)) * WIDTH / 2 for j in range(TERMS)]
    system = matrix(TERMS, TERMS)
    for i, node in enumerate(nodes):
        for j in range(TERMS):
            system[i, j] = node**j
    return list(lu_solve(system, matrix([erf(middle + node) for node in nodes])))


def main() -> None:
    """Print the rows of the table."""
    worst = mpf(0)
    for interval in range(INTERVALS):
        middle = (interval + mpf(1) / 2) * WIDTH
        rounded = [float(c) for c in polynomial(middle)]
        print("    {" + ", ".join(c.hex() for c in rounded) + "},")
        for step in range(201):
            t = (mpf(step) / 200 - mpf(1) / 2) * WIDTH
            value = sum(mpf(c) * t**k for k, c in enumerate(rounded))
            worst = max(worst, abs(value - erf(middle + t)))
    print(f"/* largest error before rounding: {nstr(worst, 3)} */")


if __name__ == "__main__":
    main()
