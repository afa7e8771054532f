#include "formats/vmdk/descriptor.h"

#include <array>
#include <utility>

#include "formats/base/checked.h"
#include "formats/base/option_list.h"

namespace instar::vmdk {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::uint64_t kMaxDiskSectors = (std::uint64_t{1} << 63) / kSectorBytes - 1;

constexpr std::array kTypes = {
    std::pair{ExtentType::kFlat, std::string_view("FLAT")},
    std::pair{ExtentType::kSparse, std::string_view("SPARSE")},
    std::pair{ExtentType::kZero, std::string_view("ZERO")},
    std::pair{ExtentType::kVmfs, std::string_view("VMFS")},
};

// Cuts the next line off `text`, without blanks at its ends.
std::string_view NextLine(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  const std::size_t first = line.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kBlanks) - first + 1);
}

// Cuts the next word off `line`.
std::string_view NextWord(std::string_view& line) {
  const std::size_t first = line.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return line = {};
  line.remove_prefix(first);
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

std::string_view Trimmed(std::string_view text) { return NextLine(text); }

std::string_view Unquoted(std::string_view value) {
  if (!value.starts_with('"')) return value;
  value.remove_prefix(1);
  return value.substr(0, value.find('"'));
}

Status ReadCid(std::string_view value, std::optional<std::uint32_t>& out) {
  if (out) return {};
  const auto number = ParseDigits(value, 16);
  const auto cid = number ? CheckedNarrow<std::uint32_t>(*number) : std::nullopt;
  if (!cid) return Corrupt("the descriptor has a content ID that is not a number of 32 bits");
  out = *cid;
  return {};
}

std::optional<ExtentAccess> AccessFrom(std::string_view word) {
  if (word == "RW") return ExtentAccess::kReadWrite;
  if (word == "RDONLY") return ExtentAccess::kReadOnly;
  if (word == "NOACCESS") return ExtentAccess::kNone;
  return std::nullopt;
}

Result<ExtentType> TypeFrom(std::string_view word) {
  for (const auto& [type, name] : kTypes) {
    if (word == name) return type;
  }
  return MakeTextError(ErrorCode::kUnsupported, "extents of type '{t}' cannot be read", word);
}

// The rest of an extent's line after the access word.
Result<ExtentLine> ParseExtent(ExtentAccess access, std::string_view rest, std::uint64_t number) {
  ExtentLine line{.access = access};
  const auto sectors = ParseDigits(NextWord(rest), 10);
  if (!sectors || *sectors == 0 || *sectors > kMaxDiskSectors) {
    return Corrupt("extent {0} of the descriptor has no valid number of sectors", number);
  }
  line.sectors = *sectors;
  INSTAR_ASSIGN_OR_RETURN(line.type, TypeFrom(NextWord(rest)));
  const std::string_view tail = Trimmed(rest);
  if (tail.empty() && line.type == ExtentType::kZero) return line;
  const std::size_t close = tail.starts_with('"') ? tail.find('"', 1) : std::string_view::npos;
  if (close == std::string_view::npos || close == 1 || close - 1 > kMaxNameBytes) {
    return Corrupt("extent {0} of the descriptor does not name its file", number);
  }
  line.name = tail.substr(1, close - 1);
  const std::string_view offset = Trimmed(tail.substr(close + 1));
  if (line.type == ExtentType::kSparse || line.type == ExtentType::kZero) return line;
  if (offset.empty() && line.type == ExtentType::kVmfs) return line;
  const auto file_sector = ParseDigits(offset.substr(0, offset.find_first_of(kBlanks)), 10);
  if (!file_sector || !RangeFits(*file_sector, line.sectors, kMaxDiskSectors)) {
    return Corrupt("extent {0} of the descriptor does not say where it starts in its file", number);
  }
  line.file_sector = *file_sector;
  return line;
}

}  // namespace

Result<Descriptor> Descriptor::Parse(std::string_view text) {
  text = text.substr(0, text.find('\0'));
  Descriptor descriptor;
  while (!text.empty()) {
    const std::string_view line = NextLine(text);
    const std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    const std::string_view key = Trimmed(line.substr(0, equals));
    const std::string_view value = Unquoted(Trimmed(line.substr(equals + 1)));
    if (key == "CID") INSTAR_TRY(ReadCid(value, descriptor.cid));
    if (key == "parentCID") INSTAR_TRY(ReadCid(value, descriptor.parent_cid));
    if (key == "createType" && descriptor.create_type.empty()) descriptor.create_type = value;
    if (key == "parentFileNameHint" && descriptor.parent_name.empty()) {
      descriptor.parent_name = value;
    }
  }
  if (descriptor.parent_name.size() > kMaxNameBytes) {
    return Corrupt("the name of the parent has {0} bytes, more than {1}",
                   descriptor.parent_name.size(), kMaxNameBytes);
  }
  return descriptor;
}

Result<std::vector<char>> WithContentId(std::span<const char> room, std::uint32_t content_id) {
  std::string_view text(room.data(), room.size());
  text = text.substr(0, text.find('\0'));
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = NextLine(rest);
    const std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    const std::string_view value = Trimmed(line.substr(equals + 1));
    if (Trimmed(line.substr(0, equals)) != "CID" || value.empty()) continue;

    const auto at = static_cast<std::size_t>(value.data() - text.data());
    std::vector<char> out(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at));
    for (int shift = 28; shift >= 0; shift -= 4) {
      out.push_back("0123456789abcdef"[content_id >> shift & 15]);
    }
    const std::string_view after = text.substr(at + value.size());
    out.insert(out.end(), after.begin(), after.end());
    if (out.size() > room.size()) {
      return OverLimit("the descriptor has {0} bytes, but its place only {1}", out.size(),
                       room.size());
    }
    out.resize(room.size());
    return out;
  }
  return Corrupt("the descriptor has no content ID");
}

Result<std::vector<ExtentLine>> ParseExtents(std::string_view text) {
  text = text.substr(0, text.find('\0'));
  std::vector<ExtentLine> extents;
  std::uint64_t sectors = 0;
  bool goes_on = false;  // behind the extents
  while (!text.empty()) {
    std::string_view line = NextLine(text);
    const std::string_view whole = line;
    const auto access = AccessFrom(NextWord(line));
    if (!access) {
      if (whole.starts_with("ddb.")) goes_on = true;
      if (whole.empty() || whole.starts_with('#') || whole.contains('=')) continue;
      return MakeTextError(ErrorCode::kCorrupt,
                           "a line of the descriptor is neither an extent nor a setting: '{t}'",
                           whole);
    }
    if (extents.size() == kMaxExtents) {
      return OverLimit("the descriptor lists more than {0} extents", kMaxExtents);
    }
    INSTAR_ASSIGN_OR_RETURN(const ExtentLine extent, ParseExtent(*access, line, extents.size()));
    sectors += extent.sectors;  // both at most 2^54
    if (sectors > kMaxDiskSectors) {
      return OverLimit("the extents have {0} sectors, more than a disk can have", sectors);
    }
    extents.push_back(extent);
  }
  // A descriptor that was cut short must not pass for that of an empty disk.
  if (extents.empty() && !goes_on) return Corrupt("the descriptor lists no extents");
  return extents;
}

std::string_view NameOf(ExtentType type) {
  for (const auto& [known, name] : kTypes) {
    if (known == type) return name;
  }
  return {};
}

bool StartsDescriptor(std::span<const std::byte> head) {
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

}  // namespace instar::vmdk
