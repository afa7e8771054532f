#include "formats/qcow2/edit/bitmap_plan.h"

#include <algorithm>
#include <bit>

#include "formats/base/checked.h"
#include "formats/qcow2/read/bitmap_data.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kLeastGranularity = std::uint64_t{1} << kMinBitmapGranularityBits;
constexpr std::uint64_t kMostGranularity = std::uint64_t{1} << kMaxBitmapGranularityBits;

class Finder final : public BitmapVisitor {
 public:
  Finder(std::span<const std::string_view> names, std::vector<std::optional<FoundBitmap>>& found)
      : names_(names), found_(found) {}
  void Visit(const BitmapEntry& entry, std::string_view name) override {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] != name) continue;
      if (found_[i]) {
        status_ = MakeTextError(ErrorCode::kCorrupt, "the image has two bitmaps '{t}'", name);
      }
      found_[i] = FoundBitmap{.entry = entry, .at = at_};
    }
    at_ += entry.encoded_bytes();
  }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  std::span<const std::string_view> names_;
  std::vector<std::optional<FoundBitmap>>& found_;
  std::uint64_t at_ = 0;
  Status status_;
};

bool IsInconsistent(const BitmapEntry& entry) { return (entry.flags & kBitmapInUse) != 0; }

class Judge {
 public:
  Judge(const BitmapOptions& options, const BitmapIndex& image, const BitmapIndex* source)
      : options_(options), image_(image), source_(source), stored_(image.at(0)) {
    if (stored_ == nullptr) return;
    plan_.exists = plan_.keeps_bits = true;
    plan_.flags = stored_->entry.flags;
    plan_.granularity_bits = stored_->entry.granularity_bits;
  }

  BitmapPlan Run() {
    for (; action_ < options_.actions.size(); ++action_) {
      const BitmapFault fault = Do(options_.actions[action_]);
      if (fault == BitmapFault::kNone) continue;
      plan_.verdict.fault = fault;
      plan_.verdict.action = static_cast<std::uint32_t>(action_);
      break;
    }
    return plan_;
  }

 private:
  BitmapFault Do(const BitmapAction& action);
  BitmapFault Add();
  BitmapFault Merge(const BitmapAction& action);
  void ForgetBits() {
    plan_.keeps_bits = false;
    plan_.merges.clear();
  }
  BitmapFault Fault(BitmapFault fault, std::uint64_t first, std::uint64_t second = 0) {
    plan_.verdict.details[0] = first;
    plan_.verdict.details[1] = second;
    return fault;
  }

  const BitmapOptions& options_;
  const BitmapIndex& image_;
  const BitmapIndex* source_;
  const FoundBitmap* stored_;
  std::size_t action_ = 0;
  BitmapPlan plan_;
};

BitmapFault Judge::Do(const BitmapAction& action) {
  switch (action.operation) {
    case BitmapOperation::kAdd:
      return Add();
    case BitmapOperation::kMerge:
      return Merge(action);
    case BitmapOperation::kRemoveAll:
      ForgetBits();
      plan_.exists = plan_.is_new = false;
      plan_.removes_all = true;
      return BitmapFault::kNone;
    case BitmapOperation::kRemove:
      if (!plan_.exists) return BitmapFault::kNotFound;
      ForgetBits();
      plan_.exists = plan_.is_new = false;
      return BitmapFault::kNone;
    case BitmapOperation::kClear:
    case BitmapOperation::kEnable:
    case BitmapOperation::kDisable:
      break;
  }
  if (!plan_.exists) return BitmapFault::kNotFound;
  if ((plan_.flags & kBitmapInUse) != 0) return BitmapFault::kInconsistent;
  if (action.operation == BitmapOperation::kClear) {
    ForgetBits();
  } else if (action.operation == BitmapOperation::kEnable) {
    plan_.flags |= kBitmapAuto;
  } else {
    plan_.flags &= ~kBitmapAuto;
  }
  return BitmapFault::kNone;
}

