// Images on a FakeHost: made with the writers, and read back through a chain.
#ifndef TESTS_UNIT_SUPPORT_DISK_IMAGE_H_
#define TESTS_UNIT_SUPPORT_DISK_IMAGE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "formats/create.h"
#include "instar/chain.h"
#include "instar/records.h"
#include "support/fake_host.h"
#include "support/option_settings.h"
#include "support/text_sink.h"

namespace instar::test {

using Bytes = std::vector<std::byte>;

// `length` bytes none of which is zero, different for every seed. They compress.
inline Bytes Pattern(unsigned seed, std::uint64_t length) {
  Bytes bytes(length);
  for (std::uint64_t i = 0; i < length; ++i) {
    bytes[i] = static_cast<std::byte>(1 + (seed * 31 + i / 16 + i % 7) % 251);
  }
  return bytes;
}

// Bytes that do not compress.
inline Bytes Noise(unsigned seed, std::uint64_t length) {
  Bytes bytes(length);
  std::uint64_t state = seed * 0x9E3779B97F4A7C15ull + 1;
  for (std::byte& b : bytes) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    b = static_cast<std::byte>(1 + (state >> 32) % 255);
  }
  return bytes;
}

// A raw file; `content` stands at its offsets, the rest is a hole.
inline void MakeRaw(FakeHost& host, DeviceId id, std::uint64_t size,
                    const std::vector<std::pair<std::uint64_t, Bytes>>& content) {
  FakeHost::Device& device = host.Add(id);
  for (const auto& [offset, bytes] : content) device.file.Write(offset, bytes);
  device.file.Resize(size);
}

// A qcow2 image, filled in ascending order. Keeps what the disk shows of this layer in `disk`.
class ImageBuilder {
 public:
  ImageBuilder(FakeHost& host, DeviceId id, std::uint64_t size, std::string options = "",
               std::string backing = "", std::string backing_format = "", bool compress = true)
      : disk(size), host_(host), id_(id) {
    host.AddTarget(id);
    device_ = std::make_unique<HostDevice>(HostDevice::Open(host, id).value());
    auto writer = CreateImage({.format = FormatId::kQcow2,
                               .virtual_size_bytes = size,
                               .options = Settings(FormatId::kQcow2, options),
                               .backing_name = backing,
                               .backing_format = backing_format,
                               .target = device_.get(),
                               .compress = compress});
    EXPECT_TRUE(writer.has_value()) << (writer ? "" : writer.error().message);
    writer_ = *std::move(writer);
    EXPECT_TRUE(writer_->Begin().has_value());
  }
  ImageBuilder& Data(std::uint64_t offset, const Bytes& bytes) {
    Show(offset, bytes);
    for (std::uint64_t at = 0; at < bytes.size();) {
      const auto place = writer_->PlaceData(offset + at, bytes.size() - at);
      EXPECT_TRUE(place.has_value());
      host_.At(place->device)
          .file.Write(place->file_offset, std::span(bytes).subspan(at, place->length_bytes));
      at += place->length_bytes;
    }
    return *this;
  }
  ImageBuilder& Zero(std::uint64_t offset, std::uint64_t length) {
    Show(offset, Bytes(length));
    EXPECT_TRUE(writer_->PlaceZero(offset, length).has_value());
    return *this;
  }
  // `bytes` are one cluster.
  ImageBuilder& Compressed(std::uint64_t offset, const Bytes& bytes) {
    Show(offset, bytes);
    Bytes packed(bytes.size());
    const auto size = writer_->Compress(0, bytes, packed);
    EXPECT_TRUE(size.has_value() && *size != 0);
    const auto place = writer_->PlaceCompressed(offset, *size);
    EXPECT_TRUE(place.has_value());
    host_.At(place->device).file.Write(place->file_offset, std::span(packed).first(*size));
    return *this;
  }
  // The finished image becomes an ordinary read-only file.
  Bytes Finish() {
    EXPECT_TRUE(writer_->Finish().has_value());
    host_.At(id_).writable = false;
    return disk;
  }

  Bytes disk;

 private:
  void Show(std::uint64_t offset, const Bytes& bytes) {
    const std::size_t length = std::min<std::size_t>(bytes.size(), disk.size() - offset);
    std::memcpy(disk.data() + offset, bytes.data(), length);
  }
  FakeHost& host_;
  DeviceId id_;
  std::unique_ptr<HostDevice> device_;
  std::unique_ptr<ImageWriter> writer_;
};

// The virtual disk of an image with its chain.
inline Bytes ReadDisk(FakeHost& host, DeviceId id, FormatId format) {
  const auto chain = Chain::Open(host, {.image = {id, format}});
  EXPECT_TRUE(chain.has_value()) << (chain ? "" : chain.error().message);
  if (!chain) return {};
  Bytes disk((*chain)->virtual_size_bytes());
  const auto cursor = (*chain)->OpenCursor();
  EXPECT_TRUE(cursor.has_value());
  for (std::uint64_t at = 0; at < disk.size();) {
    const auto found = (*cursor)->Next(at, disk.size() - at);
    EXPECT_TRUE(found.has_value()) << (found ? "" : found.error().message);
    if (!found) return {};
    const Extent& extent = found->extent;
    const auto out = std::span(disk).subspan(at, extent.length_bytes);
    if (extent.kind == ExtentKind::kData) {
      host.At(extent.device).file.Read(extent.file_offset, out);
    } else if (extent.kind == ExtentKind::kCompressed) {
      Bytes packed(extent.compressed_bytes);
      Bytes unit(extent.unit_bytes);
      host.At(extent.device).file.Read(extent.file_offset, packed);
      EXPECT_TRUE((*chain)->Decompress(*found, packed, unit).has_value());
      std::memcpy(out.data(), unit.data() + (at - extent.unit_offset), out.size());
    }
    at += extent.length_bytes;
  }
  return disk;
}

// What was emitted, as the text of TextSink.
inline std::string ReportText(const FakeHost& host) {
  TextSink sink;
  WireReader reader(host.emitted());
  std::string key;
  while (const auto field = reader.Next()) {
    const auto tag = static_cast<ReportTag>(field->tag);
    const std::string with = std::exchange(key, "");
    switch (tag) {
      case ReportTag::kKey:
        key = field->AsText();
        break;
      case ReportTag::kBeginObject:
        sink.BeginObject(with);
        break;
      case ReportTag::kEndObject:
        sink.EndObject();
        break;
      case ReportTag::kBeginArray:
        sink.BeginArray(with);
        break;
      case ReportTag::kEndArray:
        sink.EndArray();
        break;
      case ReportTag::kUnsigned:
        sink.Unsigned(with, field->AsUnsigned().value());
        break;
      case ReportTag::kSigned:
        sink.Signed(with, static_cast<std::int64_t>(field->AsUnsigned().value()));
        break;
      case ReportTag::kBoolean:
        sink.Boolean(with, field->AsUnsigned().value() != 0);
        break;
      case ReportTag::kString:
        sink.String(with, field->AsText());
        break;
    }
  }
  EXPECT_TRUE(reader.ok());
  return sink.text;
}

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_DISK_IMAGE_H_
