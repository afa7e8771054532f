// VMDK images in memory: made with the writers, read with the reader.
#ifndef TESTS_UNIT_SUPPORT_VMDK_IMAGE_H_
#define TESTS_UNIT_SUPPORT_VMDK_IMAGE_H_

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/base/target_files.h"
#include "formats/create.h"
#include "formats/vmdk/reader.h"
#include "support/memory_device.h"
#include "support/option_settings.h"

namespace instar::test {

inline constexpr std::uint64_t kGrain = 64 << 10;

// The files of one image; the named one is files[0]. Their numbers are 1, 2, ...
struct VmdkFiles {
  std::vector<std::unique_ptr<MemoryDevice>> files;

  MemoryDevice& operator[](std::size_t i) { return *files[i]; }
};

// Writes `content` (whole grains at their offsets) into a fresh image.
inline VmdkFiles WriteVmdk(const std::string& options, std::uint64_t size,
                           const std::vector<std::pair<std::uint64_t, std::string>>& content,
                           const ImageReader* backing = nullptr,
                           const std::vector<std::uint64_t>& zeros = {},
                           const IdentitySeed& seed = {}) {
  VmdkFiles image;
  const auto& settings = Settings(FormatId::kVmdk, options);
  const std::uint64_t extents = TargetExtentCount(FormatId::kVmdk, settings, size);
  std::vector<TargetDevice*> targets;
  for (std::uint64_t i = 0; i <= extents; ++i) {
    image.files.push_back(
        std::make_unique<MemoryDevice>(0, DeviceId{static_cast<std::uint32_t>(i + 1)}));
    if (i != 0) targets.push_back(image.files.back().get());
  }
  auto made = CreateImage({.format = FormatId::kVmdk,
                           .virtual_size_bytes = size,
                           .options = settings,
                           .backing_name = backing != nullptr ? "parent.vmdk" : "",
                           .backing = backing,
                           .target = image.files.front().get(),
                           .extents = targets,
                           .target_name = "disk.vmdk"});
  EXPECT_TRUE(made) << made.error().message;
  if (!made) return image;
  ImageWriter& writer = **made;
  writer.SetIdentity(seed);
  EXPECT_TRUE(writer.Begin());
  const auto device = [&](DeviceId id) -> MemoryDevice& {
    return *image.files[static_cast<std::uint32_t>(id) - 1];
  };
  for (const auto& [offset, text] : content) {
    if (writer.compresses(false)) {
      std::vector<std::byte> unit(kGrain);
      std::memcpy(unit.data(), text.data(), text.size());
      std::vector<std::byte> out(writer.max_compressed_bytes());
      const auto bytes = writer.CompressAt(0, offset, unit, out);
      EXPECT_TRUE(bytes);
      const auto place = writer.PlaceCompressed(offset, *bytes);
      EXPECT_TRUE(place);
      EXPECT_TRUE(device(place->device)
                      .Write(place->file_offset, std::span<const std::byte>(out).first(*bytes)));
      continue;
    }
    const auto place = writer.PlaceData(offset, std::min<std::uint64_t>(kGrain, size - offset));
    EXPECT_TRUE(place);
    EXPECT_TRUE(device(place->device).Write(place->file_offset, std::as_bytes(std::span(text))));
  }
  for (const std::uint64_t offset : zeros) EXPECT_TRUE(writer.PlaceZero(offset, kGrain));
  EXPECT_TRUE(writer.Finish());
  return image;
}

// Opens an image of `files` with its extents attached in order.
inline Result<std::unique_ptr<ImageReader>> OpenVmdk(VmdkFiles& image) {
  auto reader = vmdk::OpenReader(image[0]);
  if (!reader) return reader;
  std::size_t file = 1;
  const auto references = (*reader)->references();
  for (std::size_t i = 0; i < references.size(); ++i) {
    if (references[i].role != ReferenceRole::kExtent) continue;
    INSTAR_TRY((*reader)->Attach(i, image[file++]));
  }
  return reader;
}

// The map as text: "data 0+65536 @1:131072" and so on, one a line.
inline std::string MapOf(const ImageReader& reader) {
  auto cursor = reader.OpenCursor();
  if (!cursor) return cursor.error().message;
  std::string text;
  for (std::uint64_t at = 0; at < reader.virtual_size_bytes();) {
    const auto extent = (*cursor)->Next(at, reader.virtual_size_bytes() - at);
    if (!extent) return text + extent.error().message;
    constexpr const char* kNames[] = {"", "data", "zero", "unallocated", "compressed"};
    text += std::string(kNames[static_cast<int>(extent->kind)]) + " " + std::to_string(at) + "+" +
            std::to_string(extent->length_bytes);
    if (extent->kind == ExtentKind::kData) {
      text += " @" + std::to_string(static_cast<std::uint32_t>(extent->device)) + ":" +
              std::to_string(extent->file_offset);
    }
    text += "\n";
    at += extent->length_bytes;
  }
  return text;
}

// `length` bytes of the disk at `offset`, zeros where the image says nothing.
inline Result<std::string> ReadVmdk(VmdkFiles& image, const ImageReader& reader,
                                    std::uint64_t offset, std::uint64_t length) {
  INSTAR_ASSIGN_OR_RETURN(auto cursor, reader.OpenCursor());
  std::string out;
  while (out.size() < length) {
    INSTAR_ASSIGN_OR_RETURN(const Extent extent,
                            cursor->Next(offset + out.size(), length - out.size()));
    std::vector<std::byte> bytes(extent.length_bytes);
    const auto device = [&]() -> MemoryDevice& {
      return image[static_cast<std::uint32_t>(extent.device) - 1];
    };
    if (extent.kind == ExtentKind::kData) INSTAR_TRY(device().Read(extent.file_offset, bytes));
    if (extent.kind == ExtentKind::kCompressed) {
      std::vector<std::byte> packed(extent.compressed_bytes);
      std::vector<std::byte> unit(extent.unit_bytes);
      INSTAR_TRY(device().Read(extent.file_offset, packed));
      INSTAR_TRY(reader.Decompress(extent, packed, unit));
      std::memcpy(bytes.data(), unit.data() + (offset + out.size() - extent.unit_offset),
                  bytes.size());
    }
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return out;
}

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_VMDK_IMAGE_H_
