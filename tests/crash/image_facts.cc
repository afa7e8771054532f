#include "crash/image_facts.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "crash/crash_device.h"
#include "formats/base/image_reader.h"
#include "formats/base/read_window.h"
#include "formats/check.h"
#include "formats/open.h"
#include "formats/qcow2/read/bitmap_data.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "formats/qcow2/structures/snapshot_table.h"

namespace instar::crash {
namespace {

class FindingText final : public FindingSink {
 public:
  void Add(const Finding& finding) override {
    if (finding.kind == FindingKind::kWarning) return;
    if (finding.kind == FindingKind::kLeak) {  // how often it is counted may change
      lines.push_back(absl::StrCat("a leak at ", finding.numbers[0]));
      return;
    }
    lines.push_back(absl::StrCat(finding.message, " (", finding.numbers[0], ", ",
                                 finding.numbers[1], ", ", finding.numbers[2], ")"));
  }
  std::vector<std::string> lines;
};

using PutBytes = std::function<void(std::uint64_t, std::span<const std::byte>)>;

// Calls put(offset, bytes) for what [at, at + length) of `from` holds, hole by hole and in short
// pieces, so that a sparse file of any length takes little memory. `offset`: of the first byte.
Status Copy(const BlockDevice& from, std::uint64_t at, std::uint64_t length, std::uint64_t offset,
            const PutBytes& put) {
  constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 16;
  std::vector<std::byte> piece;
  const std::uint64_t end = std::min(at + length, std::max(at, from.size_bytes()));
  while (at < end) {
    FileRun run;
    INSTAR_TRY(from.NextRuns(at, end - at, {&run, 1}));
    if (!run.hole) {
      run.length_bytes = std::min(run.length_bytes, kPieceBytes);
      piece.resize(run.length_bytes);
      INSTAR_TRY(from.Read(at, piece));
      put(offset, piece);
    }
    at += run.length_bytes;
    offset += run.length_bytes;
  }
  return {};
}

// The image with its files, opened.
class Opened {
 public:
  Opened(const BlockDevice& image, const BlockDevice* data_file, const BlockDevice* backing)
      : image_(image), data_file_(data_file), backing_(backing) {}

  Status Open(FormatId format) {
    INSTAR_ASSIGN_OR_RETURN(reader_, OpenImage(image_, format));
    for (std::size_t i = 0; i < reader_->references().size(); ++i) {
      if (reader_->references()[i].role != ReferenceRole::kDataFile) {
        has_backing_ = true;
        continue;
      }
      if (data_file_ == nullptr) return InvalidArgument("the data file is missing");
      INSTAR_TRY(reader_->Attach(i, *data_file_));
    }
    return {};
  }
  [[nodiscard]] const ImageReader& reader() const { return *reader_; }

  // Calls put(offset, bytes) for the parts of [offset, end) that may hold other than zeros.
  Status Walk(std::uint64_t offset, std::uint64_t end, const PutBytes& put) {
    end = std::min(end, reader_->virtual_size_bytes());
    if (offset >= end) return {};
    INSTAR_ASSIGN_OR_RETURN(const auto cursor, reader_->OpenCursor());
    while (offset < end) {
      INSTAR_ASSIGN_OR_RETURN(const Extent extent, cursor->Next(offset, end - offset));
      if (extent.length_bytes == 0 || extent.length_bytes > end - offset) {
        return Corrupt("the map has an extent of {0} bytes", extent.length_bytes);
      }
      switch (extent.kind) {
        case ExtentKind::kZero:
          break;
        case ExtentKind::kUnallocated:
          if (has_backing_ && backing_ != nullptr) {
            INSTAR_TRY(Copy(*backing_, offset, extent.length_bytes, offset, put));
          }
          break;
        case ExtentKind::kData:
          INSTAR_TRY(
              Copy(Device(extent.device), extent.file_offset, extent.length_bytes, offset, put));
          break;
        case ExtentKind::kCompressed: {
          std::vector<std::byte> packed(extent.compressed_bytes);
          std::vector<std::byte> unit(extent.unit_bytes);
          INSTAR_TRY(Device(extent.device).Read(extent.file_offset, packed));
          INSTAR_TRY(reader_->Decompress(extent, packed, unit));
          put(offset, std::span(unit).subspan(offset - extent.unit_offset, extent.length_bytes));
          break;
        }
      }
      offset += extent.length_bytes;
    }
    return {};
  }

