#include "cli/map_output.h"

#include <array>
#include <charconv>
#include <string_view>

#include "cli/terminal_text.h"

namespace instar::cli {
namespace {

constexpr std::size_t kColumn = 16;

std::string_view Truth(bool value) { return value ? "true" : "false"; }

// A column: the number in hexadecimal (0 without the prefix), padded.
void AddColumn(TextOutput& out, std::uint64_t number) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
  std::string cell = number == 0 ? "" : "0x";
  cell.append(digits.data(), end.ptr);
  if (cell.size() < kColumn) cell.resize(kColumn, ' ');
  out.Add(cell);
}

}  // namespace

void MapOutput::Begin() {
  out_.Add(json_ ? "[" : "Offset          Length          Mapped to       File\n");
}

bool MapOutput::Add(const vmm::MapEntry& entry) {
  if (json_) {
    AddJson(entry);
  } else if (!AddHuman(entry)) {
    return false;
  }
  return !out_.failed();
}

void MapOutput::AddJson(const vmm::MapEntry& entry) {
  if (!first_) out_.Add(",\n");
  first_ = false;
  out_.Add("{ \"start\": ");
  out_.AddNumber(entry.start);
  out_.Add(", \"length\": ");
  out_.AddNumber(entry.length);
  out_.Add(", \"depth\": ");
  out_.AddNumber(entry.depth);
  if (version_ >= kMapPresent) {
    out_.Add(", \"present\": ");
    out_.Add(Truth(entry.present));
  }
  out_.Add(", \"zero\": ");
  out_.Add(Truth(entry.zero));
  out_.Add(", \"data\": ");
  out_.Add(Truth(entry.data));
  if (version_ >= kMapCompressed) {
    out_.Add(", \"compressed\": ");
    out_.Add(Truth(entry.compressed));
  }
  if (entry.offset) {
    out_.Add(", \"offset\": ");
    out_.AddNumber(*entry.offset);
  }
  out_.Add('}');
}

bool MapOutput::AddHuman(const vmm::MapEntry& entry) {
  if (entry.data && !entry.offset) {
    failure_ = "File contains external, encrypted or compressed clusters.";
    return false;
  }
  if (!entry.data || entry.zero) return true;
  AddColumn(out_, entry.start);
  AddColumn(out_, entry.length);
  AddColumn(out_, *entry.offset);
  out_.Add(TerminalText(entry.filename));
  out_.Add('\n');
  return true;
}

int MapOutput::Finish(bool complete) {
  if (complete && json_) out_.Add("]\n");
  return out_.Finish();
}

}  // namespace instar::cli
