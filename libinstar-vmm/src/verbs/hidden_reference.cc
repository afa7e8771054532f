#include "verbs/hidden_reference.h"

#include <absl/strings/str_cat.h>

#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/local_path.h"
#include "broker/reference_gate.h"
#include "broker/reference_name.h"
#include "report/printable_text.h"

namespace instar::vmm {
namespace {

std::string AbsolutePath(const std::string& path) {
  std::error_code ignored;
  return NormalizePath(std::filesystem::absolute(path, ignored).native());
}

ReferenceRoot RootAt(std::string path) {
  ReferenceRoot root;
  root.given_path = root.real_path = std::move(path);
  return root;
}

}  // namespace

std::string HiddenReferenceWarning(const ReferencePolicy& policy, const std::string& image,
                                   const std::string& name, ReferenceRole role) {
  if (name.empty()) return {};
  const std::string_view directory = DirectoryPart(image);
  const std::string home = AbsolutePath(directory.empty() ? "." : std::string(directory));
  std::vector<ReferenceRoot> roots;
  roots.push_back(RootAt(home));
  for (const std::string& path : policy.allow_paths) {
    std::string allowed = AbsolutePath(path);
    if (allowed == AbsolutePath(CombinePath(image, name))) return {};
    roots.push_back(RootAt(std::move(allowed)));
  }
  const ReferenceLocation location{.root = 0,
                                   .home_root = 0,
                                   .relative_path = image.substr(directory.size()),
                                   .real_directory = home};
  const auto found = ResolveReference(location, name, roots);
  if (!found || !found->hidden || IsOwnHiddenPart(location, *found, role)) return {};
  return absl::StrCat("'", PrintableText(image), "' names a hidden ",
                      ReferenceKindName(ReferenceKindOf(role)), ", '", PrintableText(name),
                      "', which opens only if --allow-path names it");
}

void Warn(const Notices& notices, std::initializer_list<std::string> warnings) {
  if (!notices.warning) return;
  for (const std::string& warning : warnings) {
    if (!warning.empty()) notices.warning(warning);
  }
}

}  // namespace instar::vmm
