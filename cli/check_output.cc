#include "cli/check_output.h"

#include <cstdint>
#include <cstdio>
#include <optional>

#include "cli/json_text.h"
#include "cli/terminal_text.h"

namespace instar::cli {
namespace {

using vmm::CheckFinding;

std::string Percent(std::uint64_t part, std::uint64_t whole) {
  char text[64];
  std::snprintf(text, sizeof text, "%0.2f%%",
                static_cast<double>(part) * 100.0 / static_cast<double>(whole));
  return text;
}

const char* Prefix(CheckFinding::Kind kind) {
  switch (kind) {
    case CheckFinding::Kind::kCorruption:
      return "ERROR ";
    case CheckFinding::Kind::kLeak:
      return "Leaked: ";
    case CheckFinding::Kind::kError:
      return "Not checked: ";
    case CheckFinding::Kind::kWarning:
      return "Warning: ";
  }
  return "";
}

}  // namespace

std::string CheckText(const vmm::CheckResult& report) {
  std::string out;
  if (report.corruptions == 0 && report.leaks == 0 && report.check_errors == 0) {
    out += "No errors were found on the image.\n";
  }
  if (report.corruptions != 0) {
    out += "\n" + std::to_string(report.corruptions) +
           " errors were found on the image.\n"
           "Data may be corrupted, or further writes to the image may corrupt it.\n";
  }
  if (report.leaks != 0) {
    out += "\n" + std::to_string(report.leaks) +
           " leaked clusters were found on the image.\n"
           "This means waste of disk space, but no harm to data.\n";
  }
  if (report.check_errors != 0) {
    out += "\n" + std::to_string(report.check_errors) +
           " internal errors have occurred during the check.\n";
  }
  const std::uint64_t total = report.total_clusters.value_or(0);
  const std::uint64_t allocated = report.allocated_clusters.value_or(0);
  if (total != 0 && allocated != 0) {
    out += std::to_string(allocated) + "/" + std::to_string(total) + " = " +
           Percent(allocated, total) + " allocated, " +
           Percent(report.fragmented_clusters.value_or(0), allocated) + " fragmented, " +
           Percent(report.compressed_clusters.value_or(0), allocated) + " compressed clusters\n";
  }
  if (report.image_end_offset.value_or(0) != 0) {
    out += "Image end offset: " + std::to_string(*report.image_end_offset) + "\n";
  }
  return out;
}

void WriteCheckJson(const vmm::CheckResult& result, std::string_view filename, TextOutput& out) {
  JsonWriter json(out);
  json.BeginObject({});
  // As in qemu-img without what is zero, check-errors aside.
  const auto write_count = [&](std::string_view key, const std::optional<std::uint64_t>& count) {
    if (key == "fragmented-clusters") {
      json.String("filename", filename);
      json.String("format", NameOf(result.format));
    }
    if (key == "check-errors" || count.value_or(0) != 0) json.Unsigned(key, *count);
  };
  CheckCounts(result).Visit(write_count);
  json.EndObject();
  out.Add('\n');
}

void WriteFindingLines(const vmm::CheckResult& report, TextOutput& out) {
  for (const CheckFinding& finding : report.findings) {
    out.Add(Prefix(finding.kind));
    out.Add(TerminalText(finding.text));
    out.Add('\n');
  }
  const std::uint64_t all = report.corruptions + report.leaks + report.check_errors;
  if (all > report.findings.size()) {
    out.AddNumber(all - report.findings.size());
    out.Add(" more are not shown\n");
  }
}

}  // namespace instar::cli
