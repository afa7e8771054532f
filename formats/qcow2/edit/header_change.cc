#include "formats/qcow2/edit/header_change.h"

#include <algorithm>
#include <span>

#include "formats/base/checked.h"
#include "formats/base/read_window.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kSectorBytes = 512;
constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kHeadBytes = ExtensionHeader::kEncodedBytes;
constexpr std::uint64_t kAlignment = 8;
constexpr std::uint64_t kAutoclearKnown = kAutoclearBitmaps | kAutoclearDataFileRaw;

using Bytes = std::vector<std::byte>;

// `bytes` rounded up to whole units; both are small.
constexpr std::uint64_t Padded(std::uint64_t bytes, std::uint64_t unit) {
  return DivideRoundUp(bytes, unit) * unit;
}

struct Extension {
  std::uint32_t type = kExtensionEnd;
  Bytes data;

  [[nodiscard]] std::uint64_t stored_bytes() const {
    return kHeadBytes + Padded(data.size(), kAlignment);
  }
};

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  [[nodiscard]] bool Overlaps(const Range& other) const {
    return begin < other.end && other.begin < end;
  }
};

Bytes ToBytes(std::string_view text) {
  Bytes bytes(text.size());
  std::ranges::transform(text, bytes.begin(), [](char c) { return static_cast<std::byte>(c); });
  return bytes;
}

// Cluster 0 as it is, taken apart.
class OldCluster {
 public:
  OldCluster(const BlockDevice& device, const Header& header)
      : header_(header), bytes_(header.cluster_bytes()) {
    status_ = device.Read(0, bytes_);
    if (status_) status_ = ReadExtensions(device);
  }

  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] const std::vector<Extension>& extensions() const { return extensions_; }
  // Where the data of the bitmaps extension stands; 0 if there is none.
  [[nodiscard]] std::uint64_t bitmaps_at() const { return bitmaps_at_; }
  [[nodiscard]] Range name() const {
    return {header_.backing_file_offset, header_.backing_file_offset + header_.backing_file_bytes};
  }
  // Header and extensions, with the end marker.
  [[nodiscard]] Range head() const { return {0, extensions_end_}; }

 private:
  Status ReadExtensions(const BlockDevice& device) {
    ReadWindow file(device, kPageBytes);
    ExtensionWalk walk(file, header_);
    extensions_end_ = header_.header_bytes + kHeadBytes;
    while (true) {
      INSTAR_ASSIGN_OR_RETURN(const auto record, walk.Next());
      if (!record) return {};
      const auto data = std::span(bytes_).subspan(static_cast<std::size_t>(record->data_offset),
                                                  record->data_bytes);
      extensions_.push_back({record->type, {data.begin(), data.end()}});
      if (record->type == kExtensionBitmaps) bitmaps_at_ = record->data_offset;
      extensions_end_ = record->data_offset + Padded(data.size(), kAlignment) + kHeadBytes;
    }
  }

  const Header& header_;
  Bytes bytes_;
  std::vector<Extension> extensions_;
  std::uint64_t extensions_end_ = 0;
  std::uint64_t bitmaps_at_ = 0;
  Status status_;
};

Bytes Encoded(const BitmapsExtension& extension) {
  Bytes bytes(BitmapsExtension::kEncodedBytes);
  kBitmapsExtensionFields.Encode(extension, bytes);
  return bytes;
}

Bytes FeatureNames(std::uint64_t most_bytes) {
  Bytes bytes;
  for (const FeatureName& name : kFeatureNames) {
    if (bytes.size() + FeatureName::kEncodedBytes > most_bytes) break;
    bytes.resize(bytes.size() + FeatureName::kEncodedBytes);
    name.EncodeTo(std::span(bytes).last(FeatureName::kEncodedBytes));
  }
  return bytes;
}

// Lays cluster 0 out anew.
class Layout {
 public:
  Layout(const OldCluster& old, const Header& old_header, const HeaderChange& change)
      : old_(old),
        old_header_(old_header),
        header_(change.header),
        header_bytes_(header_.header_bytes),
        cluster_bytes_(header_.cluster_bytes()) {
    header_.autoclear_features &= kAutoclearKnown;
    Collect(change);
  }

  Result<HeaderWrites> Plan() {
    if (header_bytes_ + kHeadBytes > kSectorBytes) {
      return OverLimit("the header of {0} bytes leaves no room in its sector", header_bytes_);
    }
    if (FitsInSector()) {
      if (auto writes = InSector()) return *std::move(writes);
    }
    if (auto writes = WithRest()) return *std::move(writes);
    if (cluster_bytes_ <= kPageBytes) {
      if (auto writes = InOnePage()) return *std::move(writes);
    }
    return OverLimit("the first cluster, of {0} bytes, has no room for what the header names",
                     cluster_bytes_);
  }

