#!/usr/bin/env bash
# A dictionary through skops.io.dumps and loads: the key False comes back as True, of the keys 1 and
# "1" one is lost together with its value and the other one's value is under the wrong key, and a
# dictionary with the key None is written without an error and cannot be read.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'skops==0.16.0' 'numpy>=2,<2.5'

cd "$folder"
cat > show.py <<'PYTHON'
import skops
import skops.io

print("skops", skops.__version__)


def again(value):
    content = skops.io.dumps(value)
    try:
        return skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


told = [again(value) for value in ({False: "x"}, {1: "one", "1": "text"}, {None: "x"})]
for value, back in zip(({False: "x"}, {1: "one", "1": "text"}, {None: "x"}), told):
    print(value, "->", back)
assert told[0] == {True: "x"}
assert told[1] == {1: "text"}
assert isinstance(told[2], str) and "NoneType" in told[2]
PYTHON
"$folder/venv/bin/python" show.py
