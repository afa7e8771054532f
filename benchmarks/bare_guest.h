// The least that a KVM guest is: a machine with one page of memory and one processor, which
// executes one instruction and stops. No file is opened, nothing is confined, and nothing is looked
// at.
#ifndef INSTAR_BENCHMARKS_BARE_GUEST_H_
#define INSTAR_BENCHMARKS_BARE_GUEST_H_

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace instar::bench {

inline int CheckGuest(int result, const char* what) {
  if (result >= 0) return result;
  std::perror(what);
  std::exit(1);
}

inline void* MapGuest(std::size_t bytes, int flags, int fd) {
  void* const mapping = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (mapping != MAP_FAILED) return mapping;
  std::perror("mmap");
  std::exit(1);
}

// Ends the process with 1 where that cannot be. The machine stays until the process ends.
inline void RunBareGuest() {
  constexpr std::size_t kPage = 4096;
  constexpr unsigned char kHalt = 0xF4;
  const int kvm = CheckGuest(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
  const int vm = CheckGuest(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  auto* const memory =
      static_cast<unsigned char*>(MapGuest(kPage, MAP_PRIVATE | MAP_ANONYMOUS, -1));
  memory[0] = kHalt;
  const kvm_userspace_memory_region region{
      .slot = 0,
      .flags = 0,
      .guest_phys_addr = 0,
      .memory_size = kPage,
      .userspace_addr = reinterpret_cast<std::uintptr_t>(memory)};
  CheckGuest(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
  const int vcpu = CheckGuest(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
  const int run_bytes = CheckGuest(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
  const auto* const run =
      static_cast<const kvm_run*>(MapGuest(static_cast<std::size_t>(run_bytes), MAP_SHARED, vcpu));
  kvm_sregs special{};
  CheckGuest(ioctl(vcpu, KVM_GET_SREGS, &special), "KVM_GET_SREGS");
  special.cs.base = 0;
  special.cs.selector = 0;
  CheckGuest(ioctl(vcpu, KVM_SET_SREGS, &special), "KVM_SET_SREGS");
  kvm_regs registers{};
  registers.rflags = 2;
  CheckGuest(ioctl(vcpu, KVM_SET_REGS, &registers), "KVM_SET_REGS");
  CheckGuest(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
  if (run->exit_reason != KVM_EXIT_HLT) {
    std::fprintf(stderr, "the guest ended with %u, not by halting\n", run->exit_reason);
    std::exit(1);
  }
}

}  // namespace instar::bench

#endif  // INSTAR_BENCHMARKS_BARE_GUEST_H_
