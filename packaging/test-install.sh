#!/bin/sh
# Installs a finished build into a temporary prefix and, outside of the source tree, builds the
# example programs against it: once with find_package(instar), once with pkg-config. Runs them.
# usage: test-install.sh BUILD-DIRECTORY
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/instar-package.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
prefix=$work/prefix

cmake --install "$build" --prefix "$prefix" >"$work/install.log"
for file in bin/instar share/man/man1/instar.1 share/bash-completion/completions/instar; do
  [ -s "$prefix/$file" ] || {
    echo "not installed: $file" >&2
    exit 1
  }
done
"$prefix/bin/instar" --version

# The examples as a program of somebody else's: nothing of the tree but their own sources.
mkdir "$work/examples"
cp "$source"/docs/examples/*.cc "$work/examples/"
cat >"$work/examples/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES CXX)
find_package(instar 0.1 REQUIRED COMPONENTS instar vmm)
add_executable(pure_in_memory pure_in_memory.cc)
target_link_libraries(pure_in_memory PRIVATE instar::instar)
add_executable(sandboxed_info sandboxed_info.cc)
target_link_libraries(sandboxed_info PRIVATE instar::vmm)
END
cmake -G Ninja -S "$work/examples" -B "$work/build" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$prefix" >"$work/configure.log"
ninja -C "$work/build" >"$work/build.log" || {
  cat "$work/build.log" >&2
  exit 1
}

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name instar.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046 # flags are words
"${CXX:-g++}" -std=c++23 -o "$work/pure_by_pkg_config" "$work/examples/pure_in_memory.cc" \
  $(pkg-config --cflags --libs instar)
# shellcheck disable=SC2046
"${CXX:-g++}" -std=c++23 -o "$work/vmm_by_pkg_config" "$work/examples/sandboxed_info.cc" \
  $(pkg-config --cflags --libs instar-vmm)

truncate -s 1M "$work/disk.raw"
"$prefix/bin/instar" convert -O qcow2 "$work/disk.raw" "$work/disk.qcow2"
for program in build/pure_in_memory pure_by_pkg_config; do
  "$work/$program"
done
for program in build/sandboxed_info vmm_by_pkg_config; do
  "$work/$program" "$work/disk.qcow2"
done
echo "the installed package builds and runs the examples"
