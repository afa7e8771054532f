#include "broker/local_path.h"

#include <absl/strings/str_format.h>

#include "report/printable_text.h"

namespace instar::vmm {

bool HasProtocol(std::string_view name) {
  const std::size_t at = name.find_first_of(":/");
  return at != std::string_view::npos && name[at] == ':';
}

absl::StatusOr<std::string> LocalPath(const std::string& name) {
  constexpr std::string_view kFile = "file:";
  if (name.empty()) {
    return absl::InvalidArgumentError(
        "Could not open '': The 'file' block driver requires a file name");
  }
  if (name.starts_with(kFile) && name.size() > kFile.size()) {
    const std::string path = name.substr(kFile.size());
    return HasProtocol(path) ? "./" + path : path;
  }
  if (!HasProtocol(name)) return name;
  if (name.starts_with("json:")) {
    return absl::UnimplementedError(
        absl::StrFormat("Could not open '%s': descriptions in JSON are not supported, give the "
                        "path of a local file",
                        PrintableText(name)));
  }
  return absl::InvalidArgumentError(absl::StrFormat("Could not open '%s': Unknown protocol '%s'",
                                                    PrintableText(name),
                                                    PrintableText(name.substr(0, name.find(':')))));
}

absl::Status CheckStoredName(const std::string& name) {
  if (!name.starts_with("file:")) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "Could not open '%s': an image names its backing file without 'file:'", PrintableText(name)));
}

std::string_view DirectoryPart(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash + 1);
}

std::string CombinePath(std::string_view image_path, std::string_view name) {
  if (name.starts_with('/')) return std::string(name);
  return std::string(DirectoryPart(image_path)).append(name);
}

}  // namespace instar::vmm
