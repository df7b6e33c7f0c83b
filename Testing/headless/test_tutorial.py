"""The tutorial of the Slicer module shows pictures that exist and speaks of controls that exist."""

import re
from pathlib import Path
from xml.etree import ElementTree

from conftest import REPOSITORY

TUTORIAL = REPOSITORY / "docs" / "tutorial.md"
MODULE = REPOSITORY / "XrayToCT"
LARGEST_BYTES = 250_000


def words_of_the_panel() -> set[str]:
    """What the .ui files say on controls, labels and sections; colons and the dots of a question to come left out."""
    said = set()
    for path in (MODULE / "Resources" / "UI").glob("*.ui"):
        for shown in ElementTree.parse(path).iterfind(".//property[@name='text']/string"):
            said.add(shown.text or "")
        for title in ElementTree.parse(path).iterfind(".//property[@name='title']/string"):
            said.add(title.text or "")
    return {words.rstrip(":") for words in said} - {""}


def words_of_the_code() -> set[str]:
    """Text in quotation marks in the module's file and its sections: choices, and what a button becomes."""
    sources = [MODULE / "XrayToCT.py", *(MODULE / "XrayToCTLib" / "panel").glob("*.py")]
    return {words for path in sources for words in re.findall(r'"([^"\n]+)"', path.read_text(encoding="utf-8"))}


def quoted(text: str) -> set[str]:
    """What stands between single asterisks."""
    return {" ".join(words.split()) for words in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", text)}


def test_the_tutorial_speaks_of_controls_that_the_panel_has():
    told = quoted(TUTORIAL.read_text(encoding="utf-8"))
    of_the_panel = words_of_the_panel()
    assert len(told & of_the_panel) > 30
    assert told <= of_the_panel | words_of_the_code()


def test_the_tutorial_goes_through_every_section_of_the_panel():
    tree = ElementTree.parse(MODULE / "Resources" / "UI" / "XrayToCT.ui")
    sections = [
        widget.findtext("property[@name='text']/string")
        for widget in tree.iterfind(".//widget[@class='ctkCollapsibleButton']")
    ]
    steps = re.findall(r"^## \d\. (.+)$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE)
    assert steps == sections


def test_the_tutorial_shows_every_picture_of_its_folder_and_no_other():
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", TUTORIAL.read_text(encoding="utf-8"))
    made = sorted(path.relative_to(TUTORIAL.parent).as_posix() for path in (TUTORIAL.parent / "tutorial").iterdir())
    assert sorted(shown) == made
    for name in shown:
        picture = TUTORIAL.parent / name
        assert 5_000 < picture.stat().st_size <= LARGEST_BYTES, name


def test_the_program_makes_the_pictures_that_the_tutorial_shows():
    program = Path(__file__).with_name("tutorial_pictures.py").read_text(encoding="utf-8")
    made = {f"tutorial/{name}" for name in re.findall(r'folder / "([a-z-]+\.png)"', program)}
    assert made == set(re.findall(r"!\[[^]]+\]\(([^)]+)\)", TUTORIAL.read_text(encoding="utf-8")))
