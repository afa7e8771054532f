// What the broker answers a guest where there is nothing to hand back.
#ifndef LIBINSTAR_VMM_SRC_BROKER_CALL_RESULTS_H_
#define LIBINSTAR_VMM_SRC_BROKER_CALL_RESULTS_H_

#include <cstdint>

#include "executor/call_handler.h"
#include "formats/base/error.h"
#include "instar/abi/call_table.h"

namespace instar::vmm {

inline constexpr CallResult kDone{};

// `error`: an errno, or 0.
[[nodiscard]] inline CallResult Refused(ErrorCode code, int error = 0) {
  return {.result = INSTAR_CALL_ERROR(static_cast<std::uint32_t>(code), error), .value = 0};
}

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_CALL_RESULTS_H_
