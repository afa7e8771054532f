#include "formats/qcow2/structures/header_extensions.h"

#include <algorithm>
#include <cstring>

#include "formats/base/endian.h"

namespace instar::qcow2 {

Result<BitmapsExtension> BitmapsExtension::DecodeFrom(std::span<const std::byte> bytes) {
  if (LoadBe32(bytes, 4) != 0) {
    return Corrupt("the reserved field of the bitmaps extension is {0}", LoadBe32(bytes, 4));
  }
  return kBitmapsExtensionFields.Decode<BitmapsExtension>(bytes);
}

std::optional<FeatureName> FeatureName::DecodeFrom(std::span<const std::byte> bytes) {
  const auto kind = static_cast<std::uint8_t>(bytes[0]);
  if (kind > static_cast<std::uint8_t>(Kind::kAutoclear)) return std::nullopt;
  const std::span<const std::byte> text = bytes.subspan(2, kMaxNameBytes);
  const auto length = std::ranges::find(text, std::byte{0}) - text.begin();
  return FeatureName{
      .kind = static_cast<Kind>(kind),
      .bit = static_cast<std::uint8_t>(bytes[1]),
      .name = {reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(length)}};
}

void FeatureName::EncodeTo(std::span<std::byte> out) const {
  std::ranges::fill(out.first(kEncodedBytes), std::byte{0});
  out[0] = std::byte{static_cast<std::uint8_t>(kind)};
  out[1] = std::byte{bit};
  std::memcpy(out.data() + 2, name.data(), std::min(name.size(), kMaxNameBytes));
}

void AppendExtension(std::vector<std::byte>& out, std::uint32_t type,
                     std::span<const std::byte> data) {
  const std::size_t at = out.size();
  out.resize(at + ExtensionHeader::kEncodedBytes + (data.size() + 7) / 8 * 8);
  const std::span<std::byte> record = std::span(out).subspan(at);
  kExtensionHeaderFields.Encode(
      ExtensionHeader{.type = type, .data_bytes = static_cast<std::uint32_t>(data.size())}, record);
  std::ranges::copy(data, record.begin() + ExtensionHeader::kEncodedBytes);
}

void AppendExtension(std::vector<std::byte>& out, std::uint32_t type, std::string_view data) {
  AppendExtension(out, type, std::as_bytes(std::span(data)));
}

namespace {

std::vector<char> Text(std::span<const std::byte> bytes) {
  const char* const first = reinterpret_cast<const char*>(bytes.data());
  return {first, first + bytes.size()};
}

// What an extension of fixed length must hold.
Status CheckBitmaps(const BitmapsExtension& bitmaps, const Header& header) {
  if (bitmaps.bitmap_count == 0) return Corrupt("the bitmaps extension names no bitmap");
  if (bitmaps.bitmap_count > kMaxBitmaps) {
    return OverLimit("{0} bitmaps exceed the limit of {1}", bitmaps.bitmap_count, kMaxBitmaps);
  }
  return CheckTable(header, bitmaps.directory_offset, bitmaps.directory_bytes, 1,
                    kMaxBitmapDirectoryBytes, "the bitmap directory is misplaced at {0x}",
                    "the bitmap directory of {0} bytes exceeds the limit of {1}");
}

}  // namespace

ExtensionWalk::ExtensionWalk(ReadWindow& file, const Header& header)
    : file_(&file),
      at_(header.header_bytes),
      end_(header.backing_file_offset != 0
               ? std::min(header.backing_file_offset, header.cluster_bytes())
               : header.cluster_bytes()) {}

Result<std::optional<ExtensionRecord>> ExtensionWalk::Next() {
  if (at_ >= end_) return std::nullopt;
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, file_->View(at_, ExtensionHeader::kEncodedBytes));
  const ExtensionHeader head = kExtensionHeaderFields.Decode<ExtensionHeader>(bytes);
  const std::uint64_t data_offset = at_ + ExtensionHeader::kEncodedBytes;
  if (data_offset > end_ || head.data_bytes > end_ - data_offset) {
    return Corrupt("header extension {0x} of {1} bytes does not fit before {2x}", head.type,
                   head.data_bytes, end_);
  }
  if (head.type == kExtensionEnd) {
    at_ = end_;
    return std::nullopt;
  }
  at_ = data_offset + (std::uint64_t{head.data_bytes} + 7) / 8 * 8;
  return ExtensionRecord{
      .type = head.type, .data_bytes = head.data_bytes, .data_offset = data_offset};
}

