"""Simulated chests: labelled CT volumes whose truth is known."""
