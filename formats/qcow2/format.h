// qcow2, versions 2 and 3: what it can do.
#ifndef FORMATS_QCOW2_FORMAT_H_
#define FORMATS_QCOW2_FORMAT_H_

#include <array>

#include "formats/format.h"
#include "formats/qcow2/check/check.h"
#include "formats/qcow2/edit/bitmaps.h"
#include "formats/qcow2/edit/options.h"
#include "formats/qcow2/edit/overwriter.h"
#include "formats/qcow2/edit/repair.h"
#include "formats/qcow2/edit/resizer.h"
#include "formats/qcow2/edit/snapshots.h"
#include "formats/qcow2/read/preallocation.h"
#include "formats/qcow2/read/reader.h"
#include "formats/qcow2/write/measurer.h"
#include "formats/qcow2/write/writer.h"

namespace instar::qcow2 {

// The strict profile, of a file that has the format's signature: features, references, and every
// table down to the L2 entries of the active disk. Snapshots and bitmaps are looked through down to
// the tables that they name.
Status Inspect(const Inspection& inspection);

inline constexpr std::array kSignatures = {HeadSignature{0, "QFI\xFB", {"\0\0\0\1", 4}}};

inline constexpr Format kFormat{
    .id = FormatId::kQcow2,
    .signatures = kSignatures,
    .open = OpenReader,
    .create = Writer::Create,
    .edit = Overwriter::Open,
    .measure = Measurer::Create,
    .check = [](const CheckOptions& options) { return Check(options); },
    .repair = Repair,
    .amend = Amend,
    .resize = Resize,
    .change_bitmaps = ChangeBitmaps,
    .create_snapshot = CreateSnapshot,
    .apply_snapshot = ApplySnapshot,
    .delete_snapshot = DeleteSnapshot,
    .inspect = Inspect,
    .may_map_holes = LooksPreallocated,
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_FORMAT_H_
