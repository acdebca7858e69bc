"""Records the hashes of the numeric contract: writes contract_hashes.txt beside this script.

Run: python tests/data/record_contract.py
Only when a new minor version changes bits on purpose, with a line in CHANGELOG.md. The hashes
must already be equal at every SIMD level (tests/test_contract_levels.py).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from contract_cases import hashes

if __name__ == "__main__":
    lines = [f"{name} {value}\n" for name, value in hashes().items()]
    Path(__file__).with_name("contract_hashes.txt").write_text("".join(lines), encoding="utf-8")
    print(f"contract_hashes.txt: {len(lines)} hashes")
