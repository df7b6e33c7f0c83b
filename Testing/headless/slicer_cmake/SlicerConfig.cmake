#[=[
What `find_package(Slicer)` finds in the tests, where no build of 3D Slicer is at hand. It stands for the parts of Slicer 5.10
that this extension uses, written anew from what the originals do (Slicer's SlicerConfig, UseSlicer, SlicerMacroBuildScriptedModule,
SlicerExtensionGenerateConfig and SlicerExtensionCPack, and CTK's ctkMacroCompilePythonScript):

- where modules are built and installed,
- the arguments of slicerMacroBuildScriptedModule, and its errors on unknown ones and on files that do not exist,
- which files go where, at build and at installation.

It does not byte-compile, collect strings for translation, make generic tests, export targets or package.
#]=]

set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionMetadata.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionMetadata.cmake")

set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.10/qt-scripted-modules")
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")
