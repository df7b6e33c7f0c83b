"""A model from a file into the user's folder: one of this program's, or an original checkpoint, which is converted."""

from __future__ import annotations

import re
from pathlib import Path

from XrayToCTLib.errors import ModelError
from XrayToCTLib.model_files import (
    SUFFIX,
    card_path,
    check_name,
    parse_header,
    parse_tensors,
    read_bytes,
    read_card,
    write_atomically,
    write_model,
)
from XrayToCTLib.model_folders import imported_files, user_folder
from XrayToCTLib.models import ModelInfo, find, list_models, read_info, verify
from XrayToCTLib.original_weights import import_checkpoint


def import_model(path: Path) -> ModelInfo:
    """Adds a model under the name of its file; nothing is overwritten.

    Raises:
        ModelError: the file is missing, damaged, of no known network, or its name is taken.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("._-")
    check_name(name)
    if (user_folder() / f"{name}{SUFFIX}") in imported_files() or name in {info.name for info in list_models()}:
        raise ModelError(f"A model named {name!r} is there already; rename {path.name} and import it again.")
    if path.suffix != SUFFIX:
        return import_checkpoint(path, None, name)
    verify(read_info(path))
    content = read_bytes(path)
    target = user_folder() / f"{name}{SUFFIX}"
    # Parsed and written anew, so that only what was checked is kept; parameters stay as exact as they were or better.
    write_model(target, parse_tensors(content, path), parse_header(content, path).metadata)
    card = read_card(path)
    if card is not None:
        write_atomically(card_path(target), card.encode())
    return find(name)
