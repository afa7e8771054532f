// Where everything stands in a guest's memory. The same in every executor that runs guest images.
//
//   base + 0        page tables and TSS (64 KiB; KVM executor only, invisible to the guest)
//   base + 64 KiB   the image: code, read-only data, data
//   base + 448 KiB  parts, each at an address of its own: code, read-only data. Only those that
//                   the run may need; without any, the rest follows on the image
//                   boot block, what is known of the first devices, and the request
//                   one page a vCPU: struct instar_vcpu, mailbox
//                   a stack a vCPU, each below an unmapped guard page
//                   heap, to the end
//
// Up to the first 2 MiB boundary after the stacks rights are set by 4 KiB pages, beyond it all is
// heap. Small verbs need nothing beyond, and so no large page of host memory either.
#ifndef LIBINSTAR_VMM_SRC_EXECUTOR_GUEST_LAYOUT_H_
#define LIBINSTAR_VMM_SRC_EXECUTOR_GUEST_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "executor/call_handler.h"
#include "executor/guest_image.h"
#include "instar/abi/call_table.h"
#include "instar/abi/mailbox.h"

namespace instar::vmm {

inline constexpr std::uint64_t kSmallPage = 4096;
inline constexpr std::uint64_t kLargePage = 2 << 20;
inline constexpr std::uint64_t kStackBytes = 128 << 10;
inline constexpr std::uint64_t kMailboxOffset = 256;  // within a vCPU's page

struct GuestRegion {
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
  bool writable = false;
  bool executable = false;
};

struct GuestLayout {
  LoadedImage image;
  unsigned workers = 1;
  std::uint64_t boot = 0;
  std::uint64_t devices = 0;
  std::uint64_t device_count = 0;
  std::uint64_t request = 0;
  std::uint64_t request_bytes = 0;
  std::uint64_t vcpu_pages = 0;
  std::uint64_t stacks = 0;  // guard page of the first
  std::uint64_t heap = 0;
  std::uint64_t fine_end = 0;  // 4 KiB rights up to here, large pages of heap beyond
  std::uint64_t end = 0;

  [[nodiscard]] std::uint64_t total_bytes() const { return end - INSTAR_GUEST_BASE; }
  [[nodiscard]] std::uint64_t vcpu(unsigned index) const { return vcpu_pages + index * kSmallPage; }
  [[nodiscard]] std::uint64_t stack_top(unsigned index) const {
    return stacks + (index + 1) * (kSmallPage + kStackBytes);
  }
  // What the guest may touch below fine_end, page aligned, ascending. Guard pages are in none.
  [[nodiscard]] std::vector<GuestRegion> Regions() const;
};

struct GuestExtent {
  unsigned workers = 1;
  std::uint64_t device_count = 0;
  std::uint64_t request_bytes = 0;
  std::uint64_t heap_bytes = 0;
};
GuestLayout PlanGuest(LoadedImage image, const GuestExtent& extent);

// What a guest finds in its memory besides its image.
struct GuestContent {
  std::span<const instar_device_info> devices;
  std::span<const std::byte> request;
  instar_doorbell doorbell = INSTAR_DOORBELL_PORT_IO;
};

// Copies image and content, as much of it as was planned, into `memory` (all zero before;
// total_bytes() of it) and fills in the control blocks.
void FillGuest(const GuestLayout& layout, const GuestContent& content, std::span<std::byte> memory);

// What the guest will read as the number of its vCPUs becomes `count` at most. Before it starts;
// the host and the process of the guest may do so at the same time.
void LowerMaxWorkers(instar_boot& boot, unsigned count);

// The host's checked view of `memory`.
GuestMemory ViewGuest(const GuestLayout& layout, std::span<std::byte> memory);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_EXECUTOR_GUEST_LAYOUT_H_
