#include "formats/base/block_counter.h"
#include "formats/vhdx/format.h"
#include "formats/vhdx/writer_options.h"

namespace instar::vhdx {
namespace {

class Measurer final : public ImageMeasurer {
 public:
  explicit Measurer(const WriterOptions& options)
      : options_(options), counter_(options.virtual_bytes, options.block_bytes) {}

  [[nodiscard]] std::uint64_t unit_bytes() const override { return options_.block_bytes; }
  Status AddData(std::uint64_t offset, std::uint64_t length) override {
    return counter_.Add(offset, length);
  }

  Result<Measurement> Finish() override {
    const std::uint64_t all = options_.bat().blocks();
    return Measurement{
        .required_bytes = options_.BlockOffset(options_.fixed ? all : counter_.count()),
        .fully_allocated_bytes = options_.BlockOffset(all)};
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

}  // namespace instar::vhdx
