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

}  // namespace

absl::StatusOr<LoadedImage> ParseGuestImage(const GuestImage& image) {
  Elf64_Ehdr header;
  if (image.elf.size() < sizeof header) return BadImage(image, "no ELF header");
  std::memcpy(&header, image.elf.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_X86_64 ||
      header.e_type != ET_EXEC || header.e_phentsize != sizeof(Elf64_Phdr)) {
    return BadImage(image, "not a static x86-64 executable");
  }
  LoadedImage loaded{.entry = header.e_entry, .end = INSTAR_IMAGE_BASE, .segments = {}};
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
  if (loaded.segments.empty() || loaded.entry != INSTAR_IMAGE_BASE) {
    return BadImage(image, "entry point is not at the start");
  }
  return loaded;
}

}  // namespace instar::vmm