 private:
  const BlockDevice& Device(DeviceId id) const {
    return data_file_ != nullptr && id == data_file_->id() ? *data_file_ : image_;
  }

  const BlockDevice& image_;
  const BlockDevice* data_file_;
  const BlockDevice* backing_;
  bool has_backing_ = false;
  std::unique_ptr<ImageReader> reader_;
};

Result<SparseFile> DiskOf(Opened& opened) {
  SparseFile disk;
  INSTAR_TRY(opened.Walk(
      0, opened.reader().virtual_size_bytes(),
      [&](std::uint64_t offset, std::span<const std::byte> bytes) { disk.Write(offset, bytes); }));
  disk.Resize(opened.reader().virtual_size_bytes());
  return disk;
}

class SnapshotList final : public qcow2::SnapshotVisitor {
 public:
  bool Visit(const qcow2::SnapshotEntry& entry, std::string_view id,
             std::string_view name) override {
    entries.push_back(entry);
    facts.push_back({.id = std::string(id),
                     .name = std::string(name),
                     .date_seconds = entry.date_seconds,
                     .date_nanoseconds = entry.date_nanoseconds,
                     .vm_clock_nanoseconds = entry.vm_clock_nanoseconds,
                     .vm_state_bytes = entry.vm_state_bytes,
                     .extra_bytes = entry.extra_bytes,
                     .icount = entry.icount,
                     .disk_size_bytes = entry.disk_size_bytes});
    return true;
  }
  std::vector<qcow2::SnapshotEntry> entries;
  std::vector<SnapshotFacts> facts;  // without their disks
};

class BitmapList final : public qcow2::BitmapVisitor {
 public:
  void Visit(const qcow2::BitmapEntry& entry, std::string_view name) override {
    seen.emplace_back(entry, name);
  }
  std::vector<std::pair<qcow2::BitmapEntry, std::string>> seen;
};

Status ObserveBitmaps(const BlockDevice& image, const qcow2::Header& header,
                      const qcow2::BitmapsExtension& extension, ImageFacts& facts) {
  BitmapList list;
  INSTAR_TRY(qcow2::VisitBitmaps(image, extension, list));
  for (const auto& [entry, name] : list.seen) {
    BitmapFacts bitmap{
        .name = name, .flags = entry.flags, .granularity_bits = entry.granularity_bits};
    if ((entry.flags & qcow2::kBitmapInUse) == 0) {
      INSTAR_ASSIGN_OR_RETURN(auto data, qcow2::BitmapData::Open(image, header, entry));
      std::vector<std::byte> bits(data.bytes());
      INSTAR_TRY(data.Read(0, bits));
      for (std::uint64_t i = 0; i < bits.size() * 8; ++i) {
        if ((std::to_integer<unsigned>(bits[i / 8]) >> (i % 8) & 1) != 0) bitmap.set.push_back(i);
      }
    }
    facts.bitmaps.push_back(std::move(bitmap));
  }
  return {};
}

// The whole disk of a snapshot, of which the reader shows no more than the image's disk has: that
// of an image whose active layer it is.
Result<SparseFile> DiskOfSnapshot(const SparseFile& file, qcow2::Header header,
                                  const qcow2::SnapshotEntry& entry, const BlockDevice* data_file,
                                  const BlockDevice* backing) {
  header.virtual_size_bytes = entry.disk_size_bytes.value_or(header.virtual_size_bytes);
  header.l1_table_offset = entry.l1_table_offset;
  header.l1_entries = entry.l1_entries;
  header.snapshot_count = 0;
  SparseFile changed = file;
  std::vector<std::byte> bytes(header.encoded_bytes());
  changed.Read(0, bytes);
  header.EncodeTo(bytes);
  changed.Write(0, bytes);
  const ReadOnlyDevice image(changed, kImageId);
  Opened opened(image, data_file, backing);
  INSTAR_TRY(opened.Open(FormatId::kQcow2));
  return DiskOf(opened);
}

Status ObserveQcow2(const SparseFile& file_bytes, const BlockDevice& image,
                    const BlockDevice* data_file, const BlockDevice* backing, ImageFacts& facts) {
  ReadWindow file(image, 4096);
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, file.View(0, qcow2::Header::kFullBytes));
  INSTAR_ASSIGN_OR_RETURN(const qcow2::Header header, qcow2::Header::DecodeFrom(bytes));
  facts.format = {.version = header.version,
                  .cluster_bits = header.cluster_bits,
                  .refcount_order = header.refcount_order,
                  .crypt_method = header.crypt_method,
                  .compression_type = static_cast<unsigned>(header.compression_type),
                  .incompatible_features = header.incompatible_features & ~qcow2::kIncompatDirty,
                  .compatible_features = header.compatible_features,
                  .autoclear_features = header.autoclear_features &
                                        (qcow2::kAutoclearBitmaps | qcow2::kAutoclearDataFileRaw)};
  if (header.backing_file_offset != 0) {
    std::vector<std::byte> name(header.backing_file_bytes);
    INSTAR_TRY(image.Read(header.backing_file_offset, name));
    facts.details.push_back(absl::StrCat(
        "backing file ", std::string(reinterpret_cast<const char*>(name.data()), name.size())));
  }
  std::vector<std::string> extensions;
  qcow2::ExtensionWalk walk(file, header);
  for (;;) {
    INSTAR_ASSIGN_OR_RETURN(const auto record, walk.Next());
    if (!record) break;
    if (record->type == qcow2::kExtensionFeatureNames || record->type == qcow2::kExtensionBitmaps) {
      continue;
    }
    std::vector<std::byte> data(record->data_bytes);
    INSTAR_TRY(image.Read(record->data_offset, data));
    extensions.push_back(absl::StrFormat(
        "extension %#x: %s", record->type,
        absl::CEscape(std::string(reinterpret_cast<const char*>(data.data()), data.size()))));
  }
  std::ranges::sort(extensions);  // their order says nothing
  facts.details.insert(facts.details.end(), extensions.begin(), extensions.end());

