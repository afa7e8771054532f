// Looks at disk images that somebody uploaded and says whether they may be used as they are: a
// service's check at the door, in one page. Each image is parsed in a sandbox of its own; whatever
// it holds can at worst make this program say something wrong about that image.
//
// usage: sandboxed-info IMAGE...
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "instar/vmm/info.h"

namespace {

constexpr std::uint64_t kLargestDisk = std::uint64_t{2} << 40;

// Why the image is not to be used, or empty.
std::string Objection(const instar::vmm::ReportValue& report) {
  if (report.UnsignedAt("virtual-size") > kLargestDisk) return "the disk is too large";
  if (!report.StringAt("backing-filename").empty()) return "it needs another file";
  if (report.BooleanAt("encrypted")) return "it is encrypted";
  if (report.BooleanAt("dirty-flag")) return "it was not closed properly";
  if (const auto specific = report.Find("format-specific")) {
    const auto data = specific->Find("data");
    if (data && data->Find("data-file")) return "its data is in another file";
  }
  return {};
}

bool Check(const char* path) {
  instar::vmm::InfoOptions options;
  options.image.path = path;
  // No image may make this program open any other file; a parser that hangs is ended soon.
  options.sandbox.references.allowed = instar::vmm::AllowedReferences::kNone;
  options.sandbox.stall_timeout = std::chrono::seconds(5);

  const absl::StatusOr<instar::vmm::InfoReport> info = instar::vmm::Info(options);
  if (!info.ok()) {
    std::printf("%s: refused: %s\n", path, std::string(info.status().message()).c_str());
    return false;
  }
  const instar::vmm::ReportValue& report = info->images.front().report;
  const std::string objection = Objection(report);
  if (!objection.empty()) {
    std::printf("%s: refused: %s\n", path, objection.c_str());
    return false;
  }
  // Strings of a report come from the image. The format's name is one of a few that are known, so
  // it may be printed; a snapshot's name, say, would have to be escaped.
  std::printf("%s: accepted: %s, %llu bytes\n", path,
              report.StringAt("format") == "qcow2" ? "qcow2" : "raw or other",
              static_cast<unsigned long long>(report.UnsignedAt("virtual-size")));
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  bool all_accepted = argc > 1;
  for (int i = 1; i < argc; ++i) {
    // One after another: the program is not jailed, each image has a child process of its own.
    if (!Check(argv[i])) all_accepted = false;
  }
  return all_accepted ? 0 : 1;
}