 private:
  void Collect(const HeaderChange& change) {
    const Extension* format = nullptr;
    // Names are of version 3, which every writer of it stores with the image.
    has_feature_names_ = old_header_.version < 3;
    for (const Extension& extension : old_.extensions()) {
      switch (extension.type) {
        case kExtensionBackingFormat:
          format = &extension;
          break;
        case kExtensionBitmaps:
          break;
        case kExtensionFeatureNames:
          has_feature_names_ = true;
          break;
        case kExtensionEncryption:
          first_.push_back(extension);
          break;
        case kExtensionDataFile:
          data_file_ = extension;
          break;
        default:
          rest_.push_back(extension);
      }
    }
    if (!change.backing) {
      if (format != nullptr) first_.insert(first_.begin(), *format);
      const Range name = old_.name();
      if (name.begin != 0) {
        const auto bytes = old_.bytes().subspan(name.begin, name.end - name.begin);
        name_.assign(bytes.begin(), bytes.end());
        keeps_name_ = true;
      }
    } else if (!change.backing->name.empty()) {
      name_ = ToBytes(change.backing->name);
      if (!change.backing->format.empty()) {
        first_.insert(first_.begin(), {kExtensionBackingFormat, ToBytes(change.backing->format)});
      }
    }
    if (change.bitmaps) first_.push_back({kExtensionBitmaps, Encoded(*change.bitmaps)});
    if (header_.version < 3) has_feature_names_ = false;
    if (change.data_file) data_file_ = DataFile(*change.data_file);
    if (data_file_) {
      // In the sector, if there is room.
      const bool fits = header_bytes_ + Length(first_) + data_file_->stored_bytes() + kHeadBytes +
                            (rest_.empty() && name_.empty() ? 0 : kHeadBytes) <=
                        kSectorBytes;
      (fits ? first_ : rest_).push_back(*data_file_);
    }
  }

  [[nodiscard]] static std::optional<Extension> DataFile(std::string_view name) {
    if (name.empty()) return std::nullopt;
    return Extension{kExtensionDataFile, ToBytes(name)};
  }
  [[nodiscard]] static std::uint64_t Length(const std::vector<Extension>& extensions) {
    std::uint64_t bytes = 0;
    for (const Extension& extension : extensions) bytes += extension.stored_bytes();
    return bytes;
  }
  [[nodiscard]] bool FitsInSector() const {
    return header_bytes_ + Length(first_) + Length(rest_) + kHeadBytes <= kSectorBytes;
  }

  // Where `bytes` bytes can stand from `from` on, beside all that the old header reaches; 0 if
  // nowhere.
  [[nodiscard]] std::uint64_t FreePlace(std::uint64_t bytes, std::uint64_t from) const {
    const Range old[] = {old_.head(), old_.name()};
    std::uint64_t best = 0;
    for (const std::uint64_t candidate : {from, old[0].end, old[1].end}) {
      const std::uint64_t begin = Padded(std::max(candidate, from), kAlignment);
      const Range place{begin, begin + bytes};
      if (place.end > cluster_bytes_ || place.Overlaps(old[0]) || place.Overlaps(old[1])) continue;
      if (best == 0 || begin < best) best = begin;
    }
    return best;
  }

  void Append(Bytes& out, const std::vector<Extension>& extensions) const {
    for (const Extension& extension : extensions) {
      AppendExtension(out, extension.type, extension.data);
    }
  }
  // Header and the extensions that always stand in the first sector.
  [[nodiscard]] Bytes Start() const {
    Bytes out(header_bytes_);
    // Fields that this version does not know stay.
    std::ranges::copy(
        old_.bytes().first(std::min(header_bytes_, std::uint64_t{old_header_.header_bytes})),
        out.begin());
    Append(out, first_);
    return out;
  }
  // As many feature names as there is room for in `room` bytes, if the image had any.
  void AppendFeatureNames(Bytes& out, std::uint64_t room) const {
    if (!has_feature_names_ || room < kHeadBytes + FeatureName::kEncodedBytes) return;
    AppendExtension(out, kExtensionFeatureNames, FeatureNames(room - kHeadBytes));
  }
  void PutHeader(Bytes& root, std::uint64_t name_at) {
    header_.backing_file_offset = name_.empty() ? 0 : name_at;
    header_.backing_file_bytes = static_cast<std::uint32_t>(name_.size());
    header_.EncodeTo(root);
  }

  // All extensions in the first sector; the name there, too, or elsewhere.
  std::optional<HeaderWrites> InSector() {
    HeaderWrites writes;
    Bytes root = Start();
    Append(root, rest_);
    const std::uint64_t end = root.size() + kHeadBytes;
    std::uint64_t name_at = 0;
    bool inside = false;
    if (!name_.empty()) {
      if (keeps_name_ && old_.name().begin >= kSectorBytes) {
        name_at = old_.name().begin;
      } else if (const std::uint64_t place = FreePlace(name_.size(), kSectorBytes)) {
        name_at = place;
        writes.before.push_back({place, name_});
      } else if (end + name_.size() <= kSectorBytes) {
        inside = true;
      } else {
        return std::nullopt;
      }
    }
    AppendFeatureNames(root, kSectorBytes - end - (inside ? name_.size() : 0));
    root.resize(root.size() + kHeadBytes);  // the end marker is zeros
    if (inside) {
      name_at = root.size();
      root.insert(root.end(), name_.begin(), name_.end());
    }
    root.resize(kSectorBytes);
    PutHeader(root, name_at);
    writes.root = std::move(root);
    return writes;
  }

