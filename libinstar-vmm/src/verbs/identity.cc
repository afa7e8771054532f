#include "verbs/identity.h"

#include <absl/strings/str_cat.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "formats/base/formats.h"
#include "formats/base/identity.h"

namespace instar::vmm {

absl::StatusOr<std::string> NewIdentitySeed(FormatId format, bool keep, bool reproducible) {
  if (reproducible || !GetsIdentity(format, keep)) return std::string();
  std::string seed(sizeof(IdentitySeed), '\0');
  // So few bytes come whole, unless a signal interrupts the wait for the first entropy after boot.
  while (getrandom(seed.data(), seed.size(), 0) != static_cast<ssize_t>(seed.size())) {
    if (errno == EINTR) continue;
    return absl::UnavailableError(absl::StrCat(
        "Could not get random numbers for the identity of the image: ", std::strerror(errno),
        "; --reproducible does without"));
  }
  return seed;
}

}  // namespace instar::vmm
