#include "operation/error_text.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <cstring>

#include "formats/base/error.h"
#include "report/error_reason.h"

namespace instar::vmm {
namespace {

absl::StatusCode CodeOf(std::uint32_t error_code) {
  switch (static_cast<ErrorCode>(error_code)) {
    case ErrorCode::kCorrupt:
      return absl::StatusCode::kDataLoss;
    case ErrorCode::kUnsupported:
      return absl::StatusCode::kUnimplemented;
    case ErrorCode::kIo:
      return absl::StatusCode::kUnknown;
    case ErrorCode::kLimit:
    case ErrorCode::kNoSpace:
      return absl::StatusCode::kResourceExhausted;
    case ErrorCode::kDenied:
      return absl::StatusCode::kPermissionDenied;
    case ErrorCode::kInvalidArgument:
      return absl::StatusCode::kInvalidArgument;
    case ErrorCode::kNotFound:
      return absl::StatusCode::kNotFound;
  }
  return absl::StatusCode::kUnknown;  // a number no planner uses: the guest made it up
}

void AppendPrintable(std::string& text, char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte >= 0x20 && byte < 0x7F) {
    text.push_back(c);
  } else {
    absl::StrAppendFormat(&text, "\\x%02x", byte);
  }
}

// The text that an Error made by MakeTextError holds in its numbers.
void AppendText(std::string& text, const std::array<std::uint64_t, 3>& numbers) {
  for (std::size_t i = 0; i < 8 * numbers.size(); ++i) {
    const auto byte = static_cast<unsigned char>(numbers[i / 8] >> (8 * (i % 8)));
    if (byte == 0) return;
    AppendPrintable(text, static_cast<char>(byte));
  }
}

}  // namespace

std::string RenderGuestMessage(std::string_view message,
                               const std::array<std::uint64_t, 3>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < message.size(); ++i) {
    const std::string_view rest = message.substr(i);
    if (rest.size() >= 3 && rest[0] == '{' && rest[1] >= '0' && rest[1] <= '2') {
      const std::uint64_t number = numbers[static_cast<std::size_t>(rest[1] - '0')];
      if (rest[2] == '}') {
        absl::StrAppend(&text, number);
        i += 2;
        continue;
      }
      if (rest.size() >= 4 && rest[2] == 'x' && rest[3] == '}') {
        absl::StrAppendFormat(&text, "0x%x", number);
        i += 3;
        continue;
      }
    }
    if (rest.starts_with("{t}")) {
      AppendText(text, numbers);
      i += 2;
      continue;
    }
    AppendPrintable(text, message[i]);
  }
  return text;
}

std::string FirstDeviceName(const Broker& broker) {
  const std::string path = broker.device(DeviceId{0}).path;
  return path.empty() ? "image" : path;
}

absl::Status FailureStatus(const Broker& broker, const Outcome& outcome) {
  std::string text = broker.host_failure();
  const bool host_saw_it = outcome.error_code == static_cast<std::uint32_t>(ErrorCode::kIo) ||
                           outcome.error_code == static_cast<std::uint32_t>(ErrorCode::kNoSpace) ||
                           outcome.error_code == static_cast<std::uint32_t>(ErrorCode::kDenied) ||
                           outcome.error_code == static_cast<std::uint32_t>(ErrorCode::kNotFound) ||
                           // A limit the host keeps, not one of the planner's own: these are the
                           // words of a call that failed.
                           outcome.error_message == "a limit of the sandbox was reached";
  if (text.empty() || !host_saw_it) {
    const DeviceRecord record = broker.device(DeviceId{outcome.error_device});
    text = RenderGuestMessage(outcome.error_message, outcome.error_numbers);
    if (text.empty()) text = "failed without a reason";
    // The guest's words where its heap is full.
    if (text == "the image needs more memory than the sandbox has") {
      text += "; --max-memory and the limit of address space (ulimit -v) say how much it has";
    }
    if (!record.path.empty()) text = absl::StrCat(record.path, ": ", text);
    if (outcome.error_errno > 0 && outcome.error_errno < 4096) {
      absl::StrAppend(&text, ": ", ErrorReason(outcome.error_errno));
    }
  }
  return absl::Status(CodeOf(outcome.error_code), text);
}

}  // namespace instar::vmm
