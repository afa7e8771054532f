#include "crash/readable.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "crash/crash_device.h"
#include "formats/base/read_window.h"
#include "formats/check.h"
#include "formats/open.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/snapshot_table.h"

namespace instar::crash {
namespace {

std::string TextOf(const Error& error) {
  return absl::StrCat(error.message, " (", error.numbers[0], ", ", error.numbers[1], ", ",
                      error.numbers[2], ")");
}

class Findings final : public FindingSink {
 public:
  // `file_bytes`: length of the file before anything was changed.
  explicit Findings(std::uint64_t file_bytes) : file_bytes_(file_bytes) {}

  void Add(const Finding& finding) override {
    if (finding.kind == FindingKind::kWarning) return;
    ++count;
    // A change that has ended early leaves a longer file: how long it is is part of some findings,
    // and what was behind its end is in it.
    const std::string_view message = finding.message;
    if (message.starts_with("{1} bytes at {0x} are referred to") ||
        ((finding.fix.kind == FixKind::kCount || finding.kind == FindingKind::kError) &&
         finding.numbers[0] >= file_bytes_)) {
      lines.push_back(Readable::kBehindEnd);
      return;
    }
    const bool leak = finding.kind == FindingKind::kLeak;  // how often it is counted may change
    lines.push_back(absl::StrCat(finding.message, " (", finding.numbers[0], ", ",
                                 leak ? 0 : finding.numbers[1], ", ", leak ? 0 : finding.numbers[2],
                                 ")"));
  }
  std::vector<std::string> lines;
  std::uint64_t count = 0;

 private:
  const std::uint64_t file_bytes_;
};

// Reads the disk of `files`, whose image is `image`.
Readable::Disk ReadDisk(const ImageFiles& files, const SparseFile& image_bytes,
                        const qcow2::Header& header) {
  const ReadOnlyDevice image(image_bytes, kImageId);
  std::optional<ReadOnlyDevice> data_file;
  if (files.data_file) data_file.emplace(*files.data_file, kDataFileId);
  std::optional<ReadOnlyDevice> backing;
  if (files.backing) backing.emplace(*files.backing, kBackingId);
  Readable::Disk disk;
  std::vector<std::byte> bytes;
  for (std::uint64_t at = 0; at < header.virtual_size_bytes; at += header.cluster_bytes()) {
    bytes.resize(std::min(header.cluster_bytes(), header.virtual_size_bytes - at));
    const Status read = crash::ReadDisk(image, data_file ? &*data_file : nullptr,
                                        backing ? &*backing : nullptr, FormatId::kQcow2, at, bytes);
    disk.push_back(read ? std::optional(SparseFile(bytes).digest()) : std::nullopt);
  }
  return disk;
}

class Snapshots final : public qcow2::SnapshotVisitor {
 public:
  bool Visit(const qcow2::SnapshotEntry& entry, std::string_view id,
             std::string_view name) override {
    all.emplace_back(entry, std::string(id) + " " + std::string(name));
    return true;
  }
  std::vector<std::pair<qcow2::SnapshotEntry, std::string>> all;
};

std::string LostOf(const std::string& what, const Readable::Disk& before,
                   const Readable::Disk& after) {
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (!before[i]) continue;
    if (i >= after.size() || !after[i]) {
      return absl::StrCat("cluster ", i, " of ", what, " cannot be read any more");
    }
    if (*after[i] != *before[i]) return absl::StrCat("cluster ", i, " of ", what, " has changed");
  }
  return "";
}

}  // namespace

std::uint64_t Readable::Unreadable() const {
  const auto unreadable = [](const Disk& of) {
    return static_cast<std::uint64_t>(
        std::ranges::count_if(of, [](const auto& cluster) { return !cluster.has_value(); }));
  };
  std::uint64_t all = unreadable(disk);
  for (const auto& [name, snapshot] : snapshots) all += unreadable(snapshot);
  return all;
}

std::expected<Readable, std::string> Read(const ImageFiles& files, std::uint64_t file_bytes) {
  const ReadOnlyDevice image(files.image, kImageId);
  const auto reader = OpenImage(image, FormatId::kQcow2);
  if (!reader) return std::unexpected(TextOf(reader.error()));
  ReadWindow file(image, 4096);
  const auto bytes = file.View(0, qcow2::Header::kFullBytes);
  if (!bytes) return std::unexpected(TextOf(bytes.error()));
  const auto header = qcow2::Header::DecodeFrom(*bytes);
  if (!header) return std::unexpected(TextOf(header.error()));

  Readable readable{.disk = ReadDisk(files, files.image, *header)};
  Snapshots snapshots;
  if (qcow2::VisitSnapshots(image, *header, snapshots)) {
    for (const auto& [entry, name] : snapshots.all) {
      // An entry of zeros is no snapshot.
      if (entry.l1_table_offset == 0 && entry.id_bytes == 0 && entry.name_bytes == 0) continue;
      qcow2::Header changed = *header;
      changed.virtual_size_bytes = entry.disk_size_bytes.value_or(header->virtual_size_bytes);
      if (changed.virtual_size_bytes > header->virtual_size_bytes * 4) continue;
      changed.l1_table_offset = entry.l1_table_offset;
      changed.l1_entries = entry.l1_entries;
      changed.snapshot_count = 0;
      SparseFile with_disk = files.image;
      std::vector<std::byte> head(changed.encoded_bytes());
      with_disk.Read(0, head);
      changed.EncodeTo(head);
      with_disk.Write(0, head);
      readable.snapshots.emplace(name, ReadDisk(files, with_disk, changed));
    }
  }
  Findings findings(file_bytes);
  const auto counts =
      CheckImage({.device = &image, .reader = reader->get(), .findings = &findings});
  readable.findings = std::move(findings.lines);
  readable.found = findings.count;
  if (!counts) readable.findings.push_back("not checked: " + TextOf(counts.error()));
  std::ranges::sort(readable.findings);
  return readable;
}

std::string Lost(const Readable& before, const Readable& after) {
  if (std::string lost = LostOf("the disk", before.disk, after.disk); !lost.empty()) return lost;
  for (const auto& [name, disk] : before.snapshots) {
    const auto other = after.snapshots.find(name);
    const auto& now = other == after.snapshots.end() ? Readable::Disk() : other->second;
    if (std::string lost = LostOf("snapshot " + name, disk, now); !lost.empty()) return lost;
  }
  return "";
}

}  // namespace instar::crash
