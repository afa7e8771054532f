# Target helpers: include roots that enforce the direction of includes, hosted and freestanding
# flavours of the pure libraries, and the compile options both share.

set(INSTAR_ROOTS "${CMAKE_BINARY_DIR}/include-roots")

# instar_include_root(VAR NAME PATH): a directory in which "PATH/..." of the source tree, and nothing
# else, can be included. A target that is not given the root of a folder cannot include from it.
function(instar_include_root var name path)
  set(root "${INSTAR_ROOTS}/${name}")
  get_filename_component(parent "${root}/${path}" DIRECTORY)
  file(MAKE_DIRECTORY "${parent}")
  if(NOT EXISTS "${root}/${path}")
    file(CREATE_LINK "${CMAKE_SOURCE_DIR}/${path}" "${root}/${path}" SYMBOLIC)
  endif()
  set(${var} "${root}" PARENT_SCOPE)
endfunction()

# Options of every C++ target of the project.
add_library(instar_options INTERFACE)
target_compile_features(instar_options INTERFACE cxx_std_23)
# -Wrestrict of GCC 12 takes std::string's own appending for overlapping copies.
target_compile_options(instar_options INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wnon-virtual-dtor -Wundef $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> $<$<BOOL:${INSTAR_WERROR}>:-Werror>)

# Hosted code: hardened, and sanitized where the preset asks for it.
add_library(instar_hosted INTERFACE)
target_link_libraries(instar_hosted INTERFACE instar_options)
target_compile_options(instar_hosted INTERFACE -fstack-protector-strong -fPIC)
if(INSTAR_SANITIZERS)
  # Pure code has no RTTI, without which a check of an object's dynamic type cannot work.
  target_compile_options(instar_hosted INTERFACE -fsanitize=${INSTAR_SANITIZERS} -fno-sanitize=vptr
                         -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(instar_hosted INTERFACE -fsanitize=${INSTAR_SANITIZERS})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(instar_hosted INTERFACE _FORTIFY_SOURCE=2)
endif()

# Pure code, in either flavour: no exceptions, no RTTI, no silent narrowing.
add_library(instar_pure INTERFACE)
target_compile_options(instar_pure INTERFACE -fno-exceptions -fno-rtti -fno-threadsafe-statics
                       -Wconversion -Wno-sign-conversion)

# Freestanding code, for the guest: position independent (it is linked high above 4 GiB), no unwind
# tables, one section a function so that each image carries only what its operation needs. Optimizing a whole
# image at once takes another twentieth off its size.
add_library(instar_freestanding INTERFACE)
target_link_libraries(instar_freestanding INTERFACE instar_options)
target_compile_definitions(instar_freestanding INTERFACE INSTAR_GUEST=1)
target_compile_options(instar_freestanding INTERFACE
  -Os $<$<CXX_COMPILER_ID:GNU>:-flto=1;-flto-partition=one> -g0 -fpie -fno-plt -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-use-cxa-atexit
  -fno-asynchronous-unwind-tables -fno-unwind-tables -ffunction-sections -fdata-sections
  -fcf-protection=none -fstack-protector-strong -U_FORTIFY_SOURCE -U_GLIBCXX_ASSERTIONS)

# instar_pure_library(NAME SOURCES...): NAME (hosted) and NAME_guest (freestanding), from the same files.
function(instar_pure_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:instar_hosted> $<BUILD_INTERFACE:instar_pure>)
  target_compile_features(${name} PUBLIC cxx_std_23)
  add_library(${name}_guest STATIC EXCLUDE_FROM_ALL ${ARGN})
  # Tools that read the list of compile commands look at each file once, as the host has it.
  set_target_properties(${name}_guest PROPERTIES EXPORT_COMPILE_COMMANDS OFF)
  target_link_libraries(${name}_guest PRIVATE instar_freestanding instar_pure)
  target_compile_features(${name}_guest PUBLIC cxx_std_23)
endfunction()

# instar_embed_guest_images(TARGET IMAGES...): a library that carries the guest images called IMAGES and
# registers them under these names (see executor/guest_images.h). An image given as NAME=IMAGE goes by NAME.
function(instar_embed_guest_images target)
  instar_guest_image_table(assembly ${target} ${target} ${ARGN})
  add_library(${target} STATIC "${assembly}")
  # A cache keyed by the source text would not notice that an included image changed.
  set_target_properties(${target} PROPERTIES C_COMPILER_LAUNCHER "" CXX_COMPILER_LAUNCHER ""
                        LINKER_LANGUAGE CXX)
endfunction()

# instar_guest_image_table(VAR FILE SYMBOL IMAGES...): the path of an assembler source FILE.S that defines
# SYMBOL_table and SYMBOL_count.
function(instar_guest_image_table var file symbol)
  set(assembly "${CMAKE_CURRENT_BINARY_DIR}/${file}.S")
  set(text "    .section .rodata, \"a\", @progbits\n")
  string(APPEND text "    .globl ${symbol}_table\n    .globl ${symbol}_count\n")
  set(table "    .section .data.rel.ro, \"aw\", @progbits\n    .balign 8\n${symbol}_table:\n")
  set(count 0)
  set(images "")
  set(folder "${CMAKE_BINARY_DIR}/guest")
  if(INSTAR_GUEST_IMAGES_FROM)
    set(folder "${INSTAR_GUEST_IMAGES_FROM}")
  endif()
  foreach(entry IN LISTS ARGN)
    string(REGEX REPLACE "=.*" "" name "${entry}")
    string(REGEX REPLACE ".*=" "" image "${entry}")
    if(INSTAR_GUEST_IMAGES_FROM)
      list(APPEND images "${folder}/${image}.elf")
    else()
      list(APPEND images guest_${image})
    endif()
    string(APPEND text "    .balign 64\n${symbol}_${name}: .incbin \"${folder}/${image}.elf\"\n"
      "${symbol}_${name}_end:\n${symbol}_${name}_name: .asciz \"${name}\"\n")
    string(APPEND table "    .quad ${symbol}_${name}_name, ${symbol}_${name}, "
      "${symbol}_${name}_end - ${symbol}_${name}\n")
    math(EXPR count "${count} + 1")
  endforeach()
  string(APPEND text "    .balign 8\n${symbol}_count: .quad ${count}\n${table}"
    "    .section .note.GNU-stack, \"\", @progbits\n")
  file(CONFIGURE OUTPUT "${assembly}.in" CONTENT "${text}" @ONLY)
  # Copied anew whenever an image changes, so that the assembler reads it again.
  add_custom_command(OUTPUT "${assembly}"
    COMMAND ${CMAKE_COMMAND} -E copy "${assembly}.in" "${assembly}"
    COMMAND ${CMAKE_COMMAND} -E touch "${assembly}"
    DEPENDS "${assembly}.in" ${images} VERBATIM)
  set(${var} "${assembly}" PARENT_SCOPE)
endfunction()
