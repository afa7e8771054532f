// File systems that hold no files of anybody but windows into the kernel and into processes: /proc,
// /sys and their like. What an image names is never opened there.
#ifndef LIBINSTAR_VMM_SRC_BROKER_SPECIAL_FILE_SYSTEM_H_
#define LIBINSTAR_VMM_SRC_BROKER_SPECIAL_FILE_SYSTEM_H_

#include <cstdint>

namespace instar::vmm {

// Whether `magic` (statfs.f_type) is that of a special file system. Ordinary are all that store
// files, wherever: tmpfs, overlay, FUSE and network file systems too.
[[nodiscard]] bool IsSpecialMagic(std::uint64_t magic);

// Whether the open file (O_PATH suffices) lies in one. True where that cannot be found out.
[[nodiscard]] bool IsInSpecialFileSystem(int fd);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_SPECIAL_FILE_SYSTEM_H_
