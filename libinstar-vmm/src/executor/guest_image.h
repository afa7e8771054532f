// Guest images and their parts: trusted ELF files, built with this library and embedded in it.
#ifndef LIBINSTAR_VMM_SRC_EXECUTOR_GUEST_IMAGE_H_
#define LIBINSTAR_VMM_SRC_EXECUTOR_GUEST_IMAGE_H_

#include <absl/status/statusor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "instar/abi/part.h"

namespace instar::vmm {

struct GuestImage {
  std::string_view name;
  // A static ELF64 executable: linked at INSTAR_IMAGE_BASE, or a part (abi/part.h).
  std::span<const std::byte> elf;
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
  std::uint64_t image_end = 0;  // first page-aligned address after the image
  std::uint64_t end = 0;        // the same after its parts; from image_end on there is nothing else
  std::vector<GuestSegment> segments;               // ascending, those of parts last
  std::array<std::uint64_t, INSTAR_PARTS> parts{};  // of each, where its table stands; 0: not there
};

// Reads the program headers. kInternal if the file is not what the build makes: wrong base, a
// segment that is both writable and executable, overlapping or unaligned segments.
absl::StatusOr<LoadedImage> ParseGuestImage(const GuestImage& image);

// Adds `part`, which lies behind what is there already. kInternal if it is not what the build
// makes: as above, another version or no table, or a segment that can be written.
absl::Status AddPart(const GuestImage& part, LoadedImage& image);

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

// The names under which the parts stand among them.
inline constexpr std::array<std::string_view, INSTAR_PARTS> kPartNames = {"zstd_in", "deflate",
                                                                          "zstd_out"};
// Parts as a set: a bit each, 1 << instar_part_id.
using PartSet = unsigned;
// The parts in `parts`, in the order of their addresses. Defined where the images are linked.
std::vector<GuestImage> FindParts(PartSet parts);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_EXECUTOR_GUEST_IMAGE_H_
