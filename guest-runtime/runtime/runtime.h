// Inside of the guest runtime: what entry, call table, heap and libc share.
#ifndef GUEST_RUNTIME_RUNTIME_RUNTIME_H_
#define GUEST_RUNTIME_RUNTIME_RUNTIME_H_

#include <cstddef>
#include <cstdint>

#include "instar/abi/call_table.h"
#include "instar/abi/mailbox.h"

namespace instar::guest {

// The block of the vCPU this runs on.
inline instar_vcpu* ThisVcpu() {
  instar_vcpu* self;
  asm("mov %%fs:0, %0" : "=r"(self));
  return self;
}

// Sends the request in this vCPU's mailbox and returns when the host has answered it.
void Ring();

// The call table that rings the doorbell.
const instar_call_table& CallTable();

// What the host said when the guest began.
const instar_boot& Boot();

void InitBoot(const instar_boot& boot);
void InitCallTable(const instar_boot& boot);
void InitHeap(std::uint64_t start, std::uint64_t bytes);

// Ends the guest with an error in one line.
[[noreturn]] void Die(std::uint32_t error_code, const char* message);

// Mutual exclusion between vCPUs for a few instructions.
class SpinLock {
 public:
  void Lock() {
    while (__atomic_exchange_n(&locked_, 1, __ATOMIC_ACQUIRE) != 0) {
      while (__atomic_load_n(&locked_, __ATOMIC_RELAXED) != 0) __builtin_ia32_pause();
    }
  }
  void Unlock() { __atomic_store_n(&locked_, 0, __ATOMIC_RELEASE); }

 private:
  int locked_ = 0;
};

}  // namespace instar::guest

// What each image implements: the whole of one verb. Ends through the table's finish or fail.
extern "C" void instar_guest_main(const instar_call_table* table, const std::byte* request,
                                  std::size_t request_bytes);

#endif  // GUEST_RUNTIME_RUNTIME_RUNTIME_H_
