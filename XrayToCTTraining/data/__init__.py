"""Data sets on disk, in the one format that every training reads."""
