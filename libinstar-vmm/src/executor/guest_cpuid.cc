#include "executor/guest_cpuid.h"

#include <cpuid.h>

namespace instar::vmm {
namespace {

// Where this machine is itself virtual each look at a leaf takes a trip to its hypervisor, some
// microseconds: none is looked at twice.

// Leaf 1, ECX: SSE3 PCLMULQDQ SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX F16C. OSXSAVE
// follows CR4.
constexpr std::uint32_t kLeaf1Ecx = 1u << 0 | 1u << 1 | 1u << 9 | 1u << 12 | 1u << 13 | 1u << 19 |
                                    1u << 20 | 1u << 22 | 1u << 23 | 1u << 25 | 1u << 26 |
                                    1u << 28 | 1u << 29;
constexpr std::uint32_t kLeaf1EcxXsave = 1u << 26;
// Leaf 1, EDX: FPU TSC MSR PAE CX8 PGE CMOV PAT CLFSH MMX FXSR SSE SSE2.
constexpr std::uint32_t kLeaf1Edx = 1u << 0 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 8 | 1u << 13 |
                                    1u << 15 | 1u << 16 | 1u << 19 | 1u << 23 | 1u << 24 |
                                    1u << 25 | 1u << 26;
// Leaf 7, EBX: BMI1 AVX2 BMI2 ERMS.
constexpr std::uint32_t kLeaf7Ebx = 1u << 3 | 1u << 5 | 1u << 8 | 1u << 9;
constexpr std::uint32_t kLeaf7Edx = 1u << 4;  // fast short REP MOV
// Leaf 80000001: LAHF LZCNT; NX and long mode.
constexpr std::uint32_t kExtendedEcx = 1u << 0 | 1u << 5;
constexpr std::uint32_t kExtendedEdx = 1u << 20 | 1u << 29;
constexpr std::uint32_t kXcr0 = 7;  // x87, SSE, AVX

// The leaf as an entry of `cpuid`; null above `highest`, the last leaf of its range.
kvm_cpuid_entry2* Add(GuestCpuid& cpuid, std::uint32_t leaf, bool indexed, std::uint32_t highest) {
  if (leaf > highest) return nullptr;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  __cpuid_count(leaf, 0, eax, ebx, ecx, edx);
  kvm_cpuid_entry2* entry = &cpuid.entries[cpuid.count++];
  entry->function = leaf;
  entry->flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
  entry->eax = eax;
  entry->ebx = ebx;
  entry->ecx = ecx;
  entry->edx = edx;
  return entry;
}

}  // namespace

GuestCpuid DescribeGuestCpu() {
  GuestCpuid cpuid;
  auto* vendor = Add(cpuid, 0, false, 0);
  const std::uint32_t highest = vendor->eax;
  vendor->eax = highest < 13 ? highest : 13;
  if (auto* features = Add(cpuid, 1, false, highest)) {
    features->ecx &= kLeaf1Ecx;
    features->edx &= kLeaf1Edx;
  }
  if (auto* features = Add(cpuid, 7, true, highest)) {
    features->eax = 0;
    features->ebx &= kLeaf7Ebx;
    features->ecx = 0;
    features->edx &= kLeaf7Edx;
  }
  if (cpuid.xsave()) {
    if (auto* state = Add(cpuid, 13, true, highest)) {
      state->eax &= kXcr0;
      state->edx = 0;
    }
  }
  auto* extended = Add(cpuid, 0x80000000, false, 0x80000000);
  const std::uint32_t highest_extended = extended->eax;
  extended->eax = 0x80000008;
  if (auto* features = Add(cpuid, 0x80000001, false, highest_extended)) {
    features->ecx &= kExtendedEcx;
    features->edx &= kExtendedEdx;
  }
  Add(cpuid, 0x80000008, false, highest_extended);  // address widths
  return cpuid;
}

bool GuestCpuid::xsave() const {
  for (std::uint32_t i = 0; i < count; ++i) {
    if (entries[i].function == 1) return (entries[i].ecx & kLeaf1EcxXsave) != 0;
  }
  return false;
}

}  // namespace instar::vmm
