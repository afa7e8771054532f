// LUKS: an encrypted disk, of which only that is known.
#ifndef FORMATS_LUKS_FORMAT_H_
#define FORMATS_LUKS_FORMAT_H_

#include <array>

#include "formats/format.h"

namespace instar::luks {

inline constexpr std::array kSignatures = {HeadSignature{0, "LUKS\xBA\xBE"}};

inline constexpr Format kFormat{
    .id = FormatId::kLuks,
    .signatures = kSignatures,
    .inspect =
        [](const Inspection& inspection) {
          inspection.reasons->Add(ReasonCode::kEncrypted, 0, "the image is encrypted (LUKS)");
          return Status();
        },
};

}  // namespace instar::luks

#endif  // FORMATS_LUKS_FORMAT_H_
