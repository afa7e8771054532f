#include "cli/qemu_version.h"

#include <charconv>
#include <system_error>

namespace instar::cli {

std::expected<QemuVersion, std::string> ParseQemuVersion(std::string_view text) {
  unsigned parts[3] = {};
  unsigned count = 0;
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  while (count < 3) {
    const auto [next, error] = std::from_chars(at, end, parts[count]);
    if (error != std::errc()) break;
    ++count;
    at = next;
    if (at == end || *at != '.') break;
    ++at;
  }
  if (count < 2 || at != end || text.ends_with('.')) {
    return std::unexpected("'" + std::string(text) +
                           "' is not a version of qemu-img; write it as in --qemu-version=7.2");
  }
  return QemuVersion{parts[0], parts[1]};
}

std::string ToString(QemuVersion version) {
  return std::to_string(version.major) + "." + std::to_string(version.minor);
}

}  // namespace instar::cli
