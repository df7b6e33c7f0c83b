# Stands for the two files that an extension includes last: both read its metadata, so that it must have been set by then.
foreach(name IN ITEMS HOMEPAGE CATEGORY CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  if(NOT DEFINED EXTENSION_${name})
    message(FATAL_ERROR "EXTENSION_${name} is not set")
  endif()
  # Slicer hands the values on without quotes
  if(EXTENSION_${name} MATCHES ";" AND NOT name STREQUAL "DEPENDS")
    message(FATAL_ERROR "EXTENSION_${name} has a semicolon and would be cut there")
  endif()
endforeach()
