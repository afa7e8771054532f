// The format that a caller stated for an image.
#ifndef VERBS_REQUESTED_FORMAT_H_
#define VERBS_REQUESTED_FORMAT_H_

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <string>

#include "formats/base/ids.h"
#include "report/printable_text.h"

namespace instar::vmm {

// Whether `driver` is one that gives out a file as it is, which as a format is raw.
[[nodiscard]] inline bool IsFileDriver(const std::string& driver) {
  return driver == "file" || driver == "host_device";
}

// kUnknown where `name` is empty: the image's content decides. kInvalidArgument, in a sentence
// that names the image `path`, where there is no such format.
inline absl::StatusOr<FormatId> RequestedFormat(const std::string& path, const std::string& name) {
  const FormatId format = IsFileDriver(name) ? FormatId::kRaw : FormatFromName(name);
  if (!name.empty() && format == FormatId::kUnknown) {
    return absl::InvalidArgumentError(absl::StrCat(
        "Could not open '", PrintableText(path), "': Unknown driver '", PrintableText(name), "'"));
  }
  return format;
}

}  // namespace instar::vmm

#endif  // VERBS_REQUESTED_FORMAT_H_
