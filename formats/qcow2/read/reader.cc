#include "formats/qcow2/read/reader.h"

#include <array>
#include <bit>

#include "formats/base/checked.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/read/decompressor.h"
#include "formats/qcow2/read/description.h"
#include "formats/qcow2/read/map_cursor.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "formats/qcow2/structures/snapshot_table.h"

namespace instar::qcow2 {
namespace {

constexpr std::uint64_t kSectorBytes = 512;

// IDs are looked for in the whole table before names are.
class SnapshotFinder final : public SnapshotVisitor {
 public:
  explicit SnapshotFinder(const SnapshotChoice& choice) : choice_(choice) {}

  bool Visit(const SnapshotEntry& entry, std::string_view id, std::string_view name) override {
    id = UpToNul(id);
    name = UpToNul(name);
    if (choice_.id.empty() && choice_.name.empty()) {
      if (id == choice_.id_or_name) by_id_ = entry;
      if (!by_name_ && name == choice_.id_or_name) by_name_ = entry;
    } else if ((choice_.id.empty() || id == choice_.id) &&
               (choice_.name.empty() || name == choice_.name)) {
      by_id_ = entry;
    }
    return !by_id_;
  }
  [[nodiscard]] const std::optional<SnapshotEntry>& found() const {
    return by_id_ ? by_id_ : by_name_;
  }

 private:
  const SnapshotChoice choice_;
  std::optional<SnapshotEntry> by_id_;
  std::optional<SnapshotEntry> by_name_;
};

class Reader final : public ImageReader {
 public:
  Reader(const BlockDevice& device, const Header& header, HeaderExtensions extensions,
         std::vector<char> backing_name)
      : device_(device),
        header_(header),
        extensions_(std::move(extensions)),
        backing_name_(std::move(backing_name)),
        decompressor_(header.compression_type),
        source_{.tables = &device,
                .data = header.has_data_file() ? nullptr : &device,
                .header = header,
                .l1_table_offset = header.l1_table_offset,
                .l1_entries = header.l1_entries,
                // What is not a whole sector does not count, as in QEMU.
                .virtual_size_bytes = AlignDown(header.virtual_size_bytes, kSectorBytes)} {
    if (const std::string_view name = View(backing_name_); !name.empty()) {
      references_[reference_count_++] = {.role = ReferenceRole::kBacking,
                                         .name = name,
                                         .format_name = View(extensions_.backing_format)};
    }
    if (header_.has_data_file() && extensions_.data_file_name) {
      references_[reference_count_++] = {.role = ReferenceRole::kDataFile,
                                         .name = View(*extensions_.data_file_name),
                                         .format_name = "raw"};
    }
  }

  [[nodiscard]] FormatId format() const override { return FormatId::kQcow2; }
  [[nodiscard]] std::uint64_t virtual_size_bytes() const override {
    return source_.virtual_size_bytes;
  }
  [[nodiscard]] std::uint64_t cluster_size_bytes() const override {
    return header_.cluster_bytes();
  }
  [[nodiscard]] std::span<const Reference> references() const override {
    return std::span(references_).first(reference_count_);
  }

  Status Attach(std::size_t index, const BlockDevice& device) override {
    if (index >= reference_count_ || references_[index].role != ReferenceRole::kDataFile) {
      return InvalidArgument("reference {0} of the image is not a data file", index);
    }
    source_.data = &device;
    return {};
  }

  Status SelectSnapshot(std::string_view id_or_name) override {
    return SelectSnapshotBy({.id_or_name = id_or_name});
  }

  Status SelectSnapshotBy(const SnapshotChoice& choice) override {
    if (header_.has_data_file()) {
      return std::unexpected(Error{.code = ErrorCode::kUnsupported,
                                   .message = "an image with a data file has no internal snapshots"}
                                 .On(device_.id()));
    }
    SnapshotFinder finder(choice);
    if (const Status visited = VisitSnapshots(device_, header_, finder); !visited) {
      return std::unexpected(visited.error().On(device_.id()));
    }
    const std::optional<SnapshotEntry>& entry = finder.found();
    if (!entry) {
      return std::unexpected(
          Error{.code = ErrorCode::kNotFound,
                .message =
                    "Failed to load snapshot: Can't find snapshot (the image has no such snapshot)"}
              .On(device_.id()));
    }
    const Status table =
        CheckTable(header_, entry->l1_table_offset, entry->l1_entries, kTableEntryBytes,
                   kMaxL1Bytes, "the L1 table of the snapshot is misplaced at {0x}",
                   "the L1 table of the snapshot has {0} entries, more than {1}");
    if (!table) return std::unexpected(table.error().On(device_.id()));
    source_.l1_table_offset = entry->l1_table_offset;
    source_.l1_entries = entry->l1_entries;
    return {};
  }

