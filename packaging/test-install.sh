#!/bin/sh
# Installs a finished build into a temporary prefix and, outside of the source tree, builds programs
# against what is there: small ones by find_package(instar) and by pkg-config, and every example
# program of docs/examples. Runs them.
# usage: test-install.sh BUILD-DIRECTORY
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/instar-package.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
prefix=$work/prefix

# quietly LOG COMMAND...: shows the output only if the command fails.
quietly() {
  log=$work/$1.log
  shift
  "$@" >"$log" 2>&1 || {
    cat "$log" >&2
    echo "failed: $*" >&2
    exit 1
  }
}

quietly install cmake --install "$build" --prefix "$prefix"
for file in bin/instar libexec/instar/instar-inline share/man/man1/instar.1 \
  share/bash-completion/completions/instar share/zsh/site-functions/_instar \
  share/fish/vendor_completions.d/instar.fish share/doc/instar/LICENSE; do
  [ -s "$prefix/$file" ] || {
    echo "not installed: $file" >&2
    exit 1
  }
done
# What the installed texts link to is there.
for text in README.md SECURITY.md ARCHITECTURE.md; do
  grep -o '](\([^)#:]*\)[)#]' "$prefix/share/doc/instar/$text" | sed 's/^](//; s/[)#]$//' |
    while read -r linked; do
      [ -e "$prefix/share/doc/instar/$linked" ] || {
        echo "$text links to $linked, which is not installed" >&2
        exit 1
      }
    done
done
truncate -s 1M "$work/disk.raw"
"$prefix/bin/instar" convert -O qcow2 "$work/disk.raw" "$work/disk.qcow2"
"$prefix/bin/instar" info --isolation=none "$work/disk.qcow2"
PATH="$prefix/libexec/instar/qemu-img:$PATH" qemu-img --version | grep -q instar || {
  echo "the name qemu-img does not lead to instar" >&2
  exit 1
}

# ---- small programs
mkdir "$work/small"
cat >"$work/small/pure.cc" <<'END'
// Opens a raw image that is only a size, through the pure library.
#include <cstdio>

#include "formats/open.h"

class Zeros final : public instar::BlockDevice {
 public:
  instar::DeviceId id() const override { return instar::DeviceId{0}; }
  std::uint64_t size_bytes() const override { return 1 << 20; }
  instar::Status Read(std::uint64_t, std::span<std::byte> out) const override {
    for (std::byte& b : out) b = std::byte{0};
    return {};
  }
  instar::Status Write(std::uint64_t, std::span<const std::byte>) override {
    return instar::MakeError(instar::ErrorCode::kDenied, "read-only");
  }
};

int main() {
  const Zeros device;
  const auto reader = instar::OpenImage(device, instar::ProbeFormat(device).value());
  if (!reader) return 1;
  std::printf("pure: %llu bytes\n",
              static_cast<unsigned long long>((*reader)->virtual_size_bytes()));
  return (*reader)->virtual_size_bytes() == 1 << 20 ? 0 : 1;
}
END
cat >"$work/small/vmm.cc" <<'END'
// Asks for the virtual size of an image through the sandbox.
#include <cstdio>

#include "instar/vmm/check.h"
#include "instar/vmm/compare.h"
#include "instar/vmm/create.h"
#include "instar/vmm/dd.h"
#include "instar/vmm/info.h"
#include "instar/vmm/map.h"
#include "instar/vmm/measure.h"
#include "instar/vmm/strict.h"

int main(int, char** argv) {
  instar::vmm::InfoOptions options;
  options.image.path = argv[1];
  const auto report = instar::vmm::Info(options);
  if (!report.ok()) {
    std::fprintf(stderr, "%s\n", std::string(report.status().message()).c_str());
    return 1;
  }
  const std::uint64_t bytes = report->images.front().report.UnsignedAt("virtual-size");
  std::printf("sandboxed: %llu bytes\n", static_cast<unsigned long long>(bytes));
  return bytes == 1 << 20 ? 0 : 1;
}
END
cat >"$work/small/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(small LANGUAGES CXX)
find_package(instar 0.1 REQUIRED COMPONENTS vmm)
add_executable(pure pure.cc)
target_link_libraries(pure PRIVATE instar::instar)
add_executable(vmm vmm.cc)
target_link_libraries(vmm PRIVATE instar::vmm)
END

# outside SOURCE BUILD: configures and builds a CMake project against the prefix alone.
outside() {
  quietly configure cmake -G Ninja -S "$1" -B "$2" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_EXPORT_NO_PACKAGE_REGISTRY=ON
  quietly build ninja -C "$2"
}

outside "$work/small" "$work/small/build"
"$work/small/build/pure"
"$work/small/build/vmm" "$work/disk.qcow2"

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name instar.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046 # flags are words
quietly pure "${CXX:-g++}" -std=c++23 -o "$work/small/pure" "$work/small/pure.cc" \
  $(pkg-config --cflags --libs instar)
# shellcheck disable=SC2046
quietly vmm "${CXX:-g++}" -std=c++23 -o "$work/small/vmm" "$work/small/vmm.cc" \
  $(pkg-config --cflags --libs instar-vmm)
"$work/small/pure"
"$work/small/vmm" "$work/disk.qcow2"

# ---- the examples, each a project of its own
for example in "$source"/docs/examples/*/CMakeLists.txt; do
  [ -f "$example" ] || continue
  name=$(basename "$(dirname "$example")")
  cp -R "$(dirname "$example")" "$work/$name"
  outside "$work/$name" "$work/$name/build"
  [ ! -f "$work/$name/build/CTestTestfile.cmake" ] ||
    quietly "$name" ctest --test-dir "$work/$name/build" --output-on-failure
  echo "example $name"
done
echo "the installed package builds and runs programs"
