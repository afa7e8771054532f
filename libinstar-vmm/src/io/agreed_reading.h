// Reads what another process may be writing at the same moment, until two reads agree.
//
// An image that a change in place is made of gets its new root by one write (root_writing.h). The
// disk takes that as a whole, but a reader without a lock may see half of it: the kernel copies it
// byte by byte. The next read shows all of it. So a header is read twice where nobody keeps writers
// out (--force-share). Nothing else is: a reader that comes between the root and what it leads to
// may see clusters that were given back meanwhile, as with QEMU.
#ifndef LIBINSTAR_VMM_SRC_IO_AGREED_READING_H_
#define LIBINSTAR_VMM_SRC_IO_AGREED_READING_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "io/io_result.h"
#include "io/root_writing.h"

namespace instar::vmm {

// A writer changes a root once. One that does nothing else must not hold up a reader for ever.
inline constexpr int kMostReadsOfARoot = 8;

// `root`: what was read once, of at most kMaxRootBytes. `read`, an IoResult(std::span<std::byte>),
// reads the same again. Afterwards `root` is what two reads in a row gave, or the last of
// kMostReadsOfARoot.
template <typename Read>
IoResult ReadUntilAgreed(std::span<std::byte> root, const Read& read) {
  std::array<std::byte, kMaxRootBytes> memory;
  const std::span<std::byte> again = std::span(memory).first(root.size());
  for (int reads = 1; reads < kMostReadsOfARoot; ++reads) {
    if (const IoResult result = read(again); !result.ok()) return result;
    if (std::ranges::equal(again, root)) break;
    std::ranges::copy(again, root.begin());
  }
  return {};
}

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_AGREED_READING_H_
