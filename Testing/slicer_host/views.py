"""Slice and 3D views: Slicer's real displayable managers in offscreen render windows.

Unlike Slicer's, they never render by themselves: `scheduleRender` notes that it is wanted, `forceRender` renders. So a
test on a machine without a graphics card pays only for pictures that it looks at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from PySide6 import QtGui, QtWidgets
from PySide6.QtCore import Property
from vtk.util import numpy_support

_SLICE_MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
_THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLThreeDReformatDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager3D",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLVolumeRenderingDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)


def register_displayable_managers(application_logic: Any) -> None:
    """Tell Slicer's factories what draws into a view."""
    for factory_class, names in (
        (slicer.vtkMRMLSliceViewDisplayableManagerFactory, _SLICE_MANAGERS),
        (slicer.vtkMRMLThreeDViewDisplayableManagerFactory, _THREE_D_MANAGERS),
    ):
        factory = factory_class.GetInstance()
        factory.SetMRMLApplicationLogic(application_logic)
        for name in names:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)


class ctkVTKAbstractView(QtWidgets.QWidget):
    """A widget that shows what is in a render window."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        window = vtk.vtkRenderWindow()
        window.SetOffScreenRendering(1)
        window.SetMultiSamples(0)
        self._renderer = vtk.vtkRenderer()
        window.AddRenderer(self._renderer)
        # The interactor alone holds the window, in C++: as in Slicer, nobody keeps Python's object of it.
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(window)
        self._interactor.EnableRenderOff()
        self._corner = vtk.vtkCornerAnnotation()
        self._renderer.AddViewProp(self._corner)
        self._managers: Any = None
        self._style: Any = None
        self._picture: QtGui.QImage | None = None
        self._render_wanted = False
        self.setMinimumSize(120, 120)

    def renderWindow(self) -> Any:
        return self._interactor.GetRenderWindow()

    def interactor(self) -> Any:
        return self._interactor

    def interactorStyle(self) -> Any:
        return self._style

    def cornerAnnotation(self) -> Any:
        return self._corner

    def scheduleRender(self) -> None:
        self._render_wanted = True

    def forceRender(self) -> None:
        """Render now, in the widget's size."""
        window = self.renderWindow()
        window.SetSize(self.width(), self.height())
        window.Render()
        self._render_wanted = False
        reader = vtk.vtkWindowToImageFilter()
        reader.SetInput(window)
        reader.ReadFrontBufferOff()
        reader.Update()
        width, height, _ = reader.GetOutput().GetDimensions()
        flat = numpy_support.vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars())
        pixels = np.ascontiguousarray(flat.reshape(height, width, 3)[::-1])
        self._picture = QtGui.QImage(pixels.data, width, height, 3 * width, QtGui.QImage.Format.Format_RGB888).copy()
        self.update()

    def displayableManagerByClassName(self, name: str) -> Any:
        for number in range(self._managers.GetDisplayableManagerCount()):
            manager = self._managers.GetNthDisplayableManager(number)
            if manager.IsA(name):
                return manager
        return None

    def _show_node(self, factory: Any, style: Any, node: Any) -> None:
        self._managers = factory.InstantiateDisplayableManagers(self._renderer)
        style.SetDisplayableManagers(self._managers)
        style.SetInteractor(self._interactor)
        self._style = style
        self._managers.SetMRMLDisplayableNode(node)
        self._managers.AddObserver(vtk.vtkCommand.UpdateEvent, lambda *_: self.scheduleRender())

    def paintEvent(self, _: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        if self._picture is None:
            painter.fillRect(self.rect(), QtGui.QColor("black"))
        else:
            painter.drawImage(self.rect(), self._picture)

    def close_view(self) -> None:
        """Let go of the scene."""
        if self._managers is not None:
            self._managers.SetMRMLDisplayableNode(None)
            self._managers = None
        self.renderWindow().Finalize()


class qMRMLSliceView(ctkVTKAbstractView):
    """Shows the image that a slice logic makes."""

    def __init__(self, logic: Any, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self._logic = logic
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._image = vtk.vtkActor2D()
        self._image.SetMapper(self._mapper)
        self._image.GetProperty().SetDisplayLocationToBackground()
        self._image.SetVisibility(False)
        self._renderer.AddViewProp(self._image)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        style = slicer.vtkMRMLSliceViewInteractorStyle()
        style.SetSliceLogic(logic)
        self._show_node(factory, style, logic.GetSliceNode())

    def mrmlSliceNode(self) -> Any:
        return self._logic.GetSliceNode()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self._logic.ResizeSliceNode(self.width(), self.height())

    def forceRender(self) -> None:
        self._logic.UpdatePipeline()
        connection = self._logic.GetImageDataConnection()
        shown = connection is not None and self._logic.GetSliceCompositeNode().GetBackgroundVolumeID() is not None
        self._image.SetVisibility(shown)
        self._mapper.SetInputConnection(connection if shown else None)
        super().forceRender()

    def convertDeviceToXYZ(self, position: Any) -> tuple[float, float, float]:
        """Window position, from the lower left corner, as the slice view's XYZ."""
        return float(position[0]), float(position[1]), 0.0

    def convertXYZToRAS(self, xyz: Any) -> tuple[float, ...]:
        return tuple(self.mrmlSliceNode().GetXYToRAS().MultiplyPoint([*map(float, xyz), 1.0])[:3])

    def convertRASToXYZ(self, ras: Any) -> tuple[float, ...]:
        inverse = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.mrmlSliceNode().GetXYToRAS(), inverse)
        return tuple(inverse.MultiplyPoint([*map(float, ras), 1.0])[:3])


class qMRMLThreeDView(ctkVTKAbstractView):
    """Shows the scene in 3D."""

    def __init__(self, view_node: Any, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self._view_node = view_node
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        self._show_node(factory, slicer.vtkMRMLThreeDViewInteractorStyle(), view_node)

    def renderer(self) -> Any:
        return self._renderer

    def mrmlViewNode(self) -> Any:
        return self._view_node

    def cameraNode(self) -> Any:
        return slicer.modules.cameras.logic().GetViewActiveCameraNode(self._view_node)

    def resetFocalPoint(self) -> None:
        """Turn the camera to the middle of what is shown."""
        bounds = [0.0] * 6
        self._renderer.ComputeVisiblePropBounds(bounds)
        if vtk.vtkMath.AreBoundsInitialized(bounds):
            middle = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
            self._renderer.GetActiveCamera().SetFocalPoint(*middle)

    def resetCamera(self) -> None:
        self._renderer.ResetCamera()

    def rotateToViewAxis(self, axis: int) -> None:
        """Look from: 0 left, 1 right, 2 posterior, 3 anterior, 4 inferior, 5 superior."""
        directions = ((-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1))
        camera = self._renderer.GetActiveCamera()
        distance, focus = camera.GetDistance(), camera.GetFocalPoint()
        camera.SetPosition(*(f + distance * d for f, d in zip(focus, directions[axis], strict=True)))
        camera.SetViewUp(*((0, 1, 0) if axis >= 4 else (0, 0, 1)))
        self._renderer.ResetCameraClippingRange()


class Controller(QtWidgets.QWidget):
    """The bar above a view; empty."""


class _ViewWidget(QtWidgets.QWidget):
    """A view with its bar."""

    def __init__(self, name: str, colour: str, parent: QtWidgets.QWidget | None) -> None:
        super().__init__(parent)
        self._bar = Controller(self)
        self._bar.setFixedHeight(18)
        self._bar.setAutoFillBackground(True)
        palette = self._bar.palette()
        palette.setColor(QtGui.QPalette.ColorRole.Window, QtGui.QColor(colour))
        self._bar.setPalette(palette)
        self._label = QtWidgets.QLabel(name, self._bar)
        self._label.move(6, 0)
        self._column = QtWidgets.QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addWidget(self._bar)


class qMRMLSliceWidget(_ViewWidget):
    """A slice view with its logic."""

    def __init__(self, logic: Any, parent: QtWidgets.QWidget | None = None) -> None:
        node = logic.GetSliceNode()
        colour = QtGui.QColor.fromRgbF(*node.GetLayoutColor()).name()
        super().__init__(node.GetLayoutLabel() or node.GetLayoutName(), colour, parent)
        self.setObjectName(f"qMRMLSliceWidget{node.GetLayoutName()}")
        self._logic = logic
        self._view = qMRMLSliceView(logic, self)
        self._column.addWidget(self._view, 1)
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._show_label)

    def _show_label(self, *_: object) -> None:
        self._label.setText(self._logic.GetSliceNode().GetLayoutLabel() or "")
        self._label.adjustSize()

    sliceViewLabel = Property(
        str, lambda self: self._label.text(), lambda self, text: self._logic.GetSliceNode().SetLayoutLabel(text)
    )
    sliceViewName = Property(str, lambda self: self._logic.GetSliceNode().GetLayoutName())
    sliceOrientation = Property(
        str,
        lambda self: self._logic.GetSliceNode().GetOrientation(),
        lambda self, name: self._logic.GetSliceNode().SetOrientation(name),
    )

    def sliceView(self) -> qMRMLSliceView:
        return self._view

    def sliceLogic(self) -> Any:
        return self._logic

    def sliceController(self) -> Controller:
        return self._bar

    def mrmlSliceNode(self) -> Any:
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        self._logic.FitSliceToBackground()


class qMRMLThreeDWidget(_ViewWidget):
    """A 3D view."""

    def __init__(self, view_node: Any, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(view_node.GetLayoutLabel() or "1", "#7b7fcb", parent)
        self.setObjectName(f"ThreeDWidget{view_node.GetLayoutName()}")
        self._view = qMRMLThreeDView(view_node, self)
        self._column.addWidget(self._view, 1)

    def threeDView(self) -> qMRMLThreeDView:
        return self._view

    def threeDController(self) -> Controller:
        return self._bar

    def mrmlViewNode(self) -> Any:
        return self._view.mrmlViewNode()
