// Looks at disk images that somebody uploaded and says whether they may be used as they are: a
// service's check at the door, in one page. Each image is judged in a sandbox of its own; whatever
// it holds can at worst make this program say something wrong about that image.
//
// usage: sandboxed-info FORMAT IMAGE...
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "instar/vmm/info.h"
#include "instar/vmm/strict.h"

namespace {

constexpr std::uint64_t kLargestDisk = std::uint64_t{2} << 40;

instar::vmm::SandboxOptions Sandbox() {
  instar::vmm::SandboxOptions sandbox;
  // No image may make this program open any other file; a parser that hangs is ended soon.
  sandbox.references.allowed = instar::vmm::AllowedReferences::kNone;
  sandbox.max_virtual_bytes = kLargestDisk;
  sandbox.stall_timeout = std::chrono::seconds(5);
  sandbox.time_limit = std::chrono::seconds(30);
  return sandbox;
}

bool Refuse(const std::string& path, const std::string& why) {
  std::printf("%s: refused: %s\n", path.c_str(), why.c_str());
  return false;
}

// The strict profile judges: no other file, no second format, no unknown feature, nothing beyond
// the end of the file, no disk that is too large. `format` is what the uploader says it is.
bool Check(const std::string& format, const std::string& path) {
  const auto verdict = instar::vmm::Inspect({.path = path, .format = format, .sandbox = Sandbox()});
  if (!verdict.ok()) return Refuse(path, std::string(verdict.status().message()));
  if (!verdict->passed) {
    const instar::vmm::StrictReason& reason = verdict->reasons.front();
    return Refuse(path, reason.code + ": " + reason.message);
  }

  // What is known of an image that passed. The format is stated again: nothing is guessed.
  instar::vmm::InfoOptions options;
  options.image = {.path = path, .format = format};
  options.sandbox = Sandbox();
  const auto info = instar::vmm::Info(options);
  if (!info.ok()) return Refuse(path, std::string(info.status().message()));
  const instar::vmm::ReportTree& report = info->images.front().report;
  // Strings of a report come from the image: a snapshot's name, say, would have to be escaped.
  std::printf("%s: accepted: %s, %llu bytes\n", path.c_str(), format.c_str(),
              static_cast<unsigned long long>(report.UnsignedAt("virtual-size")));
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  bool all_accepted = argc > 2;
  for (int i = 2; i < argc; ++i) {
    // One after another: the program is not jailed, each image has child processes of its own.
    if (!Check(argv[1], argv[i])) all_accepted = false;
  }
  return all_accepted ? 0 : 1;
}
