"""Pictures of the panel with the sample's result, all sections open: ``panel_pictures.py FOLDER``.

Testing has to be on PYTHONPATH. The real worker makes the result; light and dark, at 1 and 2 device pixels a pixel, and
the main window with its views.
"""

import sys
from pathlib import Path

from slicer_host import load_module, process_events, screenshot, start, use_theme, wait_until

MODULE = Path(__file__).resolve().parents[2] / "XrayToCT" / "XrayToCT.py"
SECONDS = 600  # at most, for the worker


def main(folder: Path) -> None:
    start()
    import slicer

    widget = load_module(MODULE)
    ui = widget.ui
    for name, child in vars(ui).items():
        if name.endswith("Section"):
            child.collapsed = False
    process_events(0)
    wait_until(lambda: not widget.logic.is_busy, SECONDS)  # the list of models
    for button in (ui.sampleButton, ui.previewButton, ui.applyButton):
        button.click()
        wait_until(lambda: not widget.logic.is_busy, SECONDS)
        process_events(100)
    folder.mkdir(parents=True, exist_ok=True)
    for theme in ("light", "dark"):
        use_theme(theme)
        process_events(50)
        for scale in (1, 2):
            print(screenshot(widget.parent, folder / f"panel-{theme}-{scale}x.png", scale))
    use_theme("light")
    manager = slicer.app.layoutManager()
    for name in manager.sliceViewNames():
        manager.sliceWidget(name).sliceView().forceRender()
    manager.threeDWidget(0).threeDView().forceRender()
    print(screenshot(slicer.util.mainWindow(), folder / "window.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
