// A guest image for tests that was taken over: whatever verb it stands in for, it runs the script
// at the start of the first file that holds one (guest_script.h).
#include <cstdint>
#include <cstring>
#include <new>

#include "formats/base/error.h"
#include "runtime/runtime.h"
#include "testing/guest_script.h"

namespace instar::guest {
namespace {

constexpr unsigned kDevicesLookedAt = 8;

const std::byte* script = nullptr;
std::uint64_t step_count = 0;
std::byte* arena = nullptr;
std::uint64_t first_mailbox = 0;
std::uint64_t boot_address = 0;
std::uint64_t memory_end = 0;
volatile std::uint64_t sink = 0;

[[noreturn]] void DieWith(const char* message, std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  instar_failure failure{};
  failure.code = static_cast<std::uint32_t>(ErrorCode::kCorrupt);
  failure.device = 0xFFFFFFFF;
  failure.message = message;
  failure.message_length = static_cast<std::uint32_t>(std::strlen(message));
  failure.numbers[0] = a;
  failure.numbers[1] = b;
  failure.numbers[2] = c;
  CallTable().fail(CallTable().context, &failure);
  __builtin_trap();
}

template <typename T>
volatile T* At(std::uint64_t address) {
  return reinterpret_cast<volatile T*>(address);
}

std::uint64_t SystemCall(const std::uint64_t (&a)[7]) {
  std::uint64_t result;
  register std::uint64_t r10 asm("r10") = a[4];
  register std::uint64_t r8 asm("r8") = a[5];
  register std::uint64_t r9 asm("r9") = a[6];
  asm volatile("syscall"
               : "=a"(result)
               : "a"(a[0]), "D"(a[1]), "S"(a[2]), "d"(a[3]), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

void RunWorker(void* first_step, unsigned worker);

// Runs the program of one vCPU.
class Runner {
 public:
  void Run(std::uint64_t next) {
    while (next < step_count) {
      const std::uint64_t current = next++;
      ScriptStep step;
      std::memcpy(&step, script + sizeof(ScriptHeader) + current * sizeof(step), sizeof(step));
      std::uint64_t a[7];
      for (unsigned i = 0; i < 7; ++i) a[i] = Resolve(step.bases[i], step.arguments[i]);
      switch (step.code) {
        case StepCode::kDone:
          return;
        case StepCode::kRing:
          RingWith(a);
          break;
        case StepCode::kFill:
          std::memset(reinterpret_cast<void*>(a[0]), static_cast<int>(a[2]), a[1]);
          break;
        case StepCode::kStore:
          *At<std::uint64_t>(a[0]) = a[1];
          break;
        case StepCode::kStore32:
          *At<std::uint32_t>(a[0]) = static_cast<std::uint32_t>(a[1]);
          break;
        case StepCode::kCopy:
          std::memcpy(reinterpret_cast<void*>(a[0]), reinterpret_cast<const void*>(a[1]), a[2]);
          break;
        case StepCode::kSet:
          Register(a[0]) = a[1];
          break;
        case StepCode::kAdd:
          Register(a[0]) += a[1];
          break;
        case StepCode::kLoad:
          Register(a[0]) = *At<const std::uint64_t>(a[1]);
          break;
        case StepCode::kJump:
          next = a[0];
          break;
        case StepCode::kJumpBelow:
          if (++Register(a[0]) < a[1]) next = a[2];
          break;
        case StepCode::kJumpNegative:
          if (static_cast<std::int64_t>(result_) < 0) next = a[0];
          break;
        case StepCode::kExpect:
          if (result_ != a[0]) DieWith("step {0}: result {1x}, not {2x}", current, result_, a[0]);
          break;
        case StepCode::kExpectFailure:
          if (static_cast<std::int64_t>(result_) >= 0) {
            DieWith("step {0}: result {1x}, not a failure", current, result_, 0);
          }
          break;
        case StepCode::kExpectLoad: {
          const std::uint64_t found = *At<const std::uint64_t>(a[0]);
          if (found != a[1]) DieWith("step {0}: memory holds {1x}, not {2x}", current, found, a[1]);
          break;
        }
        case StepCode::kSpin:
          for (;;) sink = sink + 1;
        case StepCode::kPause:
          for (std::uint64_t i = 0; i < a[0]; ++i) __builtin_ia32_pause();
          break;
        case StepCode::kFlip:
          for (;;) {
            *At<std::uint64_t>(a[0]) = a[1];
            *At<std::uint64_t>(a[0]) = a[2];
          }
        case StepCode::kFail:
          Fail(a);
          break;
        case StepCode::kSystemCall:
          result_ = SystemCall(a);
          break;
        case StepCode::kOut:
          asm volatile("outb %%al, %%dx" : : "a"(0), "d"(static_cast<std::uint16_t>(a[0])));
          break;
        case StepCode::kCall:
          reinterpret_cast<void (*)()>(a[0])();
          break;
        case StepCode::kNumberOf:
        default:
          DieWith("step {0}: no such code", current, 0, 0);
      }
    }
  }

 private:
  std::uint64_t& Register(std::uint64_t number) { return registers_[number % kScriptRegisters]; }

  std::uint64_t Resolve(ScriptBase base, std::uint64_t value) {
    constexpr std::uint64_t kVcpuBytes = 4096;
    switch (base) {
      case ScriptBase::kNothing:
        return value;
      case ScriptBase::kArena:
        return reinterpret_cast<std::uint64_t>(arena) + value;
      case ScriptBase::kScript:
        return reinterpret_cast<std::uint64_t>(script) + value;
      case ScriptBase::kMailbox:
        return reinterpret_cast<std::uint64_t>(ThisVcpu()->mailbox) + value;
      case ScriptBase::kMailboxOf:
        return first_mailbox + (value >> 32) * kVcpuBytes + (value & 0xFFFFFFFF);
      case ScriptBase::kBoot:
        return boot_address + value;
      case ScriptBase::kEnd:
        return memory_end + value;
      case ScriptBase::kWorker:
        return reinterpret_cast<std::uint64_t>(&RunWorker) + value;
      case ScriptBase::kResult:
        return result_ + value;
      case ScriptBase::kSecondResult:
        return second_result_ + value;
      case ScriptBase::kRegister:
        return Register(value);
    }
    return value;
  }

  void RingWith(const std::uint64_t (&a)[7]) {
    instar_mailbox* mailbox = ThisVcpu()->mailbox;
    mailbox->op = static_cast<std::uint32_t>(a[0]);
    for (int i = 0; i < 6; ++i) mailbox->args[i] = a[i + 1];
    asm volatile("" : : : "memory");
    Ring();
    asm volatile("" : : : "memory");
    result_ = static_cast<std::uint64_t>(mailbox->result);
    second_result_ = mailbox->value;
  }

  static void Fail(const std::uint64_t (&a)[7]) {
    instar_failure failure{};
    failure.code = static_cast<std::uint32_t>(a[0]);
    failure.device = static_cast<std::uint32_t>(a[1]);
    failure.os_errno = static_cast<std::int32_t>(a[2]);
    failure.message = reinterpret_cast<const char*>(a[3]);
    failure.message_length = static_cast<std::uint32_t>(a[4]);
    failure.numbers[0] = a[5];
    CallTable().fail(CallTable().context, &failure);
  }

  std::uint64_t registers_[kScriptRegisters] = {};
  std::uint64_t result_ = 0;
  std::uint64_t second_result_ = 0;
};

void RunWorker(void* first_step, unsigned) {
  Runner runner;
  runner.Run(reinterpret_cast<std::uint64_t>(first_step));
}

bool ReadFrom(const instar_call_table& table, std::uint32_t device, void* into,
              std::uint64_t bytes) {
  const instar_io io = {
      .device = device, .reserved = 0, .offset = 0, .data = into, .length = bytes};
  return table.read(table.context, &io, 1) >= 0;
}

// The first device that begins with a script.
bool LoadScript(const instar_call_table& table) {
  for (std::uint32_t device = 0; device < kDevicesLookedAt; ++device) {
    ScriptHeader header{};
    if (!ReadFrom(table, device, &header, sizeof(header)) || header.magic != kScriptMagic) continue;
    auto* const bytes = new std::byte[header.script_bytes];
    if (!ReadFrom(table, device, bytes, header.script_bytes)) return false;
    script = bytes;
    step_count = header.step_count;
    arena = new std::byte[header.arena_bytes];
    return true;
  }
  return false;
}

// The boot block stands somewhat before the request.
void FindBootBlock(const std::byte* request) {
  for (auto address = reinterpret_cast<std::uint64_t>(request) & ~std::uint64_t{63};;
       address -= 64) {
    const auto* boot = reinterpret_cast<const instar_boot*>(address);
    if (boot->magic != INSTAR_ABI_MAGIC || boot->version != INSTAR_ABI_VERSION) continue;
    boot_address = address;
    memory_end = boot->heap_start + boot->heap_bytes;
    return;
  }
}

}  // namespace
}  // namespace instar::guest

extern "C" void instar_guest_main(const instar_call_table* table, const std::byte* request,
                                  std::size_t) {
  using namespace instar::guest;
  first_mailbox = reinterpret_cast<std::uint64_t>(ThisVcpu()->mailbox);
  FindBootBlock(request);
  if (!LoadScript(*table)) Die(1, "no file begins with a script");
  Runner runner;
  runner.Run(0);
}
