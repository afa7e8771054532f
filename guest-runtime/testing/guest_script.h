// The script that the scripted guest (scripted_guest.cc) runs: what a guest that was taken over
// does, written by tests/hostile/guest/script.py.
//
// The script stands at the start of a file that the user names, so the same program runs under
// every verb. It is a header, then steps of one size, then bytes that steps refer to (records,
// names). Several programs may begin among the steps: the first is the first vCPU's, and a worker
// that is started runs the one whose step is its argument.
//
//   0     Header
//   64    Step[step_count]
//   ...   bytes, up to script_bytes
#ifndef GUEST_RUNTIME_TESTING_GUEST_SCRIPT_H_
#define GUEST_RUNTIME_TESTING_GUEST_SCRIPT_H_

#include <cstdint>

namespace instar::guest {

inline constexpr std::uint64_t kScriptMagic = 0x54504952'4C495645;  // "EVILRIPT"

struct ScriptHeader {
  std::uint64_t magic;
  std::uint64_t script_bytes;  // all of it, this header included
  std::uint64_t step_count;
  std::uint64_t arena_bytes;  // of memory that the steps may use
  std::uint64_t reserved[4];
};
static_assert(sizeof(ScriptHeader) == 64);

enum class StepCode : std::uint32_t {
  kDone = 0,       // the program ends: the first vCPU finishes, a worker says that it is done
  kRing,           // op, six arguments; sets the result
  kFill,           // address, bytes, value
  kStore,          // address, 8 bytes
  kStore32,        // address, 4 bytes
  kCopy,           // to, from, bytes
  kSet,            // register, value
  kAdd,            // register, value
  kLoad,           // register, address
  kJump,           // step
  kJumpBelow,      // register, bound, step: counts the register up, goes there while it is below
  kJumpNegative,   // step: if the result is a failure
  kExpect,         // result; otherwise the guest fails and says what it saw
  kExpectFailure,  // any
  kExpectLoad,     // address, value
  kSpin,           // for ever
  kPause,          // so many times
  kFlip,           // address, value, other value: writes them in turn for ever
  kFail,           // code, device, errno, address of the message, its bytes, first number
  kSystemCall,     // number, six arguments
  kOut,            // port
  kCall,           // address
  kNumberOf,
};

// What is added to an argument's value.
enum class ScriptBase : std::uint8_t {
  kNothing = 0,
  kArena,
  kScript,        // the script in memory
  kMailbox,       // of this vCPU
  kMailboxOf,     // of vCPU number value >> 32, plus the lower half
  kBoot,          // the boot block
  kEnd,           // of guest memory
  kWorker,        // the function that a worker runs
  kResult,        // of the last ring
  kSecondResult,  // of the last ring
  kRegister,      // the register of that number, instead
};

struct ScriptStep {
  StepCode code;
  ScriptBase bases[7];
  std::uint8_t reserved[5];
  std::uint64_t arguments[7];
};
static_assert(sizeof(ScriptStep) == 72);

inline constexpr unsigned kScriptRegisters = 16;  // a vCPU

}  // namespace instar::guest

#endif  // GUEST_RUNTIME_TESTING_GUEST_SCRIPT_H_
