#include "formats/signatures.h"

#include <cstring>
#include <string_view>

#include "formats/base/checked.h"
#include "formats/base/endian.h"

namespace instar {
namespace {

using Bytes = std::span<const std::byte>;

bool HasText(Bytes bytes, std::size_t at, std::string_view text) {
  return RangeFits(at, text.size(), bytes.size()) &&
         std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

// A text descriptor of VMDK: "# Disk DescriptorFile", or whatever comments and blank lines come
// before a line "version=N", as qemu-img takes it.
bool IsVmdkDescriptor(Bytes head) {
  std::string_view text{reinterpret_cast<const char*>(head.data()), head.size()};
  if (text.starts_with("# Disk DescriptorFile")) return true;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with('#')) continue;
    if (line.find_first_not_of(' ') == std::string_view::npos) continue;
    return line == "version=1" || line == "version=2" || line == "version=3";
  }
  return false;
}

}  // namespace

HeadSignatures FindHeadSignatures(Bytes head) {
  using namespace std::string_view_literals;
  struct Known {
    std::size_t offset;
    std::string_view bytes;
    FormatId format;
  };
  static constexpr std::array kSignatures = {
      Known{0, "KDMV"sv, FormatId::kVmdk},
      Known{0, "COWD"sv, FormatId::kVmdk},
      Known{0, "\xBE\xBA\xFE\xCA\0\0\0\0"sv, FormatId::kVmdk},  // seSparse
      Known{0, "vhdxfile"sv, FormatId::kVhdx},
      Known{0, "conectix"sv, FormatId::kVpc},
      Known{0, "QED\0"sv, FormatId::kQed},
      Known{0, "LUKS\xBA\xBE"sv, FormatId::kLuks},
      Known{64, "\x7F\x10\xDA\xBE"sv, FormatId::kVdi},
      Known{0, "WithoutFreeSpace"sv, FormatId::kParallels},
      Known{0, "WithouFreSpacExt"sv, FormatId::kParallels},
      Known{0, "Bochs Virtual HD Image\0"sv, FormatId::kBochs},
      Known{0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop "sv, FormatId::kCloop},
  };
  HeadSignatures signatures;
  const auto add = [&signatures](FormatId format, std::uint64_t offset) {
    if (signatures.count < signatures.found.size()) {
      signatures.found[signatures.count++] = {.format = format, .offset = offset};
    }
  };
  if (HasText(head, 0, "QFI\xFB")) {
    add(head.size() < 8 || LoadBe32(head, 4) != 1 ? FormatId::kQcow2 : FormatId::kQcow1, 0);
  }
  for (const Known& known : kSignatures) {
    if (HasText(head, known.offset, known.bytes)) add(known.format, known.offset);
  }
  if (IsVmdkDescriptor(head)) add(FormatId::kVmdk, 0);
  return signatures;
}

}  // namespace instar