  SnapshotList snapshots;
  INSTAR_TRY(qcow2::VisitSnapshots(image, header, snapshots));
  facts.snapshots = std::move(snapshots.facts);
  for (std::size_t i = 0; i < facts.snapshots.size(); ++i) {
    INSTAR_ASSIGN_OR_RETURN(
        facts.snapshots[i].disk,
        DiskOfSnapshot(file_bytes, header, snapshots.entries[i], data_file, backing));
  }
  INSTAR_ASSIGN_OR_RETURN(const auto known, qcow2::HeaderExtensions::ReadFrom(file, header));
  if (known.bitmaps && (header.autoclear_features & qcow2::kAutoclearBitmaps) != 0) {
    INSTAR_TRY(ObserveBitmaps(image, header, *known.bitmaps, facts));
  }
  if (header.data_file_is_raw() && data_file != nullptr) {
    if (data_file->size_bytes() < header.virtual_size_bytes) {
      facts.details.push_back("the raw data file is shorter than the disk");
    }
    SparseFile raw;
    INSTAR_TRY(Copy(
        *data_file, 0, header.virtual_size_bytes, 0,
        [&](std::uint64_t offset, std::span<const std::byte> part) { raw.Write(offset, part); }));
    raw.Resize(header.virtual_size_bytes);
    facts.details.push_back(raw == facts.disk
                                ? "the raw data file is the disk"
                                : absl::StrFormat("the raw data file is not the disk: at %#x",
                                                  FirstDifference(raw, facts.disk)));
  }
  return {};
}

Result<ImageFacts> ObserveAll(const ImageFiles& files) {
  const ReadOnlyDevice image(files.image, kImageId);
  std::optional<ReadOnlyDevice> data_file;
  if (files.data_file) data_file.emplace(*files.data_file, kDataFileId);
  std::optional<ReadOnlyDevice> backing;
  if (files.backing) backing.emplace(*files.backing, kBackingId);
  const BlockDevice* const data = data_file ? &*data_file : nullptr;
  const BlockDevice* const below = backing ? &*backing : nullptr;
  ImageFacts facts;
  Opened opened(image, data, below);
  INSTAR_TRY(opened.Open(files.format));
  INSTAR_ASSIGN_OR_RETURN(facts.disk, DiskOf(opened));
  if (files.format != FormatId::kQcow2) return facts;
  INSTAR_TRY(ObserveQcow2(files.image, image, data, below, facts));
  FindingText findings;
  INSTAR_TRY(CheckImage({.device = &image, .reader = &opened.reader(), .findings = &findings}));
  facts.findings = std::move(findings.lines);
  return facts;
}

std::string TextOf(const BitmapFacts& bitmap) {
  return absl::StrCat("'", bitmap.name, "' with flags ", bitmap.flags, ", granularity 2^",
                      bitmap.granularity_bits, ", bits ", absl::StrJoin(bitmap.set, ","));
}

std::string TextOf(const SnapshotFacts& snapshot) {
  return absl::StrCat(snapshot.id, " '", snapshot.name, "' ", snapshot.date_seconds, ".",
                      snapshot.date_nanoseconds, " clock ", snapshot.vm_clock_nanoseconds,
                      " state ", snapshot.vm_state_bytes, " extra ", snapshot.extra_bytes,
                      " icount ", snapshot.icount.value_or(0), " disk ",
                      snapshot.disk_size_bytes.value_or(0));
}

std::string TextOf(const FormatFacts& format) {
  return absl::StrFormat(
      "version %u, clusters 2^%u, refcounts 2^%u, crypt %u, incompatible %#x, compatible %#x, "
      "autoclear %#x, compression %u",
      format.version, format.cluster_bits, format.refcount_order, format.crypt_method,
      format.incompatible_features, format.compatible_features, format.autoclear_features,
      format.compression_type);
}

const std::string& TextOf(const std::string& detail) { return detail; }

// The first element in which the lists differ by their texts.
template <typename Element>
std::string ListDifference(const std::string& what, const std::vector<Element>& is,
                           const std::vector<Element>& should) {
  for (std::size_t i = 0; i < std::max(is.size(), should.size()); ++i) {
    const std::string one = i < is.size() ? TextOf(is[i]) : "nothing";
    const std::string other = i < should.size() ? TextOf(should[i]) : "nothing";
    if (one != other) return absl::StrCat("the ", what, " ", one, "; and not: ", other);
  }
  return "";
}

std::string DiskDifference(const SparseFile& is, const SparseFile& should) {
  if (is.size_bytes() != should.size_bytes()) {
    return absl::StrCat(is.size_bytes(), " bytes and not ", should.size_bytes());
  }
  if (is == should) return "";
  return absl::StrFormat("other content at %#x", FirstDifference(is, should));
}

}  // namespace