  // Some extensions, and the name behind them, elsewhere in cluster 0.
  std::optional<HeaderWrites> WithRest() {
    Bytes root = Start();
    std::vector<Extension> rest = rest_;
    Bytes elsewhere;
    Append(elsewhere, rest);
    const std::uint64_t needed = elsewhere.size() + kHeadBytes + name_.size();
    const std::uint64_t place = FreePlace(needed, kSectorBytes);
    if (place == 0 || root.size() + kHeadBytes > kSectorBytes) return std::nullopt;
    // The table that leads there. Its first entry lies in the sector, or in what is written
    // elsewhere, or has no room: then nobody reads names from it.
    const std::uint64_t filler = place - root.size() - kHeadBytes;
    const std::uint64_t first_entry = root.size() + kHeadBytes;
    if (filler >= FeatureName::kEncodedBytes &&
        first_entry + FeatureName::kEncodedBytes > kSectorBytes) {
      return std::nullopt;
    }
    const ExtensionHeader head{.type = kExtensionFeatureNames,
                               .data_bytes = static_cast<std::uint32_t>(filler)};
    root.resize(root.size() + kHeadBytes);
    kExtensionHeaderFields.Encode(head, std::span(root).last(kHeadBytes));
    root.resize(kSectorBytes);
    HeaderWrites writes;
    const std::uint64_t name_at = place + elsewhere.size() + kHeadBytes;
    elsewhere.resize(elsewhere.size() + kHeadBytes);
    elsewhere.insert(elsewhere.end(), name_.begin(), name_.end());
    writes.before.push_back({place, std::move(elsewhere)});
    PutHeader(root, name_at);
    writes.root = std::move(root);
    return writes;
  }

  // All of it in one write, over the old.
  std::optional<HeaderWrites> InOnePage() {
    Bytes root = Start();
    Append(root, rest_);
    const std::uint64_t needed = root.size() + kHeadBytes + name_.size();
    if (needed > cluster_bytes_) return std::nullopt;
    AppendFeatureNames(root, cluster_bytes_ - needed);
    const std::uint64_t name_at = root.size() + kHeadBytes;
    root.resize(name_at);
    root.insert(root.end(), name_.begin(), name_.end());
    root.resize(Padded(root.size(), kSectorBytes));
    PutHeader(root, name_at);
    return HeaderWrites{.before = {}, .root = std::move(root)};
  }

  const OldCluster& old_;
  const Header& old_header_;
  Header header_;
  const std::uint64_t header_bytes_;
  const std::uint64_t cluster_bytes_;
  std::vector<Extension> first_;  // always in the first sector
  std::vector<Extension> rest_;
  std::optional<Extension> data_file_;
  bool has_feature_names_ = false;
  Bytes name_;               // of the backing file
  bool keeps_name_ = false;  // it is the old one
};

// The first sector with other numbers, if that is all that changes.
std::optional<Bytes> Patched(const OldCluster& old, const Header& old_header,
                             const HeaderChange& change) {
  if (change.backing || change.data_file || change.header.header_bytes != old_header.header_bytes)
    return std::nullopt;
  Header header = change.header;
  header.autoclear_features &= kAutoclearKnown;
  header.backing_file_offset = old_header.backing_file_offset;
  header.backing_file_bytes = old_header.backing_file_bytes;
  Bytes root(old.bytes().begin(), old.bytes().begin() + kSectorBytes);
  header.EncodeTo(root);
  const bool had_bitmaps =
      old.bitmaps_at() != 0 && (old_header.autoclear_features & kAutoclearBitmaps) != 0;
  if (change.bitmaps) {
    if (old.bitmaps_at() == 0) return std::nullopt;
    const Bytes data = Encoded(*change.bitmaps);
    const auto place = old.bytes().subspan(old.bitmaps_at(), data.size());
    if (!std::ranges::equal(data, place)) {
      if (old.bitmaps_at() + data.size() > kSectorBytes) return std::nullopt;
      std::ranges::copy(data, root.begin() + static_cast<std::ptrdiff_t>(old.bitmaps_at()));
    }
  } else if (had_bitmaps) {
    return std::nullopt;
  }
  return root;
}

}  // namespace

Result<HeaderWrites> PlanHeader(const BlockDevice& device, const Header& old_header,
                                const HeaderChange& change) {
  const OldCluster old(device, old_header);
  INSTAR_TRY(old.status());
  if (auto root = Patched(old, old_header, change)) {
    if (std::ranges::equal(*root, old.bytes().first(kSectorBytes))) root->clear();
    return HeaderWrites{.before = {}, .root = *std::move(root)};
  }
  return Layout(old, old_header, change).Plan();
}

}  // namespace instar::qcow2
