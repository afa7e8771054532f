#include "crash/image_patches.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "crash/crash_device.h"
#include "crash/image_facts.h"
#include "formats/base/endian.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/header_extensions.h"
#include "formats/qcow2/structures/refcount_entry.h"
#include "formats/qcow2/structures/snapshot_table.h"

namespace instar::crash {
namespace {

std::uint64_t LoadAt(const SparseFile& image, std::uint64_t offset) {
  std::byte bytes[8];
  image.Read(offset, bytes);
  return LoadBe64(bytes, 0);
}

// The cluster of the only refcount block.
std::vector<std::byte> BlockOf(const SparseFile& image, std::uint64_t& offset) {
  const qcow2::Header header = HeaderOf(image);
  offset = LoadAt(image, header.refcount_table_offset);
  std::vector<std::byte> block(header.cluster_bytes());
  image.Read(offset, block);
  return block;
}

}  // namespace

qcow2::Header HeaderOf(const SparseFile& image) {
  std::vector<std::byte> bytes(qcow2::Header::kFullBytes);
  image.Read(0, bytes);
  return qcow2::Header::DecodeFrom(bytes).value();
}

void StoreHeader(SparseFile& image, const qcow2::Header& header) {
  std::vector<std::byte> bytes(header.encoded_bytes());
  image.Read(0, bytes);
  header.EncodeTo(bytes);
  image.Write(0, bytes);
}

std::uint64_t ClustersOf(const SparseFile& image) {
  const std::uint64_t bytes = HeaderOf(image).cluster_bytes();
  return (image.size_bytes() + bytes - 1) / bytes;
}

void SetRefcount(SparseFile& image, std::uint64_t cluster, std::uint64_t count) {
  std::uint64_t offset = 0;
  std::vector<std::byte> block = BlockOf(image, offset);
  qcow2::StoreRefcount(block, cluster, HeaderOf(image).refcount_order, count);
  image.Write(offset, block);
}

void AddExtension(SparseFile& image, std::uint32_t type, std::uint64_t bytes) {
  qcow2::Header header = HeaderOf(image);
  const ReadOnlyDevice device(image, kImageId);
  ReadWindow file(device, 4096);
  qcow2::ExtensionWalk walk(file, header);
  std::vector<std::byte> all;
  const auto append = [&](std::uint32_t kind, std::span<const std::byte> data) {
    qcow2::AppendExtension(all, kind, data);
  };
  while (const auto record = walk.Next().value()) {
    if (record->type == qcow2::kExtensionFeatureNames) continue;  // leaves room
    std::vector<std::byte> data(record->data_bytes);
    image.Read(record->data_offset, data);
    append(record->type, data);
  }
  std::vector<std::byte> data(bytes);
  for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(i * 7 + 1);
  append(type, data);
  all.resize(all.size() + 8);  // the end
  std::vector<std::byte> name(header.backing_file_bytes);
  if (header.backing_file_offset != 0) {
    image.Read(header.backing_file_offset, name);
    header.backing_file_offset = header.header_bytes + all.size();
    all.insert(all.end(), name.begin(), name.end());
  }
  std::vector<std::byte> cluster(header.cluster_bytes());
  image.Read(0, std::span(cluster).first(header.header_bytes));
  if (header.header_bytes + all.size() > cluster.size()) return;
  std::ranges::copy(all, cluster.begin() + header.header_bytes);
  image.Write(0, cluster);
  StoreHeader(image, header);
}

void SetBitmapInUse(SparseFile& image) {
  const ReadOnlyDevice device(image, kImageId);
  ReadWindow file(device, 4096);
  const auto extensions = qcow2::HeaderExtensions::ReadFrom(file, HeaderOf(image)).value();
  constexpr std::uint64_t kFlagsAt = 12;
  const std::uint64_t at = extensions.bitmaps->directory_offset + kFlagsAt;
  std::vector<std::byte> flags(4);
  image.Read(at, flags);
  StoreBe32(flags, 0, LoadBe32(flags, 0) | qcow2::kBitmapInUse);
  image.Write(at, flags);
}

void DropSnapshotExtraData(SparseFile& image) {
  const qcow2::Header header = HeaderOf(image);
  std::vector<std::byte> table(image.size_bytes() - header.snapshots_offset);
  image.Read(header.snapshots_offset, table);
  auto in = std::span<const std::byte>(table);
  std::vector<std::byte> all;
  for (std::uint32_t i = 0; i < header.snapshot_count; ++i) {
    qcow2::SnapshotEntry entry = qcow2::SnapshotEntry::DecodeFrom(in);
    const auto texts = in.subspan(qcow2::SnapshotEntry::kFixedBytes + entry.extra_bytes,
                                  std::size_t{entry.id_bytes} + entry.name_bytes);
    in = in.subspan(entry.encoded_bytes());
    entry.extra_bytes = 0;
    std::vector<std::byte> bytes(entry.encoded_bytes());
    entry.EncodeTo(bytes);
    std::ranges::copy(texts, bytes.begin() + qcow2::SnapshotEntry::kFixedBytes);
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  image.Write(header.snapshots_offset, all);
}

}  // namespace instar::crash
