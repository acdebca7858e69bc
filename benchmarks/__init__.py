"""Side-by-side measurements of pylstm and its peers: ``python -m benchmarks.peers``.

Nothing here is installed with the package, and no figure is an absolute time: every claim is a
ratio between two things timed in the same rounds of the same process on the same core.
"""
