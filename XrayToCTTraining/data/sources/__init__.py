"""Readers of public data sets: each lists what a folder holds, and says what it leaves out and why."""
