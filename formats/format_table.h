// The table of formats: what each does. A row stands in the format's folder
// (formats/qcow2/format.h); what the host has to know of a format is in another table
// (formats/base/formats.h).
//
// open.h, create.h, measure.h, check.h and inspect.h each go by one column. None of them looks at
// another, so that a guest image that opens images holds no writer.
#ifndef FORMATS_FORMAT_TABLE_H_
#define FORMATS_FORMAT_TABLE_H_

#include <array>

#include "formats/base/formats.h"
#include "formats/format.h"
#include "formats/luks/format.h"
#include "formats/qcow2/format.h"
#include "formats/raw/format.h"
#include "formats/vhdx/format.h"
#include "formats/vmdk/format.h"
#include "formats/vpc/format.h"

namespace instar {

inline constexpr std::array kFormats = {
    raw::kFormat, qcow2::kFormat, vmdk::kFormat, vpc::kFormat, vhdx::kFormat, luks::kFormat,
};

// What `id` does by column `kColumn`: FunctionOf<&Format::open>(format). Null if it does not.
template <auto kColumn>
[[nodiscard]] constexpr auto FunctionOf(FormatId id) {
  return CellOf<kFormats, kColumn>(id);
}

}  // namespace instar

#endif  // FORMATS_FORMAT_TABLE_H_
