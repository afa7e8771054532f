// What the disk of an image of one file shows, read through the format's reader.
#ifndef TESTS_UNIT_SUPPORT_SHOWN_DISK_H_
#define TESTS_UNIT_SUPPORT_SHOWN_DISK_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "formats/open.h"
#include "formats/resize.h"
#include "support/memory_device.h"

namespace instar::test {

// Of the image as it was when this was made.
class ShownDisk final : public DiskContent {
 public:
  // What the image says nothing of shows `backing`, and behind its end zeros.
  ShownDisk(const MemoryDevice& device, FormatId format, std::vector<std::byte> backing = {})
      : copy_(device), backing_(std::move(backing)), reader_(OpenImage(copy_, format).value()) {}

  [[nodiscard]] std::uint64_t size_bytes() const { return reader_->virtual_size_bytes(); }
  [[nodiscard]] ImageReader& reader() const { return *reader_; }

  Status Read(std::uint64_t offset, std::span<std::byte> out) override {
    std::ranges::fill(out, std::byte{0});
    INSTAR_ASSIGN_OR_RETURN(const auto cursor, reader_->OpenCursor());
    while (!out.empty() && offset < size_bytes()) {
      INSTAR_ASSIGN_OR_RETURN(const Extent extent, cursor->Next(offset, out.size()));
      INSTAR_TRY(ReadExtent(extent, offset, out.first(extent.length_bytes)));
      offset += extent.length_bytes;
      out = out.subspan(extent.length_bytes);
    }
    return {};
  }
  // All of it.
  [[nodiscard]] std::vector<std::byte> Bytes() {
    std::vector<std::byte> bytes(size_bytes());
    EXPECT_TRUE(Read(0, bytes).has_value());
    return bytes;
  }

 private:
  Status ReadExtent(const Extent& extent, std::uint64_t offset, std::span<std::byte> out) {
    switch (extent.kind) {
      case ExtentKind::kData:
        return copy_.Read(extent.file_offset, out);
      case ExtentKind::kZero:
        return {};
      case ExtentKind::kUnallocated:
        for (std::size_t i = 0; i < out.size() && offset + i < backing_.size(); ++i) {
          out[i] = backing_[offset + i];
        }
        return {};
      case ExtentKind::kCompressed:
        break;
    }
    std::vector<std::byte> compressed(extent.compressed_bytes);
    std::vector<std::byte> unit(extent.unit_bytes);
    INSTAR_TRY(copy_.Read(extent.file_offset, compressed));
    INSTAR_TRY(reader_->Decompress(extent, compressed, unit));
    std::ranges::copy(std::span(unit).subspan(offset - extent.unit_offset, out.size()),
                      out.begin());
    return {};
  }

  const MemoryDevice copy_;
  const std::vector<std::byte> backing_;
  std::unique_ptr<ImageReader> reader_;
};

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_SHOWN_DISK_H_
