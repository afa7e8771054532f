// What can be said of a convert's target before anything is opened for writing: that its format and
// options exist and agree.
#ifndef LIBINSTAR_VMM_SRC_VERBS_CONVERT_TARGET_H_
#define LIBINSTAR_VMM_SRC_VERBS_CONVERT_TARGET_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "formats/base/create_options.h"
#include "instar/vmm/convert.h"

namespace instar::vmm {

struct TargetPlan {
  FormatId format = FormatId::kRaw;
  CreateOptionList options;         // -o, without those that have a field of their own here
  std::string backing_name;         // -B or -o backing_file, empty for none
  std::string backing_format;       // -F or -o backing_fmt
  std::string data_file;            // -o data_file, empty for none
  bool zstd = false;                // whether compressed units are to be zstd's
  std::uint64_t extents_bytes = 0;  // of the disk, if the target is divided into files by it

  // Whether storage is provided before anything is written.
  [[nodiscard]] bool preallocates() const {
    const std::string_view how = SettingText(options.settings(), "preallocation");
    return !how.empty() && how != "off";
  }
};

// The format called `name`, if images of it can be made.
absl::StatusOr<FormatId> WritableFormat(const std::string& name);

// The options in `list` (-o), if each is one of `format` with a value of its kind.
absl::StatusOr<CreateOptionList> ReadOptionList(FormatId format, const std::string& list);
// The same of a list of which `specs` are the options that there are.
absl::StatusOr<CreateOptionList> ReadOptionList(std::span<const OptionSpec> specs,
                                                const std::string& list);

// Takes the name and the format of the backing file out of `options`. A string that is not empty
// keeps what it holds.
void TakeBacking(CreateOptionList& options, std::string& name, std::string& format);

// What is wrong with the backing file that a new image of `format` is to have, if anything: that
// images of the format have none, or that there is a format without a name. kInvalidArgument.
absl::Status CheckTakesBacking(FormatId format, std::string_view name,
                               std::string_view backing_format);

// The last value of the option `name` in `list`, each doubled comma made one; empty without it.
std::string TextOption(const std::string& list, std::string_view name);

// kInvalidArgument and kUnimplemented in the words of qemu-img, so far as it has some.
absl::StatusOr<TargetPlan> PlanTarget(const ConvertOptions& options);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_CONVERT_TARGET_H_
