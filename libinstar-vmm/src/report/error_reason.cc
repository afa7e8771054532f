#include "report/error_reason.h"

#include <cerrno>
#include <cstring>

namespace instar::vmm {

std::string ErrorReason(int error) {
  // strerror would read a message catalogue.
  const char* const words = strerrordesc_np(error);
  std::string reason = words == nullptr ? "unknown error " + std::to_string(error) : words;
  if (error == EFBIG)
    reason += ", over the limit on file sizes (ulimit -f) or the file system's own";
  return reason;
}

}  // namespace instar::vmm
