"""Writing weight files: ``save``, the formats that it writes, and files complete or not at all."""
