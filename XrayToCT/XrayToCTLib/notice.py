"""The notice in Slicer's views and in every picture taken of them.

It is a text actor of its own: Slicer's corner annotations, which would be the usual place, can be turned off in the
settings. No setting reaches this one, and whatever takes it away, it is back before the next frame is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from XrayToCTLib.marking import SYNTHETIC_NOTICE

_NAME = "XrayToCT.Notice"
# Who says whether the notice is needed in a render window, and what it says, by the window's address. Nothing may hang
# on Python's object of the window: a view of Slicer keeps the window, but not that object, which is made anew each time
# one asks for it.
_looked_after: dict[str, tuple[Callable[[], bool], str]] = {}
_COLOUR, _BACKGROUND = (1.0, 0.84, 0.4), (0.0, 0.0, 0.0)
# In the middle of the view's upper edge (Slicer's own texts keep to the corners), at most this share of the view's
# width and height, in pixels between these. A bold capital of this font is about so many times as wide as it is high.
_TOP, _WIDTH, _HEIGHT, _PIXELS, _ASPECT = 0.985, 0.9, 0.04, (7, 28), 0.68


def add_notice(renderer: Any, notice: str = SYNTHETIC_NOTICE) -> Any:
    """Put the notice into a vtkRenderer, once: where it is, it is only made readable again. Returns the actor."""
    import vtk

    actor = notice_of(renderer)
    if actor is None:
        actor = vtk.vtkTextActor()
        actor.SetObjectName(_NAME)
        renderer.AddViewProp(actor)
    _style(actor, renderer, notice)
    return actor


def notice_of(renderer: Any) -> Any | None:
    """The notice's actor in a vtkRenderer, or None."""
    props = renderer.GetViewProps()
    actors = (props.GetItemAsObject(number) for number in range(props.GetNumberOfItems()))
    return next((actor for actor in actors if actor.GetObjectName() == _NAME), None)


def keep_notice(
    render_window: Any, is_needed: Callable[[], bool] = lambda: True, notice: str = SYNTHETIC_NOTICE
) -> None:
    """Put the notice into a vtkRenderWindow, and see to it before every frame that it is there.

    It may be called for all views after every change of the layout: a window is looked after once.

    Args:
        is_needed: asked before every frame. A real CT must not be called synthetic: where it says no, the notice is
            taken away.
        notice: what it says. A window that bears another than `marking.SYNTHETIC_NOTICE` keeps it: the views of a
            reader study must not tell whether a case is synthetic.
    """
    address = render_window.__this__
    known = _looked_after.get(address)
    if known is None:
        render_window.AddObserver("StartEvent", _before_frame)
        # Another window may get the same address.
        render_window.AddObserver("DeleteEvent", lambda *_, forget=_looked_after.pop: forget(address, None))
    if known is None or notice != SYNTHETIC_NOTICE or known[1] == SYNTHETIC_NOTICE:
        _looked_after[address] = is_needed, notice
    _before_frame(render_window)


def _before_frame(render_window: Any, event: str = "") -> None:
    renderer = render_window.GetRenderers().GetFirstRenderer()  # the layout of a slice view may have replaced it
    if renderer is None:
        return
    is_needed, notice = _looked_after[render_window.__this__]
    if is_needed():
        add_notice(renderer, notice)
    elif (actor := notice_of(renderer)) is not None:
        renderer.RemoveViewProp(actor)


def _style(actor: Any, renderer: Any, notice: str) -> None:
    """Everything that makes the notice readable, each time: somebody may have changed it, or the view's size."""
    if actor.GetInput() != notice:
        actor.SetInput(notice)
    actor.SetTextScaleModeToNone()
    corner = actor.GetPositionCoordinate()
    corner.SetCoordinateSystemToNormalizedViewport()
    corner.SetValue(0.5, _TOP)
    actor.SetOrientation(0)
    actor.GetProperty().SetOpacity(1.0)
    actor.GetProperty().SetDisplayLocationToForeground()
    text = actor.GetTextProperty()
    text.SetFontSize(_font_size(renderer, notice))
    text.SetFontFamilyToArial()
    text.BoldOn()
    text.SetColor(*_COLOUR)
    text.SetOpacity(1.0)
    text.SetBackgroundColor(*_BACKGROUND)
    text.SetBackgroundOpacity(0.6)
    text.SetJustificationToCentered()
    text.SetVerticalJustificationToTop()
    actor.VisibilityOn()


def _font_size(renderer: Any, notice: str) -> int:
    """In points, as large as the view allows without cutting the notice off."""
    width, height = renderer.GetSize()
    window = renderer.GetRenderWindow()
    pixels_a_point = 1.0 if window is None else window.GetDPI() / 72
    pixels = min(_WIDTH * width / (_ASPECT * len(notice)), _HEIGHT * height)
    smallest, largest = (limit * pixels_a_point for limit in _PIXELS)
    return max(1, int(max(smallest, min(largest, pixels)) / pixels_a_point))
