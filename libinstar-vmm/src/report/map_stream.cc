#include "report/map_stream.h"

#include <algorithm>
#include <utility>

#include "formats/base/checked.h"

namespace instar::vmm {

MapStream::MapStream(std::uint64_t start, std::uint64_t max_length,
                     std::function<std::uint64_t()> data_bytes,
                     std::function<bool(const MapStretch&)> take)
    : next_(start),
      max_length_(max_length),
      data_bytes_(std::move(data_bytes)),
      take_(std::move(take)) {}

RecordVerdict MapStream::Accept(std::span<const std::byte> batch) {
  WireReader reader(batch);
  while (const auto field = reader.Next()) {
    if (stopped_) return RecordVerdict::kOverLimit;
    const bool good = disk_bytes_ ? AcceptStretch(*field) : AcceptDisk(*field);
    if (!good) return RecordVerdict::kMalformed;
  }
  if (!reader.ok()) return RecordVerdict::kMalformed;
  return stopped_ ? RecordVerdict::kOverLimit : RecordVerdict::kAccepted;
}

bool MapStream::AcceptDisk(const WireField& field) {
  const auto bytes = field.AsUnsigned();
  if (field.tag == static_cast<std::uint32_t>(MapTag::kUnfitFooter) && !unfit_footer_) {
    return unfit_footer_ = true;
  }
  if (field.tag != static_cast<std::uint32_t>(MapTag::kDisk) || !bytes || *bytes > INT64_MAX) {
    return false;
  }
  disk_bytes_ = bytes;
  end_ = std::min(*bytes, CheckedAdd(next_, max_length_).value_or(*bytes));
  return true;
}

bool MapStream::MayBeOneMore() {
  if (++stretches_ <= kFreeStretches) return true;
  const std::uint64_t needed_bytes = (stretches_ - kFreeStretches) / kStretchesPerByte;
  if (needed_bytes > known_data_bytes_) known_data_bytes_ = data_bytes_();
  return needed_bytes <= known_data_bytes_;
}

bool MapStream::AcceptStretch(const WireField& field) {
  if (field.tag != static_cast<std::uint32_t>(MapTag::kStretch)) return false;
  const auto stretch = MapStretch::DecodeFrom(field.payload);
  if (!stretch || stretch->start != next_ || next_ >= end_ || stretch->length_bytes == 0 ||
      stretch->length_bytes > end_ - next_) {
    return false;
  }
  if (!MayBeOneMore()) {
    stopped_ = over_limit_ = true;
    return true;
  }
  next_ += stretch->length_bytes;
  if (!take_(*stretch)) stopped_ = true;
  return true;
}

}  // namespace instar::vmm
