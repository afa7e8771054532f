// Gives the disk of a qcow2 image another size.
//
// What lies above the old end of a disk that grows reads as zeros, whatever is there: bytes that a
// smaller disk left in the last cluster, entries that another program left in the tables, a backing
// file that is longer.
#ifndef FORMATS_QCOW2_EDIT_RESIZER_H_
#define FORMATS_QCOW2_EDIT_RESIZER_H_

#include <cstdint>

#include "formats/base/error.h"
#include "formats/qcow2/edit/image_change.h"
#include "formats/resize.h"

namespace instar::qcow2 {

// Another size as part of a change, which the caller commits. Version 2 images with snapshots are
// refused, as their snapshots do not say how large their disk is; what counts is the version that
// the change gives the image.
class DiskResize {
 public:
  // Both must outlive this.
  DiskResize(ImageChange& change, const ResizeOptions& options);

  // Makes the size part of the change. Errors as ResizeImage.
  Status Apply();
  // After an error of Apply or of the change: gives the data file its old length back, unless the
  // change may have taken effect.
  void Undo();
  // After the change took effect: cuts off what only a longer disk needed.
  void GiveBack();

 private:
  ImageChange& change_;
  const ResizeOptions& options_;
  const std::uint64_t data_file_bytes_;
};

// As ResizeImage (formats/resize.h).
Status Resize(const ResizeOptions& options);

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_RESIZER_H_
