"""The notice in Slicer's views and in every picture taken of them.

It is a text actor of its own: Slicer's corner annotations, which would be the usual place, can be turned off in the
settings. No setting reaches this one, and whatever takes it away, it is back before the next frame is drawn.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from XrayToCTLib.marking import SYNTHETIC_NOTICE

_NAME = "XrayToCT.Notice"
_kept: WeakKeyDictionary[Any, str] = WeakKeyDictionary()  # the notice by render window
_COLOUR, _BACKGROUND = (1.0, 0.84, 0.4), (0.0, 0.0, 0.0)
# Along the view's upper edge, as shares of its width and height. Slicer's own texts keep to the corners.
_LEFT, _BOTTOM, _WIDTH, _HEIGHT = 0.15, 0.93, 0.7, 0.055


def add_notice(renderer: Any, notice: str = SYNTHETIC_NOTICE) -> Any:
    """Put the notice into a vtkRenderer, once: where it is, it is only made readable again. Returns the actor."""
    import vtk

    actor = notice_of(renderer)
    if actor is None:
        actor = vtk.vtkTextActor()
        actor.SetObjectName(_NAME)
        renderer.AddViewProp(actor)
    _style(actor, notice)
    return actor


def notice_of(renderer: Any) -> Any | None:
    """The notice's actor in a vtkRenderer, or None."""
    props = renderer.GetViewProps()
    actors = (props.GetItemAsObject(number) for number in range(props.GetNumberOfItems()))
    return next((actor for actor in actors if actor.GetObjectName() == _NAME), None)


def keep_notice(render_window: Any, notice: str | None = None) -> None:
    """Put the notice into a vtkRenderWindow, and see to it before every frame that it is there.

    It may be called for all views after every change of the layout: a window is looked after once.

    Args:
        notice: what it says; None leaves it as it is, and says `marking.SYNTHETIC_NOTICE` where there was none. The
            views of a reader study must not tell whether a case is synthetic.
    """
    if render_window not in _kept:
        render_window.AddObserver("StartEvent", _before_frame)
    _kept[render_window] = notice or _kept.get(render_window, SYNTHETIC_NOTICE)
    _before_frame(render_window)


def _before_frame(render_window: Any, event: str = "") -> None:
    renderer = render_window.GetRenderers().GetFirstRenderer()  # the layout of a slice view may have replaced it
    if renderer is not None:
        add_notice(renderer, _kept.get(render_window, SYNTHETIC_NOTICE))


def _style(actor: Any, notice: str) -> None:
    """Everything that makes the notice readable, each time: somebody may have changed it."""
    if actor.GetInput() != notice:
        actor.SetInput(notice)
    actor.SetTextScaleModeToProp()  # as large as its box allows, so that it is never cut off
    corner, opposite = actor.GetPositionCoordinate(), actor.GetPosition2Coordinate()
    corner.SetCoordinateSystemToNormalizedViewport()
    corner.SetValue(_LEFT, _BOTTOM)
    opposite.SetCoordinateSystemToNormalizedViewport()
    opposite.SetValue(_WIDTH, _HEIGHT)
    text = actor.GetTextProperty()
    text.SetFontFamilyToArial()
    text.BoldOn()
    text.SetColor(*_COLOUR)
    text.SetOpacity(1.0)
    text.SetBackgroundColor(*_BACKGROUND)
    text.SetBackgroundOpacity(0.6)
    text.SetJustificationToCentered()
    text.SetVerticalJustificationToCentered()
    actor.VisibilityOn()
