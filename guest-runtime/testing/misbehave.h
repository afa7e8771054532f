// What the tests' guest image can be asked to do. Request fields of instar/wire.h.
#ifndef GUEST_RUNTIME_TESTING_MISBEHAVE_H_
#define GUEST_RUNTIME_TESTING_MISBEHAVE_H_

#include <cstdint>

namespace instar::guest {

inline constexpr std::uint32_t kMisdeedTag = 1;
inline constexpr std::uint32_t kRawOpTag = 2;
inline constexpr std::uint32_t kRawArgTag = 10;  // to 15

enum class Misdeed : std::uint64_t {
  kNone = 0,
  kSpin,
  kEndlessRequests,
  kEndlessWaking,  // of the host, without a request
  kNullRead,
  kWriteCode,
  kWriteReadOnlyData,
  kExecuteData,
  kReadPageTables,
  kStackOverflow,
  kDivideByZero,
  kPrivilegedInstruction,
  kSystemCall,
  kOtherPort,
  kExhaustMemory,
  kRawRequest,
  kParallelCount,
  kFaultInWorker,
  kTooManyWorkers,
  kFailPlainly,
  kWorkerSpins,            // while the first vCPU has joined
  kFlushBesideSpin,        // the first vCPU flushes device 0, the other spins
  kAllYield,               // for ever
  kRewrite,                // the first MiB of device 1, copied from device 0, for ever
  kDiscardFarThenRewrite,  // the same after a discard of device 1 at 2^62 and a write at 2^40
  kRewriteInOneRequest,    // the same MiB as often as one request may say it, for ever
  kDripRecords,            // one record after the other, with much thought between them
  kWriteAt,                // the first raw argument
  kCallAt,                 // the same, as a function that returns at once
  kCompress,               // with deflate, which is a part
  kAskForDevices,  // 0 and 1, whose sizes must be 10 and 11; 2; and 0 again after resizing it
};

}  // namespace instar::guest

#endif  // GUEST_RUNTIME_TESTING_MISBEHAVE_H_
