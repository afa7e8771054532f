// Internal snapshots of a qcow2 image.
//
// A snapshot is an L1 table of its own, which shares L2 tables and clusters with the active one.
// COPIED says in the active tables that nothing else refers to a cluster. So it is cleared when a
// snapshot is taken, and set again when the last other reference goes: tables in which it changes
// are written to new places. Example: a disk of one table and two clusters.
//
//                          refcounts: table, clusters
//   no snapshot            1         1  1     COPIED in L1, and twice in the table
//   snapshot taken         2 (new)   2  2     one new table without COPIED, shared by both
//   snapshot deleted       1 (new)   1  1     one new table with COPIED
//
// Tables that only snapshots refer to keep whatever COPIED they have: it means nothing there. When
// such a snapshot is applied, the active disk gets a table without it.
//
// tests/unit/formats/qcow2/snapshots_test.cc and tests/crash cover this file.
#ifndef FORMATS_QCOW2_EDIT_SNAPSHOTS_H_
#define FORMATS_QCOW2_EDIT_SNAPSHOTS_H_

#include "formats/base/error.h"
#include "formats/snapshot.h"

namespace instar::qcow2 {

// As the functions of formats/snapshot.h. Images with an external data file are refused, because
// its clusters cannot be shared.
//
// VM state that belongs to a snapshot stays with it, and is deleted with it. Applying gives the
// active disk the snapshot's disk without it.
Status CreateSnapshot(const SnapshotOptions& options);
Status ApplySnapshot(const SnapshotOptions& options);
Status DeleteSnapshot(const SnapshotOptions& options);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_SNAPSHOTS_H_