BitmapFault Judge::Add() {
  const std::string_view name = options_.name;
  if (name.empty()) return BitmapFault::kNameEmpty;
  const std::uint64_t granularity =
      options_.granularity_bytes != 0
          ? options_.granularity_bytes
          : std::clamp<std::uint64_t>(image_.header().cluster_bytes(), 4 << 10, 64 << 10);
  const bool power_of_two = (granularity & (granularity - 1)) == 0;  // the guest has no popcount
  if (!power_of_two || granularity < kLeastGranularity || granularity > kMostGranularity) {
    return BitmapFault::kGranularity;
  }
  if (image_.header().version < 3) return BitmapFault::kOldVersion;
  const auto bits = static_cast<unsigned>(std::countr_zero(granularity));
  if (BitmapBytes(image_.disk_bytes(), bits) > kMaxBitmapDataBytes) return BitmapFault::kTooLarge;
  if (name.size() > kMaxBitmapNameBytes) {
    return Fault(BitmapFault::kNameTooLong, kMaxBitmapNameBytes);
  }
  if (plan_.exists) return BitmapFault::kExists;
  if (image_.disk_bytes() == 0) return BitmapFault::kNoDisk;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  if (!plan_.removes_all) {
    count = image_.extension().bitmap_count - (stored_ != nullptr ? 1 : 0);
    bytes = image_.extension().directory_bytes -
            (stored_ != nullptr ? stored_->entry.encoded_bytes() : 0);
  }
  if (count >= kMaxBitmaps) return BitmapFault::kTooMany;
  const BitmapEntry entry{.name_bytes = static_cast<std::uint16_t>(name.size())};
  if (bytes + entry.encoded_bytes() > kMaxBitmapDirectoryBytes) return BitmapFault::kDirectoryFull;
  plan_.exists = plan_.is_new = true;
  plan_.flags = kBitmapAuto;
  plan_.granularity_bits = static_cast<std::uint8_t>(bits);
  return BitmapFault::kNone;
}

BitmapFault Judge::Merge(const BitmapAction& action) {
  if (!plan_.exists) return BitmapFault::kNotFound;
  const bool itself = source_ == nullptr && action.source == options_.name;
  const FoundBitmap* from = nullptr;
  if (source_ != nullptr) {
    from = source_->at(action_);
  } else if (!plan_.removes_all) {
    from = image_.at(1 + action_);
  }
  if (from == nullptr && !itself) return BitmapFault::kSourceNotFound;
  if ((plan_.flags & kBitmapInUse) != 0) return BitmapFault::kInconsistent;
  if (itself) return BitmapFault::kNone;
  if (IsInconsistent(from->entry)) return BitmapFault::kSourceInconsistent;
  if (source_ != nullptr && source_->disk_bytes() != image_.disk_bytes()) {
    return Fault(BitmapFault::kOtherSize, image_.disk_bytes(), source_->disk_bytes());
  }
  plan_.merges.push_back(action_);
  return BitmapFault::kNone;
}

}  // namespace

Result<BitmapIndex> BitmapIndex::Find(const BlockDevice& device, const Header& header,
                                      const std::optional<BitmapsExtension>& extension,
                                      std::span<const std::string_view> names) {
  BitmapIndex index;
  index.header_ = header;
  index.found_.resize(names.size());
  if (!extension || (header.autoclear_features & kAutoclearBitmaps) == 0) return index;
  index.extension_ = *extension;
  Finder finder(names, index.found_);
  INSTAR_TRY(VisitBitmaps(device, *extension, finder));
  INSTAR_TRY(finder.status());
  return index;
}

std::uint64_t BitmapIndex::disk_bytes() const { return AlignDown(header_.virtual_size_bytes, 512); }

BitmapPlan PlanBitmap(const BitmapOptions& options, const BitmapIndex& image,
                      const BitmapIndex* source) {
  return Judge(options, image, source).Run();
}

}  // namespace instar::qcow2
