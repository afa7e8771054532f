// Cache modes as the command line names them.
#ifndef CLI_CACHE_MODE_H_
#define CLI_CACHE_MODE_H_

#include <optional>
#include <string_view>

#include "instar/vmm/convert.h"

namespace instar::cli {

[[nodiscard]] inline std::optional<vmm::CacheMode> CacheModeFromName(std::string_view name) {
  if (name == "writeback") return vmm::CacheMode::kWriteback;
  if (name == "writethrough") return vmm::CacheMode::kWritethrough;
  if (name == "none" || name == "off") return vmm::CacheMode::kNone;
  if (name == "directsync") return vmm::CacheMode::kDirectsync;
  if (name == "unsafe") return vmm::CacheMode::kUnsafe;
  return std::nullopt;
}

}  // namespace instar::cli

#endif  // CLI_CACHE_MODE_H_
