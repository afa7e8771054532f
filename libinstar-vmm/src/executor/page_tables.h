// Four-level page tables and the task state segment for a guest that runs in ring 3 without a
// kernel. Intel SDM volume 3, 4.5 (4-level paging) and 8.7 (task management in 64-bit mode); 19.5.2
// of volume 1 describes the I/O permission bitmap that lets ring 3 reach the doorbell port and no
// other.
#ifndef LIBINSTAR_VMM_SRC_EXECUTOR_PAGE_TABLES_H_
#define LIBINSTAR_VMM_SRC_EXECUTOR_PAGE_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "executor/guest_layout.h"

namespace instar::vmm {

// Guest-physical addresses; guest memory starts at physical 0. The PML4 stands at 0.
inline constexpr std::uint64_t kTssPhysical = 0x2000;
inline constexpr std::uint32_t kTssLimit = 0x68 + 8192;
inline constexpr std::uint64_t kTssVirtual = INSTAR_GUEST_BASE + kTssPhysical;

// Writes tables and TSS into the first 64 KiB of `memory` (all zero before). Maps the layout's
// regions and the heap for the guest with their rights, the TSS read-only for the processor alone,
// and nothing else. False if the heap is too large for the space set aside (more than 4 GiB).
bool BuildPageTables(const GuestLayout& layout, std::span<std::byte> memory);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_EXECUTOR_PAGE_TABLES_H_
