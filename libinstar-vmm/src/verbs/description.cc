#include "verbs/description.h"

#include "instar/vmm/info.h"

namespace instar::vmm {

std::uint64_t VirtualBytes(const ImageSpec& image, const SandboxOptions& sandbox) {
  InfoOptions probe{.image = image, .force_share = true, .sandbox = sandbox};
  if (probe.sandbox.jail == Jail::kThisProcess) probe.sandbox.jail = Jail::kChildProcess;
  const auto report = Info(probe);
  if (!report.ok() || report->images.empty()) return 0;
  return report->images.front().report.UnsignedAt("virtual-size");
}

}  // namespace instar::vmm
