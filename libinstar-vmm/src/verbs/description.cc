#include "verbs/description.h"

namespace instar::vmm {

std::vector<ImageInfo> DescribeImages(const ImageSpec& image, bool chain,
                                      const SandboxOptions& sandbox) {
  InfoOptions probe{
      .image = image, .backing_chain = chain, .force_share = true, .sandbox = sandbox};
  if (probe.sandbox.jail == Jail::kThisProcess) probe.sandbox.jail = Jail::kChildProcess;
  const auto report = Info(probe);
  return report.ok() ? report->images : std::vector<ImageInfo>();
}

std::uint64_t VirtualBytes(const std::vector<ImageInfo>& images) {
  return images.empty() ? 0 : images.front().report.UnsignedAt("virtual-size");
}

}  // namespace instar::vmm
