"""From the tree of a weight file to modules: what is found in it, inferred from it, built of it."""
