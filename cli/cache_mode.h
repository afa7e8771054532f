// Cache modes as the command line names them.
#ifndef CLI_CACHE_MODE_H_
#define CLI_CACHE_MODE_H_

#include <string>
#include <string_view>

#include "cli/stop.h"
#include "instar/vmm/convert.h"

namespace instar::cli {

// `what`, "cache" or "source cache", is named where there is no such mode.
[[nodiscard]] inline OrStop<vmm::CacheMode> ReadCacheMode(std::string_view name,
                                                          std::string_view what) {
  if (name == "writeback") return vmm::CacheMode::kWriteback;
  if (name == "writethrough") return vmm::CacheMode::kWritethrough;
  if (name == "none" || name == "off") return vmm::CacheMode::kNone;
  if (name == "directsync") return vmm::CacheMode::kDirectsync;
  if (name == "unsafe") return vmm::CacheMode::kUnsafe;
  return Refusal("Invalid " + std::string(what) + " option: " + std::string(name));
}

}  // namespace instar::cli

#endif  // CLI_CACHE_MODE_H_
