#include "formats/base/unique_id.h"

namespace instar {

UniqueIdSource::UniqueIdSource(std::string_view kind, const IdentitySeed& seed)
    : mixed_(sizeof(UniqueId)) {
  mixed_.AddText(kind);
  mixed_.Add(seed);
}

UniqueId UniqueIdSource::Next() {
  Blake2b digest = mixed_;
  digest.AddNumber(given_++);
  UniqueId id{};
  digest.Finish(id);
  id[6] = (id[6] & std::byte{0x0F}) | std::byte{0x40};
  id[8] = (id[8] & std::byte{0x3F}) | std::byte{0x80};
  return id;
}

}  // namespace instar
