#!/usr/bin/env bash
# flax's RNN has seq_lengths: what lies beyond is padding, the documentation says, and is ignored. For a
# sequence of length 0 the returned carry is not the initial one but that after all steps of padding
# (the index length - 1 is -1, the last step). For the other lengths the carry is right, and the outputs
# beyond a length are not 0 but computed from the padding. flax.linen and flax.nnx do the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet flax==0.12.8 jax==0.10.2 'numpy>=2,<2.5'
cat > "$folder/check.py" <<'PYTHON'
import flax
import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

x = jax.random.normal(jax.random.key(0), (3, 5, 2))  # (batch, steps, features)
lengths = jnp.array([0, 3, 5])


def by_linen(x, initial=None, **options):
    rnn = linen.RNN(linen.LSTMCell(4), return_carry=True)
    weights = rnn.init(jax.random.key(1), x)
    return rnn.apply(weights, x, initial_carry=initial, **options)


def by_nnx(x, initial=None, **options):
    rnn = nnx.RNN(nnx.LSTMCell(2, 4, rngs=nnx.Rngs(1)), return_carry=True)
    return rnn(x, initial_carry=initial, **options)


print("flax", flax.__version__, "jax", jax.__version__)
checks = {}
for name, run in (("linen", by_linen), ("nnx", by_nnx)):
    initial = (jnp.full((3, 4), 0.25), jnp.full((3, 4), 0.5))  # (c, h)
    (_, h), y = run(x, initial, seq_lengths=lengths)
    (_, h_whole), _ = run(x, initial)
    first = tuple(state[1:2] for state in initial)
    (_, h_alone), y_alone = run(x[1:2, :3], first)
    other = x.at[:2, 3:].add(1)
    (_, h_other), _ = run(other, initial, seq_lengths=lengths)
    print(f"{name}: length 0, h before {initial[1][0]}, after {np.array(h[0]).round(3)}")
    checks |= {
        f"{name}: length 3 has the carry of the sequence alone": np.allclose(h[1], h_alone[0], atol=1e-6),
        f"{name}: length 0 does not keep the initial carry": not np.allclose(h[0], 0.5, atol=0.01),
        f"{name}: it has the carry of all steps of padding": np.allclose(h[0], h_whole[0], atol=1e-6),
        f"{name}: other padding gives another carry": not np.allclose(h[0], h_other[0], atol=1e-3),
        f"{name}: outputs beyond a length are not 0": bool(abs(y[1, 3:]).min() > 0),
    }
for text, holds in checks.items():
    print("yes" if holds else "NO ", text)
raise SystemExit(0 if all(checks.values()) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
