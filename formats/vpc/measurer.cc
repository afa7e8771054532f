#include "formats/base/block_counter.h"
#include "formats/vpc/dynamic_layout.h"
#include "formats/vpc/format.h"
#include "formats/vpc/writer_options.h"

namespace instar::vpc {
namespace {

class Measurer final : public ImageMeasurer {
 public:
  explicit Measurer(const WriterOptions& options)
      : options_(options), counter_(options.virtual_bytes, DynamicLayout::kBlockBytes) {}

  [[nodiscard]] std::uint64_t unit_bytes() const override { return DynamicLayout::kBlockBytes; }
  Status AddData(std::uint64_t offset, std::uint64_t length) override {
    return counter_.Add(offset, length);
  }

  Result<Measurement> Finish() override {
    if (options_.fixed) {
      const std::uint64_t bytes = options_.virtual_bytes + Footer::kBytes;
      return Measurement{.required_bytes = bytes, .fully_allocated_bytes = bytes};
    }
    const DynamicLayout layout{.virtual_bytes = options_.virtual_bytes};
    return Measurement{
        .required_bytes = layout.FooterOffset(counter_.count()) + Footer::kBytes,
        .fully_allocated_bytes = layout.FooterOffset(layout.blocks()) + Footer::kBytes};
  }

 private:
  WriterOptions options_;
  BlockCounter counter_;
};

}  // namespace

Result<std::unique_ptr<ImageMeasurer>> CreateMeasurer(const CreateOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(const WriterOptions parsed, WriterOptions::From(options));
  return std::make_unique<Measurer>(parsed);
}

}  // namespace instar::vpc
