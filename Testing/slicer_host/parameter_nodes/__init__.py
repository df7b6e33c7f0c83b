"""`slicer.parameterNodeWrapper`: typed access to a node of the scene that keeps a module's settings.

Slicer's own package of this name, with the part of its documented interface that is used: the decorator, the validators,
`connectGui` and what goes with it. Kept in the MRML node itself, so that a saved scene restores it.
"""

from slicer_host.parameter_nodes.serializers import FloatRange
from slicer_host.parameter_nodes.validators import (
    Choice,
    Decimals,
    Default,
    Exclude,
    Maximum,
    Minimum,
    RangeBounds,
    SingleStep,
    WithinRange,
)
from slicer_host.parameter_nodes.wrapper import SlicerParameterNamePropertyName, parameterNodeWrapper

__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Exclude",
    "FloatRange",
    "Maximum",
    "Minimum",
    "RangeBounds",
    "SingleStep",
    "SlicerParameterNamePropertyName",
    "WithinRange",
    "parameterNodeWrapper",
]
