"""Print the hashes of every recorded case at the SIMD level in use, as ``hashes.txt`` has them."""

from . import recorded_hashes
from .cases import hash_of

for name in recorded_hashes():
    print(name, hash_of(name), flush=True)
