// The table of internal snapshots. qemu-img 9.0 widened its columns.
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <optional>

#include "cli/byte_size.h"
#include "cli/info_human.h"
#include "cli/terminal_text.h"

namespace instar::cli {
namespace {

// No icount was recorded.
constexpr std::uint64_t kNoIcount = ~std::uint64_t{0};

// "2026-01-31 12:00:00". Not strftime: that may read the time zone's file again, and inside the
// jail there is none.
std::string LocalDate(std::uint64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm date{};
  if (localtime_r(&time, &date) == nullptr) return "-";
  char text[80];
  std::snprintf(text, sizeof(text), "%04d-%02d-%02d %02d:%02d:%02d", date.tm_year + 1900,
                date.tm_mon + 1, date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec);
  return text;
}

std::string Clock(std::uint64_t seconds, std::uint64_t nanoseconds, bool wide) {
  char text[80];
  std::snprintf(text, sizeof(text),
                wide ? "%04llu:%02llu:%02llu.%03llu" : "%02llu:%02llu:%02llu.%03llu",
                static_cast<unsigned long long>(seconds / 3600),
                static_cast<unsigned long long>(seconds / 60 % 60),
                static_cast<unsigned long long>(seconds % 60),
                static_cast<unsigned long long>(nanoseconds / 1'000'000));
  return text;
}

std::string Icount(const vmm::ReportTree& snapshot, bool wide) {
  const std::uint64_t icount = snapshot.UnsignedAt("icount", kNoIcount);
  if (icount == kNoIcount) return wide ? "--" : "";
  return std::to_string(icount);
}

struct Column {
  int width;  // negative: the text stands on the left
  int gap;    // spaces before it
};

// `cells` set into `columns`. Widths count bytes, as printf's do.
std::string Line(const Column (&columns)[6], const std::string (&cells)[6]) {
  std::string line;
  for (int i = 0; i < 6; ++i) {
    const auto width =
        static_cast<std::size_t>(columns[i].width < 0 ? -columns[i].width : columns[i].width);
    const std::string padding(cells[i].size() < width ? width - cells[i].size() : 0, ' ');
    line.append(static_cast<std::size_t>(columns[i].gap), ' ');
    line += columns[i].width < 0 ? cells[i] + padding : padding + cells[i];
  }
  return line + '\n';
}

}  // namespace

void WriteSnapshotTable(const vmm::ReportTree& snapshots, QemuVersion version, TextOutput& out) {
  constexpr Column kNarrowHeading[6] = {{-10, 0}, {-17, 0}, {8, 0}, {20, 0}, {13, 0}, {11, 0}};
  constexpr Column kNarrowRow[6] = {{-9, 0}, {-16, 1}, {8, 1}, {20, 0}, {13, 0}, {11, 0}};
  constexpr Column kWide[6] = {{-7, 0}, {-16, 1}, {8, 1}, {19, 1}, {15, 1}, {10, 1}};
  const bool wide = version >= kWideSnapshotTable;
  out.Add("Snapshot list:\n");
  out.Add(wide ? Line(kWide, {"ID", "TAG", "VM_SIZE", "DATE", "VM_CLOCK", "ICOUNT"})
               : Line(kNarrowHeading, {"ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT"}));
  for (const auto& [none, snapshot] : snapshots.members()) {
    if (out.failed()) return;
    out.Add(Line(
        wide ? kWide : kNarrowRow,
        {TerminalText(snapshot.StringAt("id")), TerminalText(snapshot.StringAt("name")),
         HumanByteSize(snapshot.UnsignedAt("vm-state-size")),
         LocalDate(snapshot.UnsignedAt("date-sec")),
         Clock(snapshot.UnsignedAt("vm-clock-sec"), snapshot.UnsignedAt("vm-clock-nsec"), wide),
         Icount(snapshot, wide)}));
  }
}

}  // namespace instar::cli
