"""The panel and Slicer's views for a picture: sections opened and scrolled to, views rendered (no tests here)."""

from pathlib import Path
from typing import Any

from PIL import Image

from slicer_host import screenshot, wait_until
from slicer_host.pythonqt import backing_of
from slicer_panel import settle

SECONDS = 600  # at most, for the worker
_MARGIN = 8  # pixels


def press(widget: Any, name: str) -> None:
    """Clicks a button of the module's panel, and waits until nothing is going on any more."""
    button = getattr(widget.ui, name)
    if not button.enabled:
        raise RuntimeError(f"{name} is disabled")
    button.click()
    wait_until_done(widget)


def wait_until_done(widget: Any) -> None:
    """Waits for the worker, and for what follows in turns of the event loop."""
    wait_until(lambda: not widget.logic.is_busy, SECONDS)
    settle()


def open_sections(ui: Any, *names: str) -> None:
    """Opens these sections of the panel and closes all others; the first one is scrolled to."""
    for name, section in vars(ui).items():
        if name.endswith("Section"):
            section.collapsed = name not in names
    settle()
    first = backing_of(getattr(ui, names[0]))
    area = first
    while not hasattr(area, "verticalScrollBar"):
        area = area.parentWidget()
    top = first.mapTo(area.widget(), first.rect().topLeft()).y()
    area.verticalScrollBar().setValue(top - _MARGIN)
    settle()


def render_views() -> None:
    """Renders all views that show: the host renders nothing unless asked."""
    import slicer

    manager = slicer.app.layoutManager()
    views = [manager.sliceWidget(name).sliceView() for name in manager.sliceViewNames()]
    views += [manager.threeDWidget(number).threeDView() for number in range(manager.threeDViewCount)]
    for view in views:
        if backing_of(view).isVisible():
            view.forceRender()


def picture_of_panel(widget: Any, path: Path) -> Path:
    """The panel down to its last section, as a PNG."""
    screenshot(widget.parent, path)
    panel, last = backing_of(widget.parent), backing_of(widget.ui.readerStudySection)
    bottom = last.mapTo(panel, last.rect().bottomLeft()).y() + _MARGIN
    return _keep(Image.open(path).crop((0, 0, panel.width(), min(bottom, panel.height()))), path)


def picture_of_window(path: Path, scale: int = 1) -> Path:
    """The main window with panel and views, as a PNG of ``scale`` device pixels a pixel."""
    import slicer

    render_views()
    screenshot(slicer.util.mainWindow(), path, scale)
    return _keep(Image.open(path), path)


def _keep(picture: Image.Image, path: Path) -> Path:
    """256 colours are enough for grey slices and a panel, and a quarter of the bytes."""
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    return path
