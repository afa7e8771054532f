// Adds, removes, clears, switches and merges the dirty bitmaps of a qcow2 image, as one change in
// place (docs/inplace.md, formats/edit/transaction.h).
//
// The bitmap that changes gets a new table, new clusters for those of its bits that change, and all
// get a new directory, which is copied in pieces: other bitmaps keep their tables. Clusters of bits
// that are all zeros or all ones stand in the table alone. Memory: a table of 8 bytes for each
// cluster of bits, at most 8 MiB, twice; and some pieces.
//
// Bitmaps whose autoclear bit is clear (a program that knows none has written to the image) do not
// exist; their clusters stay leaked, as after any other change.
// tests/unit/formats/qcow2/bitmaps_test.cc and tests/crash cover this file.
#ifndef FORMATS_QCOW2_EDIT_BITMAPS_H_
#define FORMATS_QCOW2_EDIT_BITMAPS_H_

#include "formats/base/error.h"
#include "formats/bitmap.h"

namespace instar::qcow2 {

// As instar::ChangeBitmaps (formats/bitmap.h).
Status ChangeBitmaps(const BitmapOptions& options);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_BITMAPS_H_
