#include "formats/vmdk/content_id.h"

#include <string_view>

#include "formats/base/endian.h"
#include "formats/base/unique_id.h"

namespace instar::vmdk {
namespace {

// Made from `seed` and `other`, the content ID of another state or disk, which it differs from.
std::uint32_t ContentId(std::string_view kind, const IdentitySeed& seed, std::uint32_t other) {
  constexpr std::uint32_t kFirstWithMeaning = 0xFFFFFFFE;
  UniqueIdSource ids(kind, seed);
  ids.Mix(other);
  while (true) {
    const UniqueId id = ids.Next();
    const std::uint32_t content_id = LoadLe32(id, 0);
    if (content_id != 0 && content_id < kFirstWithMeaning && content_id != other) {
      return content_id;
    }
  }
}

}  // namespace

std::uint32_t FreshContentId(const IdentitySeed& seed, std::uint32_t parent) {
  return ContentId("vmdk", seed, parent);
}

std::uint32_t ChangedContentId(const IdentitySeed& seed, std::uint32_t old) {
  return ContentId("vmdk-change", seed, old);
}

}  // namespace instar::vmdk
