"""One guarded way into SimpleITK: an explicit reader, the size checked before decoding, no chatter on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from XrayToCTLib.recorded_image import check_size


@contextmanager
def quiet_itk() -> Iterator[None]:
    """Keeps ITK's C++ warnings off stderr, where only one sentence belongs."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)


def read_single_slice(path: Path, image_io: str, reported_path: Path | None = None) -> sitk.Image | None:
    """Read a picture with one of ITK's readers.

    Args:
        path: the file; its extension is ignored except by "NiftiImageIO".
        image_io: ITK's name of the reader, for example "NrrdImageIO".
        reported_path: the file that errors name, where ``path`` is a temporary copy of it.

    Returns:
        The image, of two dimensions or of three and more with all but two of one sample; None where the file holds
        a volume (nothing is then decoded).

    Raises:
        UnsuitableInput: too few or too many pixels.
        RuntimeError: ITK cannot decode the file.
    """
    with quiet_itk():
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.SetImageIO(image_io)
        reader.ReadImageInformation()
        sides = sorted((side for side in reader.GetSize()), reverse=True)
        if len(sides) > 2 and sides[2] > 1:
            return None
        check_size(reported_path or path, *sides[:2])
        if reader.GetNumberOfComponents() > 4:
            raise RuntimeError("more than four samples a pixel")
        return reader.Execute()
