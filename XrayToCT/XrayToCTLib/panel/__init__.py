"""The panel of the Slicer module, one module a section: only here the library imports qt, ctk and slicer at the top."""
