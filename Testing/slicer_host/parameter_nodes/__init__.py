"""`slicer.parameterNodeWrapper`: typed access to a node of the scene that keeps a module's settings.

The part of the documented interface of Slicer's own package that is used: the decorator, the validators, `connectGui`
and what goes with it. Values are kept in the MRML node itself, so that a saved scene restores them.
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
