// Checks the metadata of a qcow2 image: whether every cluster of the file has the refcount that the
// tables of the image give it, and whether the tables themselves make sense.
//
// Clusters are counted in windows of 17 Mi: one pass over all tables counts the references to the
// clusters of one window, then compares them with the refcounts on disk. The next window begins at
// the first cluster behind this one that has a reference or a block of refcounts, so holes cost
// nothing. Memory is bounded whatever the size of the file (4 bits a cluster of the window, and 2
// bytes more where clusters are shared), and a file with fewer clusters than that, a disk of 1 TiB
// at 64 KiB, costs one pass. What can be told of an entry by itself is told in the first pass.
//
// What is large is shared out to the workers there are: learning and comparing the refcounts in
// ranges (parallel_refcounts.h), counting references of tables that have nothing to tell, those of
// snapshots, too (parallel_l2_count.h). Whatever they find amiss is gone through again by the
// caller alone, in order.
//
// What counts as one corruption or leak is what qemu-img counts.
// tests/unit/formats/qcow2/checker_test.cc, checker_workers_test.cc and tests/conformance/check.py
// cover this file.
#ifndef FORMATS_QCOW2_CHECK_CHECK_H_
#define FORMATS_QCOW2_CHECK_CHECK_H_

#include <cstdint>

#include "formats/check.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"

namespace instar::qcow2 {

struct Survey;  // survey.h

// Other than the default for tests, which want all that there is on a small image.
struct CheckPortions {
  std::uint64_t window_clusters = 17 << 20;  // counted in one pass; at least 64
  std::uint64_t piece_bytes = 1 << 20;       // of tables, read at a time; a power of two from 1024
};

// `survey`: filled unless it is null.
Result<CheckCounts> Check(const CheckOptions& options, const CheckPortions& portions = {},
                          Survey* survey = nullptr);

// The same of an image that says what `header` and `extensions` say, whatever stands in the file.
Result<CheckCounts> CheckAs(const CheckOptions& options, const Header& header,
                            HeaderExtensions extensions, const CheckPortions& portions = {},
                            Survey* survey = nullptr);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_CHECK_CHECK_H_
