#include "runtime.h"

namespace instar::guest {
namespace {

// Futex on the shared mailbox: the process executor's doorbell. These are the only system calls a
// guest image contains; in a virtual machine they are never reached, and would end it.
long Futex(std::uint32_t* word, int operation, std::uint32_t value) {
  long result;
  register long timeout asm("r10") = 0;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(202), "D"(word), "S"(operation), "d"(value), "r"(timeout)
               : "rcx", "r11", "memory");
  return result;
}
constexpr int kFutexWait = 0;
constexpr int kFutexWake = 1;

void RingFutex(instar_mailbox* mailbox) {
  __atomic_store_n(&mailbox->state, INSTAR_MAILBOX_REQUEST, __ATOMIC_RELEASE);
  Futex(&mailbox->state, kFutexWake, 1);
  while (__atomic_load_n(&mailbox->state, __ATOMIC_ACQUIRE) == INSTAR_MAILBOX_REQUEST) {
    Futex(&mailbox->state, kFutexWait, INSTAR_MAILBOX_REQUEST);
  }
}

constinit const instar_boot* the_boot = nullptr;

}  // namespace

const instar_boot& Boot() { return *the_boot; }
void InitBoot(const instar_boot& boot) { the_boot = &boot; }

void Ring() {
  instar_vcpu* vcpu = ThisVcpu();
  if (vcpu->doorbell == INSTAR_DOORBELL_PORT_IO) {
    asm volatile("outb %%al, %%dx" : : "a"(0), "d"(INSTAR_DOORBELL_PORT) : "memory");
  } else {
    RingFutex(vcpu->mailbox);
  }
}

void Die(std::uint32_t error_code, const char* message) {
  instar_failure failure{};
  failure.code = error_code;
  failure.device = 0xFFFFFFFF;
  failure.message = message;
  failure.message_length = static_cast<std::uint32_t>(__builtin_strlen(message));
  CallTable().fail(CallTable().context, &failure);
  __builtin_trap();
}

}  // namespace instar::guest

// These run before the stack protector's canary can be relied on, hence the attribute.
extern "C" [[gnu::no_stack_protector, noreturn]] void instar_guest_start(const instar_boot* boot) {
  if (boot->magic != INSTAR_ABI_MAGIC || boot->version != INSTAR_ABI_VERSION) __builtin_trap();
  instar::guest::InitBoot(*boot);
  instar::guest::InitHeap(boot->heap_start, boot->heap_bytes);
  instar::guest::InitCallTable(*boot);
  const instar_call_table& calls = instar::guest::CallTable();
  instar_guest_main(&calls, reinterpret_cast<const std::byte*>(boot->request), boot->request_bytes);
  calls.finish(calls.context);
  __builtin_trap();
}

// A worker runs one function after another; telling that one is done returns when there is a next.
extern "C" [[gnu::no_stack_protector, noreturn]] void instar_worker_start() {
  instar_vcpu* vcpu = instar::guest::ThisVcpu();
  for (;;) {
    const auto function =
        reinterpret_cast<void (*)(void*, unsigned)>(vcpu->mailbox->start_function);
    function(reinterpret_cast<void*>(vcpu->mailbox->start_argument), vcpu->index);
    vcpu->mailbox->op = INSTAR_OP_WORKER_DONE;
    instar::guest::Ring();
  }
}
