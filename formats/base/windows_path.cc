#include "formats/base/windows_path.h"

#include <algorithm>
#include <string_view>

#include "formats/base/endian.h"

namespace instar {
namespace {

void AppendUtf8(std::uint32_t code_point, std::vector<char>& out) {
  const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Whether `path` starts at a drive ("C:"), a share or a volume ("\\server", "\\?\...") or at the
// root of the current drive ("\").
bool StartsOnWindows(std::string_view path) {
  if (path.starts_with('\\')) return true;
  return path.size() >= 2 && IsLetter(path[0]) && path[1] == ':';
}

}  // namespace

std::optional<std::vector<char>> Utf8FromUtf16(std::span<const std::byte> bytes,
                                               std::endian order) {
  const auto unit_at = [&](std::size_t at) -> std::uint32_t {
    return order == std::endian::big ? LoadBe16(bytes, at) : LoadLe16(bytes, at);
  };
  std::vector<char> text;
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    if (bytes.size() - at < 2) return std::nullopt;
    std::uint32_t code_point = unit_at(at);
    if (code_point == 0) break;
    if (code_point >= 0xD800 && code_point < 0xE000) {
      if (code_point >= 0xDC00 || bytes.size() - at < 4) return std::nullopt;
      const std::uint32_t low = unit_at(at + 2);
      if (low < 0xDC00 || low >= 0xE000) return std::nullopt;
      code_point = 0x10000 + ((code_point - 0xD800) << 10 | (low - 0xDC00));
      at += 2;
    }
    AppendUtf8(code_point, text);
  }
  return text;
}

std::vector<char> PlainPath(std::span<const char> path) {
  std::string_view rest(path.data(), path.size());
  if (StartsOnWindows(rest)) {
    const std::size_t last = rest.find_last_of("\\/:");
    rest.remove_prefix(last == std::string_view::npos ? 0 : last + 1);
  }
  std::vector<char> plain(rest.begin(), rest.end());
  std::ranges::replace(plain, '\\', '/');
  std::size_t skip = 0;
  while (plain.size() - skip > 2 && plain[skip] == '.' && plain[skip + 1] == '/') skip += 2;
  plain.erase(plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(skip));
  return plain;
}

}  // namespace instar
