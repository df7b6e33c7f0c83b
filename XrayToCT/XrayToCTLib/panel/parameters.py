"""The settings of the panel, kept in a parameter node of the scene."""

from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from XrayToCTLib.run_settings import RunSettings

#: Formats of an export, by the setting that asks for them.
EXPORT_FORMATS = {
    "export_dicom": "dicom",
    "export_nrrd": "nrrd",
    "export_nifti": "nifti",
    "export_report": "pdf",
    "export_scene": "mrb",
    "export_pictures": "png",
}


@parameterNodeWrapper
class XrayToCTParameterNode:
    """Everything that the panel shows and can be set; words of choices are the keys of the panel's boxes.

    crop_*: borders of what is kept of the X-ray, in percent of its height or width.
    result, reference, earlier, later: volumes in the scene; None where none is chosen or it was deleted.
    """

    source: str = "file"
    xray_path: str = ""
    folder_file: str = ""
    dicom_series: str = ""
    xray_volume: vtkMRMLScalarVolumeNode
    view: str = "recorded"
    polarity: str = "auto"
    flip: bool = False
    crop_top: Annotated[float, WithinRange(0, 100)] = 0.0
    crop_bottom: Annotated[float, WithinRange(0, 100)] = 100.0
    crop_left: Annotated[float, WithinRange(0, 100)] = 0.0
    crop_right: Annotated[float, WithinRange(0, 100)] = 100.0

    model: str = ""
    device: str = "auto"
    refine_steps: Annotated[int, WithinRange(0, 200)] = 0
    uncertainty_samples: Annotated[int, WithinRange(0, 32)] = 8

    result: vtkMRMLScalarVolumeNode
    compare_mode: str = "side"
    compare_position: Annotated[float, WithinRange(0, 100)] = 50.0
    projection: str = "cone"
    reference: vtkMRMLScalarVolumeNode
    overlay: str = "none"
    overlay_opacity: Annotated[float, WithinRange(0, 100)] = 50.0
    crosshair_linked: bool = False

    export_dicom: bool = True
    export_nrrd: bool = False
    export_nifti: bool = False
    export_report: bool = True
    export_scene: bool = False
    export_pictures: bool = False
    anonymise: bool = False
    export_folder: str = ""
    batch_folder: str = ""

    earlier: vtkMRMLScalarVolumeNode
    later: vtkMRMLScalarVolumeNode


def run_settings(parameters: XrayToCTParameterNode) -> RunSettings:
    """The settings of a run."""
    top, bottom = parameters.crop_top / 100, parameters.crop_bottom / 100
    left, right = parameters.crop_left / 100, parameters.crop_right / 100
    crop = (top, bottom, left, right)
    return RunSettings(
        model=parameters.model or None,
        device=parameters.device,
        view=None if parameters.view == "recorded" else parameters.view,
        invert=parameters.polarity,
        flip=parameters.flip,
        crop=None if crop == (0, 1, 0, 1) else crop,
        refine=parameters.refine_steps,
        # One volume has no spread, so 1 counts as none.
        uncertainty=parameters.uncertainty_samples if parameters.uncertainty_samples > 1 else 0,
    )


def export_formats(parameters: XrayToCTParameterNode) -> tuple[str, ...]:
    """The formats that are ticked."""
    return tuple(form for name, form in EXPORT_FORMATS.items() if getattr(parameters, name))
