// COPIED in the active L1 and L2 tables, which says that a cluster has one reference only, when
// snapshots come and go. Tables in which it changes get places of their own.
// tests/unit/formats/qcow2/snapshots_test.cc covers this file.
#ifndef FORMATS_QCOW2_EDIT_COPIED_FLAGS_H_
#define FORMATS_QCOW2_EDIT_COPIED_FLAGS_H_

#include <cstdint>
#include <span>

#include "formats/base/error.h"
#include "formats/qcow2/edit/image_change.h"

namespace instar::qcow2 {

// `l1` is the active L1 table of the changed image. Where an entry leads to another table than
// before, nothing was done yet about the old one, which has a reference less. All: kIo, kNoSpace,
// kLimit.

// Clears COPIED in the tables that `l1` leads to; entries of new tables have it set.
Status ClearCopiedFlags(ImageChange& change, std::span<std::uint64_t> l1);

// Sets COPIED to what the counts are by now; in entries for clusters of a data file, always.
// `corrected`, unless it is null, is raised by the number of flags that were otherwise.
Status SetCopiedFlags(ImageChange& change, std::span<std::uint64_t> l1,
                      std::uint64_t* corrected = nullptr);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_COPIED_FLAGS_H_
