#include "formats/vmdk/descriptor_text.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "formats/base/target_files.h"
#include "formats/vmdk/content_id.h"

namespace instar::vmdk {
namespace {

std::string_view View(const std::vector<char>& text) { return {text.data(), text.size()}; }

class TextBuilder {
 public:
  TextBuilder& operator<<(std::string_view text) {
    text_.insert(text_.end(), text.begin(), text.end());
    return *this;
  }
  TextBuilder& operator<<(std::uint64_t number) {
    std::array<char, 20> digits{};
    std::size_t count = 0;
    do {
      digits[count++] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    while (count != 0) text_.push_back(digits[--count]);
    return *this;
  }
  TextBuilder& Hex(std::uint32_t number) {
    for (int shift = 28; shift >= 0; shift -= 4) {
      text_.push_back("0123456789abcdef"[number >> shift & 15]);
    }
    return *this;
  }
  void Extent(std::uint64_t bytes, std::string_view type) {
    *this << "RW " << bytes / kSectorBytes << " " << type << " \"";
  }
  std::vector<char>& text() { return text_; }

 private:
  std::vector<char> text_;
};

void AppendExtents(const WriterOptions& options, TextBuilder& out) {
  if (!options.divided()) {
    out.Extent(options.virtual_size_bytes, "SPARSE");
    out << View(options.target_name) << "\"\n";
    return;
  }
  for (std::uint64_t i = 0; i < options.extent_count(); ++i) {
    out.Extent(options.extent_bytes(i), options.flat() ? "FLAT" : "SPARSE");
    AppendTargetExtentName(SuffixOf(options.subformat, i), View(options.target_name), out.text());
    out << (options.flat() ? "\" 0\n" : "\"\n");
  }
}

// As many cylinders as the disk has; the host adapter decides how large they are.
void AppendGeometry(const WriterOptions& options, TextBuilder& out) {
  constexpr std::uint64_t kSectors = 63;
  const std::uint64_t heads = options.adapter_type == "ide" ? 16 : 255;
  const std::uint64_t cylinders = options.virtual_size_bytes / (kSectors * heads * kSectorBytes);
  out << "ddb.geometry.cylinders = \"" << cylinders << "\"\n";
  out << "ddb.geometry.heads = \"" << heads << "\"\n";
  out << "ddb.geometry.sectors = \"" << kSectors << "\"\n";
}

}  // namespace

std::vector<char> DescriptorText(const WriterOptions& options) {
  TextBuilder out;
  out << "# Disk DescriptorFile\nversion=1\nCID=";
  out.Hex(FreshContentId(options.identity, options.parent_cid)) << "\nparentCID=";
  out.Hex(options.parent_cid) << "\ncreateType=\"";
  out << kSubformatNames[static_cast<std::size_t>(options.subformat)] << "\"\n";
  if (options.has_backing()) {
    out << "parentFileNameHint=\"" << View(options.backing_name) << "\"\n";
  }
  out << "\n# Extent description\n";
  AppendExtents(options, out);
  out << "\n# The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"";
  out << View(options.hardware_version) << "\"\n";
  AppendGeometry(options, out);
  out << "ddb.adapterType = \"" << options.adapter_type << "\"\n";
  out << "ddb.toolsVersion = \"" << View(options.tools_version) << "\"\n";
  return std::move(out.text());
}

}  // namespace instar::vmdk
