"""One file for each model; :data:`gallery.entries.NAMES` has them in the order of the table."""
