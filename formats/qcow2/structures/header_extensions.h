// Header extensions: records of type, length, data and padding to 8 bytes that follow the header
// and end with type 0 or where the backing file name (else the first cluster's end) begins.
#ifndef FORMATS_QCOW2_STRUCTURES_HEADER_EXTENSIONS_H_
#define FORMATS_QCOW2_STRUCTURES_HEADER_EXTENSIONS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "formats/base/error.h"
#include "formats/base/read_window.h"
#include "formats/qcow2/structures/header.h"

namespace instar::qcow2 {

// What precedes the data of every extension.
struct ExtensionHeader {
  static constexpr std::size_t kEncodedBytes = 8;
  std::uint32_t type = kExtensionEnd;
  std::uint32_t data_bytes = 0;  // without the padding
  friend bool operator==(const ExtensionHeader&, const ExtensionHeader&) = default;
};

// "Header extensions".
inline constexpr DiskStruct kExtensionHeaderFields{
    Field<Be32, 0, &ExtensionHeader::type>{"Header extension type"},
    Field<Be32, 4, &ExtensionHeader::data_bytes>{"Length of the header extension data"},
};

// Where the bitmap directory stands.
struct BitmapsExtension {
  static constexpr std::size_t kEncodedBytes = 24;
  std::uint32_t bitmap_count = 0;
  std::uint64_t directory_bytes = 0;
  std::uint64_t directory_offset = 0;

  // kCorrupt if the reserved field is set.
  static Result<BitmapsExtension> DecodeFrom(std::span<const std::byte> bytes);
  friend bool operator==(const BitmapsExtension&, const BitmapsExtension&) = default;
};

// "Bitmaps extension".
inline constexpr DiskStruct kBitmapsExtensionFields{
    Field<Be32, 0, &BitmapsExtension::bitmap_count>{"nb_bitmaps"},
    Constant<Be32, 4, 0>{"reserved"},
    Field<Be64, 8, &BitmapsExtension::directory_bytes>{"bitmap_directory_size"},
    Field<Be64, 16, &BitmapsExtension::directory_offset>{"bitmap_directory_offset"},
};

// Where the header of the disk encryption (LUKS) stands.
struct EncryptionExtension {
  static constexpr std::size_t kEncodedBytes = 16;
  std::uint64_t offset = 0;
  std::uint64_t length_bytes = 0;
  friend bool operator==(const EncryptionExtension&, const EncryptionExtension&) = default;
};

// "Full disk encryption header pointer".
inline constexpr DiskStruct kEncryptionExtensionFields{
    Field<Be64, 0, &EncryptionExtension::offset>{"offset"},
    Field<Be64, 8, &EncryptionExtension::length_bytes>{"length"},
};

// One entry of the feature name table.
struct FeatureName {
  static constexpr std::size_t kEncodedBytes = 48;
  static constexpr std::size_t kMaxNameBytes = 46;
  enum class Kind : std::uint8_t { kIncompatible = 0, kCompatible = 1, kAutoclear = 2 };

  Kind kind = Kind::kIncompatible;
  std::uint8_t bit = 0;
  std::string_view name;  // at most kMaxNameBytes

  // `name` views `bytes`. Kinds beyond kAutoclear do not exist: nothing is returned for them.
  static std::optional<FeatureName> DecodeFrom(std::span<const std::byte> bytes);
  void EncodeTo(std::span<std::byte> out) const;
  friend bool operator==(const FeatureName&, const FeatureName&) = default;
};

// The features of this version of the format, under the names every writer gives them.
inline constexpr std::array<FeatureName, 8> kFeatureNames = {{
    {FeatureName::Kind::kIncompatible, 0, "dirty bit"},
    {FeatureName::Kind::kIncompatible, 1, "corrupt bit"},
    {FeatureName::Kind::kIncompatible, 2, "external data file"},
    {FeatureName::Kind::kIncompatible, 3, "compression type"},
    {FeatureName::Kind::kIncompatible, 4, "extended L2 entries"},
    {FeatureName::Kind::kCompatible, 0, "lazy refcounts"},
    {FeatureName::Kind::kAutoclear, 0, "bitmaps"},
    {FeatureName::Kind::kAutoclear, 1, "raw external data"},
}};

// Appends one extension with its padding to `out`.
void AppendExtension(std::vector<std::byte>& out, std::uint32_t type,
                     std::span<const std::byte> data);
void AppendExtension(std::vector<std::byte>& out, std::uint32_t type, std::string_view data);

// One extension of an image: where its data stands in the file.
struct ExtensionRecord {
  std::uint32_t type = kExtensionEnd;
  std::uint32_t data_bytes = 0;
  std::uint64_t data_offset = 0;
};

// Goes through the extensions of an image, whatever they are.
class ExtensionWalk {
 public:
  ExtensionWalk(ReadWindow& file, const Header& header);

  // The next extension, or nothing at the end. kCorrupt where one does not fit, kIo.
  Result<std::optional<ExtensionRecord>> Next();

 private:
  ReadWindow* file_;
  std::uint64_t at_;
  std::uint64_t end_;
};

// The name the image gives to its incompatible feature `bit`; empty where it gives none. At most
// FeatureName::kMaxNameBytes.
std::vector<char> IncompatibleFeatureName(ReadWindow& file, const Header& header, unsigned bit);

// The extensions of an image that a reader acts on. Unknown ones are skipped.
struct HeaderExtensions {
  std::vector<char> backing_format;
  std::optional<std::vector<char>> data_file_name;
  std::optional<BitmapsExtension> bitmaps;
  std::optional<EncryptionExtension> encryption;

  // Reads and validates the extensions of the image that `file` (of at least 4 KiB) looks through,
  // whose header is `header` (already validated). kCorrupt, kLimit, kIo.
  static Result<HeaderExtensions> ReadFrom(ReadWindow& file, const Header& header);
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_STRUCTURES_HEADER_EXTENSIONS_H_
