"""Variants of LSTM and GRU for the float64 reference: what weight files hold beside torch's cells.

Like `reference`, plain NumPy that imports neither pylstm nor torch.
"""

import numpy as np
import reference

GATE_ACTIVATIONS = {
    "sigmoid": reference.sigmoid,
    "hard_sigmoid": lambda x: np.clip(x / 5 + 0.5, 0.0, 1.0),
    "hard_sigmoid3": lambda x: np.clip(x / 6 + 0.5, 0.0, 1.0),
}
ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": reference.relu,
    "softsign": lambda x: x / (1.0 + np.abs(x)),
    "linear": lambda x: x,
}


def lstm_step(*, peepholes=False, gate_activation="sigmoid", activation="tanh", cell_clip=None):
    """One step of such an LSTM, as reference.lstm_step."""
    gate, act = GATE_ACTIVATIONS[gate_activation], ACTIVATIONS[activation]

    def step(x, states, weights, seen=None):
        h, c = states
        total = x @ weights["weight_ih"].T + h @ weights["weight_hh"].T
        if weights.get("bias_ih") is not None:
            total = total + weights["bias_ih"] + weights["bias_hh"]
        i, f, g, o = np.split(total, 4, axis=-1)
        if peepholes:
            i, f = i + weights["weight_pi"] * c, f + weights["weight_pf"] * c
        i, f, g = gate(i), gate(f), act(g)
        c = f * c + i * g
        if cell_clip is not None:
            c = np.clip(c, -cell_clip, cell_clip)
        if peepholes:
            o = o + weights["weight_po"] * c
        o = gate(o)
        h = o * act(c)
        reference.note(seen, i=i, f=f, g=g, o=o, c=c, h=h)
        return (h @ weights["weight_hr"].T if "weight_hr" in weights else h), c

    return step


def gru_step(*, reset_after=True, gate_activation="sigmoid", activation="tanh"):
    """One step of such a GRU, as reference.gru_step."""
    gate, act = GATE_ACTIVATIONS[gate_activation], ACTIVATIONS[activation]

    def step(x, states, weights, seen=None):
        (h,) = states
        w_r, w_z, w_n = np.split(weights["weight_hh"], 3)
        zeros = np.zeros(len(weights["weight_hh"]))
        r_x, z_x, n_x = np.split(x @ weights["weight_ih"].T + weights.get("bias_ih", zeros), 3, -1)
        b_r, b_z, b_n = np.split(weights.get("bias_hh", zeros), 3)
        r, z = gate(r_x + h @ w_r.T + b_r), gate(z_x + h @ w_z.T + b_z)
        n = act(n_x + (r * (h @ w_n.T + b_n) if reset_after else (r * h) @ w_n.T + b_n))
        h = (1.0 - z) * n + z * h
        reference.note(seen, r=r, z=z, n=n, h=h)
        return (h,)

    return step


def kind_with(kind, variant):
    """A name for reference.KINDS of the kind with these options, reverse not among them."""
    name = " ".join([kind, *(f"{option}={value}" for option, value in sorted(variant.items()))])
    make = {"LSTM": lstm_step, "GRU": gru_step}[kind]
    plain = reference.KINDS[kind]
    entry = reference.Kind(plain.gates, plain.states, make(**variant), plain.traced)
    reference.KINDS.setdefault(name, entry)
    return name
