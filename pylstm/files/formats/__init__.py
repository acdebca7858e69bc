"""One reader for each format of weight files, imported when a file needs it."""