std::vector<char> IncompatibleFeatureName(ReadWindow& file, const Header& header, unsigned bit) {
  ExtensionWalk walk(file, header);
  while (true) {
    // A name is a courtesy: an image too damaged to give it is refused all the same.
    const std::optional<ExtensionRecord> extension = walk.Next().value_or(std::nullopt);
    if (!extension) return {};
    if (extension->type != kExtensionFeatureNames) continue;
    const std::uint32_t entries = extension->data_bytes / std::uint32_t{FeatureName::kEncodedBytes};
    for (std::uint32_t i = 0; i < entries; ++i) {
      const auto bytes = file.View(extension->data_offset + i * FeatureName::kEncodedBytes,
                                   FeatureName::kEncodedBytes);
      if (!bytes) return {};
      const auto feature = FeatureName::DecodeFrom(*bytes);
      if (feature && feature->kind == FeatureName::Kind::kIncompatible && feature->bit == bit) {
        return {feature->name.begin(), feature->name.end()};
      }
    }
  }
}

Result<HeaderExtensions> HeaderExtensions::ReadFrom(ReadWindow& file, const Header& header) {
  HeaderExtensions found;
  ExtensionWalk walk(file, header);
  while (true) {
    INSTAR_ASSIGN_OR_RETURN(const auto extension, walk.Next());
    if (!extension) return found;
    const std::uint32_t data_bytes = extension->data_bytes;
    const std::uint64_t data_at = extension->data_offset;
    switch (extension->type) {
      case kExtensionBackingFormat: {
        if (data_bytes > kMaxBackingFormatBytes) {
          return Corrupt("the backing format name of {0} bytes is too long", data_bytes);
        }
        INSTAR_ASSIGN_OR_RETURN(const auto data, file.View(data_at, data_bytes));
        found.backing_format = Text(data);
        break;
      }
      case kExtensionDataFile: {
        if (data_bytes > kMaxDataFileNameBytes) {
          return Corrupt("the data file name of {0} bytes is too long", data_bytes);
        }
        INSTAR_ASSIGN_OR_RETURN(const auto data, file.View(data_at, data_bytes));
        found.data_file_name = Text(data);
        break;
      }
      case kExtensionBitmaps: {
        if (data_bytes != BitmapsExtension::kEncodedBytes) {
          return Corrupt("the bitmaps extension has {0} bytes instead of {1}", data_bytes,
                         BitmapsExtension::kEncodedBytes);
        }
        // Without the feature bit some writer that knows no bitmaps has passed: not to be believed.
        if ((header.autoclear_features & kAutoclearBitmaps) == 0) break;
        INSTAR_ASSIGN_OR_RETURN(const auto data, file.View(data_at, data_bytes));
        INSTAR_ASSIGN_OR_RETURN(found.bitmaps, BitmapsExtension::DecodeFrom(data));
        INSTAR_TRY(CheckBitmaps(*found.bitmaps, header));
        break;
      }
      case kExtensionEncryption: {
        if (header.crypt_method != kCryptLuks) {
          return Corrupt("an encryption header stands in an image without LUKS encryption");
        }
        if (data_bytes != EncryptionExtension::kEncodedBytes) {
          return Corrupt("the encryption extension has {0} bytes instead of {1}", data_bytes,
                         EncryptionExtension::kEncodedBytes);
        }
        INSTAR_ASSIGN_OR_RETURN(const auto data, file.View(data_at, data_bytes));
        found.encryption = kEncryptionExtensionFields.Decode<EncryptionExtension>(data);
        if (found.encryption->offset % header.cluster_bytes() != 0) {
          return Corrupt("the encryption header is misplaced at {0x}", found.encryption->offset);
        }
        break;
      }
      default:
        break;
    }
  }
}

}  // namespace instar::qcow2
