// Takes clusters of zeros out of an image, because version 2 has none: a cluster that is described
// as zeros becomes one that holds zeros, in the active disk and in all snapshots. Without a backing
// file, one that has no place becomes unallocated, which reads as zeros, too.
//
// Example: the L2 table at 0x50000, which the disk and two snapshots share, has two such entries.
// It is copied to a new place with three references, its entries lead to two new clusters with
// three references each, and the three L1 tables get new places. The tables of a snapshot without
// such entries stay.
//
// L2 tables are gone through in windows of ascending offsets, so that memory is bounded: of each
// window's tables it is found out first how many L1 entries lead to them.
// tests/unit/formats/qcow2/amend_test.cc covers this file.
#ifndef FORMATS_QCOW2_EDIT_ZERO_CLUSTERS_H_
#define FORMATS_QCOW2_EDIT_ZERO_CLUSTERS_H_

#include "formats/base/error.h"
#include "formats/qcow2/edit/image_change.h"
#include "formats/qcow2/edit/snapshot_entries.h"

namespace instar::qcow2 {

// The image has standard L2 entries and no data file. Call it after all other changes to tables.
// kUnsupported for compressed clusters that version 2 cannot say how to inflate.
Status ExpandZeroClusters(ImageChange& change, SnapshotEntries& snapshots);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_ZERO_CLUSTERS_H_
