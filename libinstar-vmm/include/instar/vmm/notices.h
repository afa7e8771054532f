// What a sandboxed verb says while it runs, besides its report. A program that wants to know sets
// SandboxOptions::notices:
//
//   options.sandbox.notices.reference_opened = [](const instar::vmm::OpenedReference& reference) {
//     Log(reference.image + " uses " + reference.path);
//   };
//
// The callbacks run one at a time while the verb runs: with Jail::kChildProcess on the thread that
// called it, else on any thread and inside the jail, where nothing can be opened.
#ifndef INSTAR_VMM_NOTICES_H_
#define INSTAR_VMM_NOTICES_H_

#include <functional>
#include <string>

namespace instar::vmm {

enum class ReferenceKind { kBackingFile, kDataFile, kExtent };

// "backing file", "data file", "extent".
[[nodiscard]] const char* ReferenceKindName(ReferenceKind kind);

// A file that was opened because an image names it. Both names are as reports show them, which may
// be any bytes.
struct OpenedReference {
  ReferenceKind kind = ReferenceKind::kBackingFile;
  std::string image;  // which image names it
  std::string path;   // joined from the image's path and the name in it

  // All fields, for the way from a child process.
  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("kind", kind);
    visit("image", image);
    visit("path", path);
  }
};

struct Notices {
  std::function<void(const OpenedReference&)> reference_opened;
  // One readable line, fit for a terminal. For example: a file cannot be locked.
  std::function<void(const std::string& line)> warning;
};

}  // namespace instar::vmm

#endif  // INSTAR_VMM_NOTICES_H_
