// How large a fresh image would be, and the table of calculations.
#ifndef FORMATS_MEASURE_H_
#define FORMATS_MEASURE_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "formats/base/error.h"
#include "formats/create.h"

namespace instar {

struct Measurement {
  std::uint64_t required_bytes = 0;         // length of the file with the data told
  std::uint64_t fully_allocated_bytes = 0;  // length of the file with all of the disk allocated
  // What the source's dirty bitmaps would take on top; nothing where they cannot be copied.
  std::optional<std::uint64_t> bitmap_bytes;
};

// Is told where the data will be, and adds up what it takes. Calls come in ascending order of
// offset; ranges do not overlap and lie on the disk.
class ImageMeasurer {
 public:
  virtual ~ImageMeasurer() = default;
  // Whether what AddData is told makes a difference; if not it need not be called.
  [[nodiscard]] virtual bool counts_data() const { return true; }
  // AddData counts whole units of the disk of so many bytes, a power of two: what else a unit holds
  // that was counted makes no difference.
  [[nodiscard]] virtual std::uint64_t unit_bytes() const { return 1; }
  virtual Status AddData(std::uint64_t offset, std::uint64_t length) = 0;
  // Counts the dirty bitmaps of the image of format `format` on `source`, if both it and the new
  // image can have some. At most once.
  virtual Status AddBitmaps(const BlockDevice& source, FormatId format) {
    (void)source;
    (void)format;
    return {};
  }
  virtual Result<Measurement> Finish() = 0;
};

// A measurer for an image that CreateImage(options) would write; of `options` no file is needed.
// Errors as CreateImage.
Result<std::unique_ptr<ImageMeasurer>> MeasureImage(const CreateOptions& options);

}  // namespace instar

#endif  // FORMATS_MEASURE_H_
