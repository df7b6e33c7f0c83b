"""The colours of maps and differences as MRML nodes, the same as in the pictures and reports; saved with the scene."""

from __future__ import annotations

from typing import Any

import numpy as np

from XrayToCTLib.comparison import difference_picture

_STEPS = 256
_OVERLAY, _DIFFERENCE = "XrayToCTOverlay", "XrayToCTDifference"


def overlay_colours(scene: Any) -> Any:
    """A colour node for maps over a CT: nothing at the window's lower end, over red to opaque yellow at the upper."""
    share = np.linspace(0, 1, _STEPS)
    return _table(scene, _OVERLAY, np.column_stack([np.ones_like(share), 0.9 * share, 0.12 * share, share]))


def difference_colours(scene: Any) -> Any:
    """A colour node for signed differences: blue below the window's middle, white in it, red above."""
    colours = difference_picture(np.linspace(-1, 1, _STEPS)[None], limit=1.0)[0] / 255
    return _table(scene, _DIFFERENCE, np.column_stack([colours, np.ones(_STEPS)]))


def _table(scene: Any, tag: str, colours: np.ndarray) -> Any:
    """The scene's own table under this tag, with ``colours`` (steps, 4) as red, green, blue and opacity in [0, 1]."""
    import slicer

    node = scene.GetSingletonNode(tag, "vtkMRMLColorTableNode")
    if node is not None:
        return node
    node = slicer.vtkMRMLColorTableNode()
    node.SetTypeToUser()
    node.SetName(tag)
    node.SetSingletonTag(tag)
    node.SetHideFromEditors(True)
    node.SetNumberOfColors(len(colours))
    for index, colour in enumerate(colours.tolist()):
        node.SetColor(index, f"{index}", *colour)
    return scene.AddNode(node)
