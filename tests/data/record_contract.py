"""Records the hashes of the numeric contract: writes pylstm/contract/hashes.txt.

Run: python tests/data/record_contract.py
Only when a new minor version changes bits on purpose, with a line in CHANGELOG.md. The hashes
must already be equal at every SIMD level (tests/test_contract_levels.py).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from contract_cases import names

from pylstm import contract
from pylstm.contract.cases import hash_of

if __name__ == "__main__":
    lines = [f"{name} {hash_of(name)}\n" for name in names()]
    Path(contract.__file__).with_name("hashes.txt").write_text("".join(lines), encoding="ascii")
    print(f"hashes.txt: {len(lines)} hashes")
