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
  kAskForDevices,  // 0 and 1, whose sizes must be 10 and 11; 2; and 0 again after resizing it
};

}  // namespace instar::guest

#endif  // GUEST_RUNTIME_TESTING_MISBEHAVE_H_
