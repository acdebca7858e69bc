"""What belongs to the process: the generator, threads, ``show_config``, why an import failed."""
