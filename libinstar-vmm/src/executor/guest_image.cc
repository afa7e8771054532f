#include "executor/guest_image.h"

#include <absl/strings/str_format.h>
#include <elf.h>

#include <cstring>

#include "instar/abi/mailbox.h"

namespace instar::vmm {
namespace {

constexpr std::uint64_t kPageBytes = 4096;

absl::Status BadImage(const GuestImage& image, const char* why) {
  return absl::InternalError(absl::StrFormat("guest image '%s' is damaged: %s", image.name, why));
}

// Appends the segments of `image`, all of which must lie behind loaded.end. Returns the entry
// point.
absl::StatusOr<std::uint64_t> AppendSegments(const GuestImage& image, LoadedImage& loaded) {
  Elf64_Ehdr header;
  if (image.elf.size() < sizeof header) return BadImage(image, "no ELF header");
  std::memcpy(&header, image.elf.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_X86_64 ||
      header.e_type != ET_EXEC || header.e_phentsize != sizeof(Elf64_Phdr)) {
    return BadImage(image, "not a static x86-64 executable");
  }
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const std::uint64_t at = header.e_phoff + std::uint64_t{i} * sizeof(Elf64_Phdr);
    if (at + sizeof(Elf64_Phdr) > image.elf.size())
      return BadImage(image, "header table cut short");
    Elf64_Phdr program;
    std::memcpy(&program, image.elf.data() + at, sizeof program);
    if (program.p_type != PT_LOAD || program.p_memsz == 0) continue;
    if (program.p_offset + program.p_filesz > image.elf.size() ||
        program.p_filesz > program.p_memsz) {
      return BadImage(image, "segment cut short");
    }
    if (program.p_vaddr < loaded.end || program.p_vaddr % kPageBytes != 0) {
      return BadImage(image, "segments overlap or are not page aligned");
    }
    const bool writable = (program.p_flags & PF_W) != 0;
    const bool executable = (program.p_flags & PF_X) != 0;
    if (writable && executable) return BadImage(image, "a segment is writable and executable");
    loaded.segments.push_back({.address = program.p_vaddr,
                               .memory_bytes = program.p_memsz,
                               .content = image.elf.subspan(program.p_offset, program.p_filesz),
                               .writable = writable,
                               .executable = executable});
    loaded.end = (program.p_vaddr + program.p_memsz + kPageBytes - 1) / kPageBytes * kPageBytes;
  }
  return header.e_entry;
}

}  // namespace

absl::StatusOr<LoadedImage> ParseGuestImage(const GuestImage& image) {
  LoadedImage loaded{.end = INSTAR_IMAGE_BASE};
  const auto entry = AppendSegments(image, loaded);
  if (!entry.ok()) return entry.status();
  if (loaded.segments.empty() || *entry != INSTAR_IMAGE_BASE) {
    return BadImage(image, "entry point is not at the start");
  }
  loaded.entry = *entry;
  loaded.image_end = loaded.end;
  return loaded;
}

absl::Status AddPart(const GuestImage& part, LoadedImage& image) {
  const std::size_t before = image.segments.size();
  const auto entry = AppendSegments(part, image);
  if (!entry.ok()) return entry.status();
  const std::span segments = std::span(image.segments).subspan(before);
  // What the file has at [address, address + bytes); empty if that is not all constants.
  const auto constants = [&](std::uint64_t address, std::size_t bytes) {
    for (const GuestSegment& segment : segments) {
      const std::uint64_t at = address - segment.address;
      if (segment.executable || address < segment.address || at > segment.content.size()) continue;
      const auto rest = segment.content.subspan(at);
      if (rest.size() >= bytes) return rest.first(bytes);
    }
    return std::span<const std::byte>();
  };
  for (const GuestSegment& segment : segments) {
    if (segment.writable) return BadImage(part, "a part has a segment that can be written");
  }
  const auto bytes = constants(*entry, sizeof(instar_part));
  if (bytes.empty()) return BadImage(part, "it has no table");
  instar_part table;
  std::memcpy(&table, bytes.data(), sizeof table);
  if (table.magic != INSTAR_PART_MAGIC || table.version != INSTAR_PART_VERSION) {
    return BadImage(part, "its table is of another version");
  }
  if (table.id >= image.parts.size() || image.parts[table.id] != 0) {
    return BadImage(part, "it is not a part that this version knows, or there twice");
  }
  if (constants(reinterpret_cast<std::uint64_t>(table.functions), table.size).empty()) {
    return BadImage(part, "its functions lie elsewhere");
  }
  image.parts[table.id] = *entry;
  return absl::OkStatus();
}

}  // namespace instar::vmm
