// Takes the records of map as a guest emits them, trusting none: stretches must follow one another
// without gaps and cover what was asked for, and there can be no more of them than the files that
// were opened could describe.
#ifndef LIBINSTAR_VMM_SRC_REPORT_MAP_STREAM_H_
#define LIBINSTAR_VMM_SRC_REPORT_MAP_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "instar/map_records.h"
#include "report/record_sink.h"

namespace instar::vmm {

class MapStream final : public RecordReceiver {
 public:
  // Stretches that any image may have, and more for each byte of data in the files: a table entry
  // of 16 bytes describes 32 of them at most. Holes of a file are no tables.
  static constexpr std::uint64_t kFreeStretches = 1 << 16;
  static constexpr std::uint64_t kStretchesPerByte = 2;

  // What was asked for. `data_bytes` tells how much data all files opened so far hold; it is asked
  // only beyond kFreeStretches, and again only where its last answer does not suffice. `take` gets
  // each stretch and says whether it wants more.
  MapStream(std::uint64_t start, std::uint64_t max_length,
            std::function<std::uint64_t()> data_bytes, std::function<bool(const MapStretch&)> take);

  RecordVerdict Accept(std::span<const std::byte> batch) override;

  // Size of the disk, once told.
  [[nodiscard]] std::optional<std::uint64_t> disk_bytes() const { return disk_bytes_; }
  // Whether all that was asked for was told.
  [[nodiscard]] bool Complete() override { return disk_bytes_ && next_ >= end_; }
  // Whether whoever gets the stretches wanted no more.
  [[nodiscard]] bool stopped() const { return stopped_ && !over_limit_; }
  // Whether there were more stretches than there may be.
  [[nodiscard]] bool over_limit() const { return over_limit_; }
  // Whether the image, taken for raw, was said to end with a VHD footer that does not fit.
  [[nodiscard]] bool unfit_footer() const { return unfit_footer_; }
  [[nodiscard]] bool empty() const { return stretches_ == 0; }

 private:
  [[nodiscard]] bool AcceptDisk(const WireField& field);
  [[nodiscard]] bool AcceptStretch(const WireField& field);
  // Whether the files can describe one stretch more.
  [[nodiscard]] bool MayBeOneMore();

  std::uint64_t next_;
  std::uint64_t max_length_;
  std::uint64_t end_ = 0;
  std::uint64_t stretches_ = 0;
  std::optional<std::uint64_t> disk_bytes_;
  bool stopped_ = false;
  bool over_limit_ = false;
  bool unfit_footer_ = false;
  std::uint64_t known_data_bytes_ = 0;
  std::function<std::uint64_t()> data_bytes_;
  std::function<bool(const MapStretch&)> take_;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_REPORT_MAP_STREAM_H_
