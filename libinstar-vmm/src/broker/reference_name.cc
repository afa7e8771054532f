#include "broker/reference_name.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "broker/local_path.h"
#include "broker/reference_walk.h"
#include "instar/abi/call_table.h"

namespace instar::vmm {
namespace {

// What stands between the slashes, other than nothing and ".".
std::vector<std::string_view> Components(std::string_view path) {
  std::vector<std::string_view> components;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view component = path.substr(0, end);
    if (!component.empty() && component != ".") components.push_back(component);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return components;
}

// What is left of the absolute `path` beneath the directory `root`; nothing if it is not beneath.
std::optional<std::string_view> Beneath(std::string_view path, std::string_view root) {
  if (root == "/") root = {};
  if (!path.starts_with(root)) return std::nullopt;
  path.remove_prefix(root.size());
  if (!path.starts_with('/')) return std::nullopt;
  const std::size_t start = path.find_first_not_of('/');
  if (start == std::string_view::npos) return std::nullopt;
  return path.substr(start);
}

// `path` in the root of that number, if that root allows it.
std::optional<ResolvedReference> InRoot(std::span<const ReferenceRoot> roots, std::size_t number,
                                        std::string_view path) {
  const std::string& only = roots[number].only_file;
  if (!only.empty() && path != only) return std::nullopt;
  return ResolvedReference{.root = number,
                           .relative_path = std::string(path),
                           .hidden = only.empty() && HasHiddenName(path)};
}

// Keeps what was found first, but for a hidden one if there is another.
void Prefer(std::optional<ResolvedReference>& best, std::optional<ResolvedReference> found) {
  if (found && (!best || (best->hidden && !found->hidden))) best = std::move(found);
}

std::optional<ResolvedReference> FindRoot(const ReferenceLocation& location,
                                          std::string_view absolute,
                                          std::span<const ReferenceRoot> roots) {
  const std::string normalized = NormalizePath(absolute);
  std::optional<ResolvedReference> best;
  for (std::size_t i = 0; i < roots.size(); ++i) {
    const ReferenceRoot& root = roots[i];
    if (!root.for_all_images && static_cast<int>(i) != location.home_root) continue;
    for (const std::string_view path :
         {std::string_view(root.given_path), std::string_view(root.real_path)}) {
      const auto normalized_rest = Beneath(normalized, path);
      if (!normalized_rest) continue;
      const auto rest = Beneath(absolute, path);
      const bool as_written = rest && StaysInside(*rest);
      Prefer(best, InRoot(roots, i, as_written ? *rest : std::string_view(*normalized_rest)));
    }
  }
  return best;
}

}  // namespace

const char* WhyNotPlainPath(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > INSTAR_MAX_NAME) return "is too long for a file name";
  if (name.find('\0') != std::string_view::npos) return "contains a NUL byte";
  if (HasProtocol(name)) return "names a protocol: only plain local paths are followed";
  return nullptr;
}

bool IsPartName(std::string_view file, std::string_view image, ReferenceRole role) {
  const std::size_t dot = std::min(image.rfind('.'), image.size());
  const std::string_view stem = image.substr(0, dot);
  const std::string_view extension = image.substr(dot);
  if (!file.starts_with(stem)) return false;
  file.remove_prefix(stem.size());
  switch (role) {
    case ReferenceRole::kBacking:
      return false;
    case ReferenceRole::kDataFile:
      return file.size() > 1 && file.rfind('.') == 0;
    case ReferenceRole::kExtent:
      break;
  }
  if (!file.starts_with('-') || !file.ends_with(extension)) return false;
  file.remove_prefix(1);
  file.remove_suffix(std::min(extension.size(), file.size()));
  if (file == "flat") return true;
  return file.size() > 1 && (file[0] == 'f' || file[0] == 's') &&
         file.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

bool IsOwnHiddenPart(const ReferenceLocation& image, const ResolvedReference& part,
                     ReferenceRole role) {
  const std::string_view directory = DirectoryPart(image.relative_path);
  const std::string_view name = std::string_view(image.relative_path).substr(directory.size());
  const std::string_view path = part.relative_path;
  return image.root == static_cast<int>(part.root) && IsHiddenName(name) &&
         DirectoryPart(path) == directory && !HasHiddenName(directory) &&
         IsPartName(path.substr(directory.size()), name, role);
}

std::string NormalizePath(std::string_view absolute) {
  std::vector<std::string_view> kept;
  for (const std::string_view component : Components(absolute)) {
    if (component != "..") {
      kept.push_back(component);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  std::string path;
  for (const std::string_view component : kept) path.append("/").append(component);
  return path.empty() ? "/" : path;
}

bool StaysInside(std::string_view relative) {
  std::size_t depth = 0;
  for (const std::string_view component : Components(relative)) {
    if (component != "..") {
      ++depth;
    } else if (depth-- == 0) {
      return false;
    }
  }
  return true;
}

std::optional<ResolvedReference> ResolveReference(const ReferenceLocation& location,
                                                  std::string_view name,
                                                  std::span<const ReferenceRoot> roots) {
  if (name.starts_with('/')) return FindRoot(location, name, roots);
  const std::string joined = CombinePath(location.relative_path, name);
  std::optional<ResolvedReference> best;
  if (location.root >= 0 && StaysInside(joined)) {
    best = InRoot(roots, static_cast<std::size_t>(location.root), joined);
  }
  if (!best || best->hidden) {
    Prefer(best, FindRoot(location, location.real_directory + "/" + joined, roots));
  }
  return best;
}

}  // namespace instar::vmm
