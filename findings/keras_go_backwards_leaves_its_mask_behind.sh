#!/usr/bin/env bash
# A Keras layer with go_backwards=True and return_sequences=True returns its outputs in reversed order,
# but passes the mask on in the order of its input. A second layer then leaves out the wrong steps: of a
# sequence of 3 real steps, padded to 5, the lower layer's real outputs stand at steps 2 to 4, and the
# upper layer reads steps 0 to 2: two zeros and one output. No error and no warning; the same stack
# gives other numbers for the same sequence without padding. Without go_backwards both agree.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'keras==3.15.1' 'torch==2.13.0' 'numpy>=2,<2.5'
cat > "$folder/check.py" <<'PYTHON'
import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(1, 3, 2)).astype("float32")
padded = np.concatenate([x, np.zeros((1, 2, 2), "float32")], axis=1)


def stack(backwards):
    """Masking, and two LSTMs of which the lower one may go backwards."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((None, 2)),
            keras.layers.Masking(),
            keras.layers.LSTM(4, return_sequences=True, go_backwards=backwards),
            keras.layers.LSTM(3),
        ]
    )


print("keras", keras.__version__, "on", keras.backend.backend())
difference = {}
for backwards in (False, True):
    model = stack(backwards)
    alone, whole = (model.predict(each, verbose=0) for each in (x, padded))
    difference[backwards] = abs(alone - whole).max()
    print(f"go_backwards={backwards}: padded and alone differ by {difference[backwards]:.2e}")
masking, lower, upper = stack(True).layers
outputs = keras.ops.convert_to_numpy(lower(masking(padded)))[0]
real = [bool(row.any()) for row in outputs]
mask = lower.compute_mask(padded, masking.compute_mask(padded))
mask = [bool(value) for value in keras.ops.convert_to_numpy(mask)[0]]
print("steps with an output:", real)
print("mask passed on:      ", mask)
checks = {
    "without go_backwards, padding changes nothing": difference[False] < 1e-6,
    "with go_backwards, padding changes the result": difference[True] > 1e-3,
    "the outputs are reversed": real == [False, False, True, True, True],
    "the mask is not": mask == [True, True, True, False, False],
}
for text, holds in checks.items():
    print("yes" if holds else "NO ", text)
raise SystemExit(0 if all(checks.values()) else 1)
PYTHON
KERAS_BACKEND=torch "$folder/venv/bin/python" "$folder/check.py"
