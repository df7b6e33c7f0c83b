"""The panel of the Slicer module, one module a section: the only place of the library that imports qt, ctk and slicer."""
