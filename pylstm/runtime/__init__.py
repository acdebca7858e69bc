"""The build in its process: parts, generator, threads, and why an import of it failed."""
