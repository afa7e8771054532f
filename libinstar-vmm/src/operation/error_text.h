// Turns how a guest ended into one line for people. Everything a guest said is untrusted text.
#ifndef LIBINSTAR_VMM_SRC_OPERATION_ERROR_TEXT_H_
#define LIBINSTAR_VMM_SRC_OPERATION_ERROR_TEXT_H_

#include <absl/status/status.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/broker.h"
#include "executor/executor.h"

namespace instar::vmm {

// Fills the numbers into a message ("{0}" decimal, "{0x}" hexadecimal) and makes what is not
// printable ASCII visible as \xNN.
std::string RenderGuestMessage(std::string_view message,
                               const std::array<std::uint64_t, 3>& numbers);

// The status for an outcome of kind kFailed: "disk.qcow2: message: No space left on device". Where
// the host itself saw the failure, the host's words are used.
absl::Status FailureStatus(const Broker& broker, const Outcome& outcome);

// The file the operation is about: the first one opened.
std::string FirstDeviceName(const Broker& broker);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_OPERATION_ERROR_TEXT_H_
