// Guest images: trusted ELF files, built with this library and embedded in it.
#ifndef LIBINSTAR_VMM_SRC_EXECUTOR_GUEST_IMAGE_H_
#define LIBINSTAR_VMM_SRC_EXECUTOR_GUEST_IMAGE_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace instar::vmm {

struct GuestImage {
  std::string_view name;
  std::span<const std::byte> elf;  // a static ELF64 executable linked at INSTAR_IMAGE_BASE
};

// One loadable segment: page-aligned address, disjoint from the others.
struct GuestSegment {
  std::uint64_t address = 0;
  std::uint64_t memory_bytes = 0;
  std::span<const std::byte> content;  // the rest of memory_bytes is zero
  bool writable = false;
  bool executable = false;
};

struct LoadedImage {
  std::uint64_t entry = 0;
  std::uint64_t end = 0;  // first page-aligned address after the image
  std::vector<GuestSegment> segments;
};

// Reads the program headers. kInternal if the file is not what the build makes: wrong base, a
// segment that is both writable and executable, overlapping or unaligned segments.
absl::StatusOr<LoadedImage> ParseGuestImage(const GuestImage& image);

// An entry of an embedded table, as instar_embed_guest_images lays it out.
struct EmbeddedImage {
  const char* name;
  const std::byte* elf;
  std::uint64_t elf_bytes;
};

// The images of this library by name ("info", "convert", ...); an empty elf if there is none.
// Defined where the images are linked (library instar_vmm).
GuestImage FindGuestImage(std::string_view name);
std::vector<GuestImage> AllGuestImages();

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_EXECUTOR_GUEST_IMAGE_H_