  Result<std::unique_ptr<MapCursor>> OpenCursor() const override {
    if (header_.crypt_method != kCryptNone) {
      return std::unexpected(
          Error{.code = ErrorCode::kUnsupported,
                .message = "reading encrypted qcow2 images is not supported by this version"}
              .On(device_.id()));
    }
    if (source_.data == nullptr) {
      return std::unexpected(
          (extensions_.data_file_name
               ? Error{.code = ErrorCode::kInvalidArgument,
                       .message = "the data file of the image has not been opened"}
               : Error{.code = ErrorCode::kCorrupt,
                       .message = "the image keeps its data in another file, but does not name it"})
              .On(device_.id()));
    }
    if (source_.l1_entries != 0 && source_.l1_table_offset >= device_.size_bytes()) {
      const auto beyond = Corrupt("the L1 table at {0x} lies beyond the end of the file ({1x})",
                                  source_.l1_table_offset, device_.size_bytes());
      return std::unexpected(beyond.error().On(device_.id()));
    }
    return std::make_unique<Cursor>(source_);
  }

  Status Decompress(const Extent& extent, std::span<const std::byte> compressed,
                    std::span<std::byte> out) const override {
    if (extent.kind != ExtentKind::kCompressed || out.size() != header_.cluster_bytes() ||
        compressed.size() != extent.compressed_bytes) {
      return InvalidArgument("the extent at {0x} is not a compressed cluster", extent.unit_offset);
    }
    const Status status = decompressor_.Inflate(compressed, out);
    if (!status) return std::unexpected(status.error().On(device_.id()));
    return {};
  }

  Status Describe(ReportSink& sink) const override {
    const Status status = qcow2::Describe(device_, header_, extensions_, sink);
    if (!status) return std::unexpected(status.error().On(device_.id()));
    return {};
  }

 private:
  static std::string_view View(const std::vector<char>& text) {
    return UpToNul({text.data(), text.size()});
  }

  const BlockDevice& device_;
  const Header header_;
  const HeaderExtensions extensions_;
  const std::vector<char> backing_name_;
  mutable Decompressor decompressor_;  // reentrant; keeps only working memory
  MapSource source_;
  std::array<Reference, 2> references_{};
  std::size_t reference_count_ = 0;
};

Result<std::unique_ptr<ImageReader>> Open(const BlockDevice& device) {
  // Nearly always one read: header, extensions and the backing file name stand together.
  ReadWindow file(device, 4096);
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, file.View(0, Header::kFullBytes));
  INSTAR_ASSIGN_OR_RETURN(const Header header, Header::DecodeFrom(bytes));
  if (const std::uint64_t unknown = header.incompatible_features & ~kIncompatKnown; unknown != 0) {
    const std::vector<char> name =
        IncompatibleFeatureName(file, header, static_cast<unsigned>(std::countr_zero(unknown)));
    if (!name.empty()) {
      return MakeTextError(ErrorCode::kUnsupported,
                           "the image uses the feature '{t}', which this version does not know",
                           {name.data(), name.size()});
    }
  }
  INSTAR_TRY(header.Validate());
  INSTAR_ASSIGN_OR_RETURN(HeaderExtensions extensions, HeaderExtensions::ReadFrom(file, header));
  std::vector<char> backing_name;
  if (header.backing_file_offset != 0) {
    INSTAR_ASSIGN_OR_RETURN(const auto name,
                            file.View(header.backing_file_offset, header.backing_file_bytes));
    const char* const first = reinterpret_cast<const char*>(name.data());
    backing_name.assign(first, first + name.size());
  }
  return std::make_unique<Reader>(device, header, std::move(extensions), std::move(backing_name));
}

}  // namespace

Result<std::unique_ptr<ImageReader>> OpenReader(const BlockDevice& device) {
  auto reader = Open(device);
  if (!reader) return std::unexpected(reader.error().On(device.id()));
  return reader;
}

}  // namespace instar::qcow2
