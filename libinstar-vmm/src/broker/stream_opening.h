// Pipes and the like that the user named: "-", /dev/stdin, /dev/stdout, /dev/fd/N, and files that
// are FIFOs. They are read once from their start to their end, or written so.
//
// "-" is standard input or output whatever that is; the other names only where they are no regular
// file and no block device, which are opened like any other. A file called "-" is "./-".
#ifndef LIBINSTAR_VMM_SRC_BROKER_STREAM_OPENING_H_
#define LIBINSTAR_VMM_SRC_BROKER_STREAM_OPENING_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "broker/device_table.h"

namespace instar::vmm {

// What a name that stands for standard input or output stands for, where that can be opened again
// as a file: "/dev/stdin" for "-" if that is a file of which nothing was read yet. Else `name`.
std::string ReopenedInput(const std::string& name);

[[nodiscard]] bool IsInputStream(const std::string& name);
[[nodiscard]] bool IsOutputStream(const std::string& name);
// Whether what is written to `name` goes to standard output, where nothing else may go then.
[[nodiscard]] bool IsStandardOutputName(const std::string& name);

// Opening a FIFO waits for whoever is at its other end. kInvalidArgument for a terminal.
absl::StatusOr<std::unique_ptr<Device>> OpenInputStream(const std::string& name);
absl::StatusOr<std::unique_ptr<Device>> OpenOutputStream(const std::string& name);

// Reads the stream of `device` to its end, into a file without a name in the directory of `beside`,
// and makes it a device of that file. kResourceExhausted beyond `max_bytes`.
absl::Status SpoolInput(Device& device, const std::string& beside, std::uint64_t max_bytes);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_STREAM_OPENING_H_
