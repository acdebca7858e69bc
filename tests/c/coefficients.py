"""Makes the polynomial coefficients of csrc/simd/math_template.h.

Run as ``python tests/c/coefficients.py`` (needs mpmath). Each polynomial is a minimax fit
(Lawson's iteration in 60-digit arithmetic) of a weighted error; coefficients are rounded to the
dtype one after the other, lowest order first, and the rest is fitted again after each
rounding, so that a rounded coefficient is made good by its successors.
"""

from __future__ import annotations

from collections.abc import Callable

from mpmath import cos, exp, log, lu_solve, matrix, mp, mpf, pi, tanh

mp.dps = 60
Function = Callable[[mpf], mpf]


def minimax(
    target: Function, weight: Function, powers: list[int], low: mpf, high: mpf
) -> list[mpf]:
    """Coefficients of sum(c_k x**k) whose largest |weight * (sum - target)| is near the least.

    Lawson's iteration: least squares, each point's share then multiplied by its error. Unlike an
    exchange it needs no alternation, which powers without a constant term do not have around 0.
    """
    count = 12 * len(powers) + 40
    points = [
        low + (high - low) * (1 - cos(pi * (j + mpf(1) / 3) / count)) / 2 for j in range(count)
    ]
    rows = [[weight(x) * x**p for p in powers] for x in points]
    goals = [weight(x) * target(x) for x in points]
    shares = [mpf(1) / count] * count
    best: tuple[mpf, list[mpf]] | None = None
    for _ in range(40):
        size = len(powers)
        system = matrix(size, size)
        right = matrix(size, 1)
        for share, row, goal in zip(shares, rows, goals, strict=True):
            for i in range(size):
                right[i] += share * row[i] * goal
                for j in range(i, size):
                    system[i, j] += share * row[i] * row[j]
        for i in range(size):
            for j in range(i):
                system[i, j] = system[j, i]
        solution = list(lu_solve(system, right))
        errors = [
            abs(sum(c * r for c, r in zip(solution, row, strict=True)) - goal)
            for row, goal in zip(rows, goals, strict=True)
        ]
        if best is None or max(errors) < best[0]:
            best = max(errors), solution
        shares = [share * e for share, e in zip(shares, errors, strict=True)]
        total = sum(shares)
        shares = [share / total for share in shares]
    return best[1]


def round_to(value: mpf, bits: int) -> mpf:
    """Round to nearest with `bits` of significand."""
    with mp.workprec(bits):
        return +value


def fit(
    target: Function, weight: Function, terms: int, low: mpf, high: mpf, bits: int
) -> list[mpf]:
    """Minimax coefficients c_0..c_{terms-1}, each rounded to `bits`."""
    fixed: list[mpf] = []
    while len(fixed) < terms:
        powers = list(range(len(fixed), terms))

        def rest(x: mpf, done: tuple[mpf, ...] = tuple(fixed)) -> mpf:
            return target(x) - sum(c * x**p for p, c in enumerate(done))

        fixed.append(round_to(minimax(rest, weight, powers, low, high)[0], bits))
    return fixed


def worst(target: Function, weight: Function, coefficients: list[mpf], low: mpf, high: mpf) -> mpf:
    """log2 of the largest weighted error on a fine grid."""
    points = [low + (high - low) * mpf(j) / 3001 for j in range(1, 3001)]
    return log(
        max(
            abs(weight(x) * (sum(c * x**p for p, c in enumerate(coefficients)) - target(x)))
            for x in points
            if x
        ),
        2,
    )


def literal(value: mpf, bits: int) -> str:
    """A C hexadecimal literal."""
    mantissa, exponent = float(value).hex().split("p")
    return mantissa.rstrip("0").rstrip(".") + "p" + exponent + ("F" if bits == 24 else "")


def main() -> None:
    half_ln2 = log(2) / 2 * mpf("1.0001")

    def exp_rest(r: mpf) -> mpf:  # (e^r - 1 - r) / r^2
        return (exp(r) - 1 - r) / r**2 if abs(r) > mpf(10) ** -25 else mpf(1) / 2

    def tanh_rest(u: mpf) -> mpf:  # (tanh(x) - x) / x^3 with u = x^2
        x = u**0.5
        return (tanh(x) - x) / x**3 if u > mpf(10) ** -40 else -mpf(1) / 3

    switch = mpf("0.55")
    for name, bits, exp_terms, tanh_terms in (("float32", 24, 5, 5), ("float64", 53, 10, 11)):
        print(name)
        ln2_high = round_to(log(2), bits)
        for label, value in (
            ("LOG2E", 1 / log(2)),
            ("LN2_HIGH", ln2_high),
            ("LN2_LOW", log(2) - ln2_high),
        ):
            print(f"  {label:10s} {literal(round_to(value, bits), bits)}")
        weight = lambda r: r**2 / exp(r)  # noqa: E731
        found = fit(exp_rest, weight, exp_terms, -half_ln2, half_ln2, bits)
        error = worst(exp_rest, weight, found, -half_ln2, half_ln2)
        print(f"  exp  error 2^{float(error):.1f}")
        print("   ", ", ".join(literal(c, bits) for c in found))
        weight = lambda u: u**1.5 / tanh(u**0.5) if u else mpf(1) / 10**9  # noqa: E731
        found = fit(tanh_rest, weight, tanh_terms, mpf(10) ** -9, switch**2, bits)
        error = worst(tanh_rest, weight, found, mpf(0), switch**2)
        print(f"  tanh error 2^{float(error):.1f}")
        print("   ", ", ".join(literal(c, bits) for c in found))


if __name__ == "__main__":
    main()
