"""One module a command: ``add_arguments`` describes its options, ``run`` does it."""
