"""Headless training package of XrayToCT: simulation, data and fitting. Never imported by ``XrayToCTLib``."""
