"""Pictures of the panel with the sample's result, all sections open: ``panel_pictures.py FOLDER``.

The real worker makes the result. The panel, and the main window in each layout: light and dark, at 1 and 2 device
pixels a pixel. The follow-up is of one X-ray with itself.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from panel_views import open_sections, picture_of_window, press, wait_until_done
from slicer_host import load_module, process_events, screenshot, use_theme
from slicer_panel import MODULE


def main(folder: Path) -> None:
    widget = load_module(MODULE)
    open_sections(widget.ui, *[name for name in vars(widget.ui) if name.endswith("Section")])
    wait_until_done(widget)  # with the list of models
    for name in ("sampleButton", "previewButton", "applyButton"):
        press(widget, name)
    widget.ui.earlierSelector.setCurrentNode(widget.ui.resultSelector.currentNode())
    press(widget, "applyButton")
    widget.ui.laterSelector.setCurrentNode(widget.ui.resultSelector.currentNode())
    folder.mkdir(parents=True, exist_ok=True)
    for theme in ("light", "dark"):
        use_theme(theme)
        process_events(50)
        for scale in (1, 2):
            print(screenshot(widget.parent, folder / f"panel-{theme}-{scale}x.png", scale))
        for layout in ("read", "compare", "followUp"):
            press(widget, "followUpButton" if layout == "followUp" else f"{layout}LayoutButton")
            for scale in (1, 2):
                print(picture_of_window(folder / f"{layout}-{theme}-{scale}x.png", scale))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
