#include "verbs/target_extents.h"

#include <absl/strings/str_cat.h>

#include "broker/local_path.h"

namespace instar::vmm {

std::string TargetName(const std::string& target) {
  return target.substr(DirectoryPart(target).size());
}

absl::StatusOr<std::vector<DeviceId>> OpenTargetExtents(Broker& broker, const std::string& target,
                                                        const TargetExtents& extents,
                                                        const TargetOptions& how) {
  const std::uint64_t count =
      TargetExtentCount(extents.format, extents.options, extents.size_bytes);
  if (count > kMaxTargetExtents) {
    return absl::ResourceExhaustedError(absl::StrCat("a virtual disk of ", extents.size_bytes,
                                                     " bytes takes ", count, " files; the most is ",
                                                     kMaxTargetExtents));
  }
  const std::string directory(DirectoryPart(target));
  const std::string name = TargetName(target);
  std::vector<DeviceId> devices;
  devices.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string path = directory;
    AppendTargetExtentName(PropertiesOf(extents.format).extent_suffix(extents.options, i), name,
                           path);
    const auto device = broker.OpenTarget(path, how);
    if (!device.ok()) return device.status();
    devices.push_back(*device);
  }
  return devices;
}

}  // namespace instar::vmm
