"""One module a command: ``add_arguments`` describes its options, ``run`` does it."""

import argparse


def positive(text: str) -> int:
    """The type of an option that counts something: a whole number from 1 on."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)
