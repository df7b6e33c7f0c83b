"""Runtime library of XrayToCT: from one frontal chest radiograph to a chest CT volume.

Usable without 3D Slicer. Nothing is imported here, so that ``import XrayToCTLib.errors`` never loads torch.
"""

__version__ = "0.1.0"
