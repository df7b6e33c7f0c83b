# Stands for Slicer's UseSlicer.cmake; see SlicerConfig.cmake.

include(CTest) # BUILD_TESTING and add_test

#[=[
slicerMacroBuildScriptedModule(NAME name SCRIPTS file... [RESOURCES file...] [WITH_SUBDIR] [WITH_GENERIC_TESTS] [VERBOSE])

Files are named relative to the current source folder and keep their subfolders. They are copied, when the target of the
build is made, to the folder of scripted modules in the build tree; WITH_SUBDIR adds a folder that bears the source folder's name
(not NAME). Installation copies that folder: its contents, or with WITH_SUBDIR the folder itself.
#]=]
function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(PARSE_ARGV 0 module "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES")
  if(module_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule: unknown keywords \"${module_UNPARSED_ARGUMENTS}\"")
  endif()
  if(NOT DEFINED module_NAME)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule: NAME is mandatory")
  endif()
  if(module_WITH_GENERIC_TESTS)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule: this stand-in has no generic tests")
  endif()

  set(built "${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")
  set(installed "${built}/") # with the slash: what is in the folder
  if(module_WITH_SUBDIR)
    get_filename_component(folder "${CMAKE_CURRENT_SOURCE_DIR}" NAME)
    string(APPEND built "/${folder}")
    set(installed "${built}") # without: the folder
  endif()

  set(copies)
  foreach(kind IN ITEMS SCRIPTS RESOURCES)
    foreach(file IN LISTS module_${kind})
      # a script may be named without its suffix
      if(kind STREQUAL "SCRIPTS" AND NOT file MATCHES "\\.py")
        string(APPEND file ".py")
      endif()
      set(source "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
      if(NOT EXISTS "${source}")
        message(FATAL_ERROR "slicerMacroBuildScriptedModule(${kind}): nonexistent file '${file}'")
      endif()
      add_custom_command(
        OUTPUT "${built}/${file}"
        COMMAND "${CMAKE_COMMAND}" -E copy "${source}" "${built}/${file}"
        DEPENDS "${source}"
        )
      list(APPEND copies "${built}/${file}")
    endforeach()
  endforeach()
  add_custom_target(Copy${module_NAME}PythonFiles ALL DEPENDS ${copies})

  install(DIRECTORY "${installed}" DESTINATION "${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}" USE_SOURCE_PERMISSIONS)
endfunction()

#[=[
slicer_add_python_unittest(SCRIPT file [TESTNAME_PREFIX prefix] [SLICER_ARGS argument...])

Adds the test py_<prefix><name>, which Slicer would run; the stand-in only checks that the file is there.
#]=]
function(slicer_add_python_unittest)
  cmake_parse_arguments(PARSE_ARGV 0 test "" "SCRIPT;TESTNAME_PREFIX" "SLICER_ARGS")
  if(test_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "slicer_add_python_unittest: unknown keywords \"${test_UNPARSED_ARGUMENTS}\"")
  endif()
  if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${test_SCRIPT}")
    message(FATAL_ERROR "slicer_add_python_unittest: nonexistent file '${test_SCRIPT}'")
  endif()
  get_filename_component(name "${test_SCRIPT}" NAME_WE)
  add_test(NAME "py_${test_TESTNAME_PREFIX}${name}" COMMAND "${CMAKE_COMMAND}" -E true)
endfunction()
