// How long a fresh qcow2 file is.
//
// The figures are those that users compare and scripts provision by, so they are defined by
// qemu-img's, not by what Writer writes, which is at most as long: the tables are counted as if all
// of the disk were allocated, and of the data each cluster that holds some. With a backing file all
// of the source counts, since nobody knows how much of it the new image will share.
// tests/conformance/measure.py compares them; the layout they count is that of the specification.
#ifndef FORMATS_QCOW2_WRITE_MEASURER_H_
#define FORMATS_QCOW2_WRITE_MEASURER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "formats/measure.h"
#include "formats/qcow2/write/writer_options.h"

namespace instar::qcow2 {

class Measurer final : public ImageMeasurer {
 public:
  // Errors as Writer::Create; files need not be open.
  static Result<std::unique_ptr<ImageMeasurer>> Create(const CreateOptions& options);

  [[nodiscard]] std::uint64_t unit_bytes() const override { return options_.cluster_bytes(); }
  Status AddData(std::uint64_t offset, std::uint64_t length) override;
  Status AddBitmaps(const BlockDevice& source, FormatId format) override;
  Result<Measurement> Finish() override;

 private:
  explicit Measurer(WriterOptions options) : options_(std::move(options)) {}

  WriterOptions options_;
  std::uint64_t data_clusters_ = 0;
  std::uint64_t next_cluster_ = 0;  // clusters below are counted or hold no data
  std::optional<std::uint64_t> bitmap_bytes_;
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_WRITE_MEASURER_H_
