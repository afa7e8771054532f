// The length of a raw image: its disk in whole sectors, whatever is on it.
#ifndef FORMATS_RAW_MEASURER_H_
#define FORMATS_RAW_MEASURER_H_

#include <cstdint>
#include <memory>

#include "formats/measure.h"

namespace instar::raw {

class Measurer final : public ImageMeasurer {
 public:
  // kInvalidArgument, kLimit.
  static Result<std::unique_ptr<ImageMeasurer>> Create(const CreateOptions& options);

  [[nodiscard]] bool counts_data() const override { return false; }
  Status AddData(std::uint64_t, std::uint64_t) override { return {}; }
  Result<Measurement> Finish() override {
    return Measurement{
        .required_bytes = bytes_, .fully_allocated_bytes = bytes_, .bitmap_bytes = std::nullopt};
  }

 private:
  explicit Measurer(std::uint64_t bytes) : bytes_(bytes) {}
  std::uint64_t bytes_;
};

}  // namespace instar::raw

#endif  // FORMATS_RAW_MEASURER_H_
