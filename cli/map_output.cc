#include "cli/map_output.h"

#include <array>
#include <charconv>
#include <string_view>

#include "cli/terminal_text.h"

namespace instar::cli {
namespace {

constexpr std::size_t kFlushBytes = 64 * 1024;
constexpr std::size_t kColumn = 16;

std::string_view Truth(bool value) { return value ? "true" : "false"; }

// A column: the number in hexadecimal (0 without the prefix), padded.
void AppendColumn(std::string& out, std::uint64_t number) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
  std::string cell = number == 0 ? "" : "0x";
  cell.append(digits.data(), end.ptr);
  if (cell.size() < kColumn) cell.resize(kColumn, ' ');
  out += cell;
}

}  // namespace

void MapOutput::Begin() {
  text_ += json_ ? "[" : "Offset          Length          Mapped to       File\n";
}

bool MapOutput::Add(const vmm::MapEntry& entry) {
  if (json_) {
    AddJson(entry);
  } else if (!AddHuman(entry)) {
    return false;
  }
  return text_.size() < kFlushBytes || Flush() == 0;
}

void MapOutput::AddJson(const vmm::MapEntry& entry) {
  if (!first_) text_ += ",\n";
  first_ = false;
  text_ += "{ \"start\": ";
  text_ += std::to_string(entry.start);
  text_ += ", \"length\": ";
  text_ += std::to_string(entry.length);
  text_ += ", \"depth\": ";
  text_ += std::to_string(entry.depth);
  if (version_ >= kMapPresent) {
    text_ += ", \"present\": ";
    text_ += Truth(entry.present);
  }
  text_ += ", \"zero\": ";
  text_ += Truth(entry.zero);
  text_ += ", \"data\": ";
  text_ += Truth(entry.data);
  if (version_ >= kMapCompressed) {
    text_ += ", \"compressed\": ";
    text_ += Truth(entry.compressed);
  }
  if (entry.offset) {
    text_ += ", \"offset\": ";
    text_ += std::to_string(*entry.offset);
  }
  text_ += '}';
}

bool MapOutput::AddHuman(const vmm::MapEntry& entry) {
  if (entry.data && !entry.offset) {
    failure_ = "File contains external, encrypted or compressed clusters.";
    return false;
  }
  if (!entry.data || entry.zero) return true;
  AppendColumn(text_, entry.start);
  AppendColumn(text_, entry.length);
  AppendColumn(text_, *entry.offset);
  text_ += TerminalText(entry.filename);
  text_ += '\n';
  return true;
}

int MapOutput::Finish(bool complete) {
  if (complete && json_) text_ += "]\n";
  return Flush();
}

int MapOutput::Flush() {
  const int code = print_(text_);
  text_.clear();
  return code;
}

}  // namespace instar::cli
