#include "executor/guest_layout.h"

#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "instar/abi/call_table.h"

namespace instar::vmm {
namespace {

constexpr std::uint64_t RoundUp(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

template <typename T>
T* At(std::span<std::byte> memory, std::uint64_t address) {
  return reinterpret_cast<T*>(memory.data() + (address - INSTAR_GUEST_BASE));
}

}  // namespace

GuestLayout PlanGuest(LoadedImage image, const GuestExtent& extent) {
  GuestLayout layout;
  layout.workers = extent.workers;
  layout.boot = image.end;
  layout.devices = layout.boot + RoundUp(sizeof(instar_boot), 64);
  layout.device_count = extent.device_count;
  layout.request = layout.devices + RoundUp(extent.device_count * sizeof(instar_device_info), 64);
  layout.request_bytes = extent.request_bytes;
  layout.vcpu_pages = RoundUp(layout.request + extent.request_bytes, kSmallPage);
  layout.stacks = layout.vcpu_pages + extent.workers * kSmallPage;
  layout.heap = layout.stacks + extent.workers * (kSmallPage + kStackBytes);
  layout.fine_end = RoundUp(layout.heap, kLargePage);
  layout.end = layout.fine_end + RoundUp(extent.heap_bytes, kLargePage);
  layout.image = std::move(image);
  return layout;
}

std::vector<GuestRegion> GuestLayout::Regions() const {
  std::vector<GuestRegion> regions;
  for (const GuestSegment& segment : image.segments) {
    regions.push_back({segment.address, RoundUp(segment.memory_bytes, kSmallPage), segment.writable,
                       segment.executable});
  }
  regions.push_back({boot, stacks - boot, true, false});
  for (unsigned i = 0; i < workers; ++i) {
    regions.push_back({stack_top(i) - kStackBytes, kStackBytes, true, false});
  }
  if (fine_end > heap) regions.push_back({heap, fine_end - heap, true, false});
  return regions;
}

void FillGuest(const GuestLayout& layout, const GuestContent& content,
               std::span<std::byte> memory) {
  for (const GuestSegment& segment : layout.image.segments) {
    std::memcpy(At<std::byte>(memory, segment.address), segment.content.data(),
                segment.content.size());
  }
  std::ranges::copy(content.request.first(layout.request_bytes),
                    At<std::byte>(memory, layout.request));
  std::ranges::copy(content.devices.first(layout.device_count),
                    At<instar_device_info>(memory, layout.devices));
  *At<instar_boot>(memory, layout.boot) = {
      .magic = INSTAR_ABI_MAGIC,
      .version = INSTAR_ABI_VERSION,
      .max_workers = layout.workers,
      .device_count = static_cast<std::uint32_t>(layout.device_count),
      .heap_start = layout.heap,
      .heap_bytes = layout.end - layout.heap,
      .request = layout.request,
      .request_bytes = layout.request_bytes,
      .devices = layout.devices};
  std::ranges::copy(layout.image.parts, At<instar_boot>(memory, layout.boot)->parts);
  std::uint64_t canary = 0;
  // Without randomness the canary still stops strings that run over: it begins with a zero byte.
  if (getrandom(&canary, sizeof canary, GRND_NONBLOCK) != sizeof canary)
    canary = 0x9E3779B97F4A7C15;
  canary &= ~std::uint64_t{0xFF};
  for (unsigned i = 0; i < layout.workers; ++i) {
    *At<instar_vcpu>(memory, layout.vcpu(i)) = {
        .self = reinterpret_cast<instar_vcpu*>(layout.vcpu(i)),
        .mailbox = reinterpret_cast<instar_mailbox*>(layout.vcpu(i) + kMailboxOffset),
        .index = i,
        .doorbell = static_cast<std::uint32_t>(content.doorbell),
        .reserved = {},
        .canary = canary};
  }
}

void LowerMaxWorkers(instar_boot& boot, unsigned count) {
  std::uint32_t now = __atomic_load_n(&boot.max_workers, __ATOMIC_RELAXED);
  while (count < now && !__atomic_compare_exchange_n(&boot.max_workers, &now, count, false,
                                                     __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
  }
}

GuestMemory ViewGuest(const GuestLayout& layout, std::span<std::byte> memory) {
  GuestMemory::Bounds bounds = {.readable_from = layout.end,
                                .writable_from = layout.boot,
                                .parts_start = layout.image.image_end,
                                .parts_end = layout.image.end};
  for (const GuestSegment& segment : layout.image.segments) {
    if (segment.address >= bounds.parts_start) break;
    if (!segment.executable) bounds.readable_from = std::min(bounds.readable_from, segment.address);
    if (segment.writable) bounds.writable_from = std::min(bounds.writable_from, segment.address);
  }
  return GuestMemory(INSTAR_GUEST_BASE, memory, bounds);
}

}  // namespace instar::vmm