std::expected<ImageFacts, std::string> Observe(const ImageFiles& files) {
  auto facts = ObserveAll(files);
  if (facts) return *std::move(facts);
  const Error& error = facts.error();
  return std::unexpected(absl::StrCat("the image cannot be read: ", error.message, " (",
                                      error.numbers[0], ", ", error.numbers[1], ", ",
                                      error.numbers[2], ")"));
}

ImageFacts Resized(const ImageFacts& facts, std::uint64_t bytes) {
  ImageFacts resized = facts;
  resized.disk.Resize(bytes);
  for (BitmapFacts& bitmap : resized.bitmaps) {
    const std::uint64_t bits = qcow2::BitmapBits(bytes, bitmap.granularity_bits);
    std::erase_if(bitmap.set, [bits](std::uint64_t bit) { return bit >= bits; });
  }
  return resized;
}

std::string Difference(const ImageFacts& facts, const ImageFacts& expected) {
  if (std::string why = DiskDifference(facts.disk, expected.disk); !why.empty()) {
    return "the disk has " + why;
  }
  if (facts.format != expected.format) {
    return absl::StrCat(TextOf(facts.format), "; and not: ", TextOf(expected.format));
  }
  if (std::string why = ListDifference("snapshot", facts.snapshots, expected.snapshots);
      !why.empty()) {
    return why;
  }
  for (std::size_t i = 0; i < facts.snapshots.size(); ++i) {
    std::string why = DiskDifference(facts.snapshots[i].disk, expected.snapshots[i].disk);
    if (!why.empty()) return absl::StrCat(TextOf(facts.snapshots[i]), " has ", why);
  }
  if (std::string why = ListDifference("bitmap", facts.bitmaps, expected.bitmaps); !why.empty()) {
    return why;
  }
  return ListDifference("detail", facts.details, expected.details);
}

Status ReadDisk(const BlockDevice& image, const BlockDevice* data_file, const BlockDevice* backing,
                FormatId format, std::uint64_t offset, std::span<std::byte> out) {
  std::ranges::fill(out, std::byte{0});
  Opened opened(image, data_file, backing);
  INSTAR_TRY(opened.Open(format));
  return opened.Walk(offset, offset + out.size(),
                     [&](std::uint64_t at, std::span<const std::byte> bytes) {
                       std::ranges::copy(bytes, out.begin() + (at - offset));
                     });
}

}  // namespace instar::crash
