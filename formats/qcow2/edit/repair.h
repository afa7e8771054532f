// Repairs a qcow2 image in one change (image_change.h): the file holds the damaged image as it was,
// or the repaired one.
//
// A check finds what is wrong and where there is room (check/survey.h, check/damage.h). Where only
// refcounts and flags COPIED are wrong, they are set right. Where anything else is, all tables are
// gone through and written anew as they should be (damaged_tables.h); then the references are
// counted from the new tables, as though the header said already where they stand, and the
// refcounts become what was counted. Where the refcount table or its blocks are damaged, all of
// them are made anew. What nobody can read stays as it is and is named.
//
// What is new is written behind the end of the file, or where neither a refcount nor a reference
// is, be they right or wrong. A second check tells what is left.
//
// Memory: that of a check, 24 MiB of wrong refcounts, and L1 tables; more of either is gone through
// again instead of being kept.
// tests/unit/formats/qcow2/repair_test.cc and tests/crash cover this file.
#ifndef FORMATS_QCOW2_EDIT_REPAIR_H_
#define FORMATS_QCOW2_EDIT_REPAIR_H_

#include "formats/repair.h"

namespace instar::qcow2 {

// As RepairImage.
Result<RepairCounts> Repair(const RepairOptions& options);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_REPAIR_H_
