# The Debian package, by CPack: ./dev package. Of Debian 12's own helpers it needs dpkg-dev only.
#
# Two components: the program, which the image installs too, and what a host needs beside it.

# Pages of the program itself, compressed as Debian asks: without a name and a time in them.
set(MANUALS ${CMAKE_BINARY_DIR}/outrigger.1.gz ${CMAKE_BINARY_DIR}/outrigger.yaml.5.gz)
add_custom_command(OUTPUT ${MANUALS} VERBATIM DEPENDS outrigger
  COMMAND sh -c "$<TARGET_FILE:outrigger> man > outrigger.1 && gzip -nf9 outrigger.1"
  COMMAND sh -c "$<TARGET_FILE:outrigger> man --config > outrigger.yaml.5 && gzip -nf9 outrigger.yaml.5")
set(CHANGELOG ${CMAKE_BINARY_DIR}/changelog.gz)
add_custom_command(OUTPUT ${CHANGELOG} VERBATIM DEPENDS ${CMAKE_CURRENT_LIST_DIR}/changelog
  COMMAND sh -c "gzip -n9 < ${CMAKE_CURRENT_LIST_DIR}/changelog > ${CHANGELOG}")
add_custom_target(package_files DEPENDS ${MANUALS} ${CHANGELOG})

function(install_file file destination)
  install(FILES ${file} DESTINATION ${destination} COMPONENT host ${ARGN})
endfunction()
set(HERE ${CMAKE_CURRENT_LIST_DIR})
install_file(${HERE}/outrigger.yaml /etc/outrigger)
install_file(${CMAKE_SOURCE_DIR}/deploy/systemd/outrigger.service /lib/systemd/system)
install_file(${CMAKE_BINARY_DIR}/outrigger.1.gz share/man/man1)
install_file(${CMAKE_BINARY_DIR}/outrigger.yaml.5.gz share/man/man5)
install_file(${CHANGELOG} share/doc/outrigger)
install_file(${HERE}/copyright share/doc/outrigger)
install_file(${CMAKE_SOURCE_DIR}/config/examples/minimal.yaml share/doc/outrigger/examples)
install_file(${CMAKE_SOURCE_DIR}/config/examples/full.yaml share/doc/outrigger/examples)
install_file(${CMAKE_SOURCE_DIR}/config/schema/outrigger.schema.json share/outrigger)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL program host)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PACKAGE_NAME outrigger)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "outrigger maintainers <maintainers@outrigger.invalid>")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "init-system-helpers (>= 1.54~)")
file(READ ${HERE}/description DESCRIPTION)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${HERE}/description)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "sidecar that keeps upstream failures from callers")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "${DESCRIPTION}")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${HERE}/conffiles ${HERE}/postinst ${HERE}/prerm ${HERE}/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
