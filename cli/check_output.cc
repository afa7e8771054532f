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

std::string CheckText(const vmm::CheckResult& report, bool dry_run) {
  std::string out;
  if (report.corruptions_fixed != 0 || report.leaks_fixed != 0) {
    out += dry_run ? "The following inconsistencies would be repaired:\n\n"
                   : "The following inconsistencies were found and repaired:\n\n";
    out += "    " + std::to_string(report.leaks_fixed) + " leaked clusters\n    " +
           std::to_string(report.corruptions_fixed) + " corruptions\n\n" +
           (dry_run ? "What would be left:\n" : "Double checking the fixed image now...\n");
  }
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
  const auto write_fixed = [&](std::string_view key, std::uint64_t count) {
    if (count != 0) json.Unsigned(key, count);
  };
  const auto write_count = [&](std::string_view key, const std::optional<std::uint64_t>& count) {
    if (key == "check-errors") write_fixed("corruptions-fixed", result.corruptions_fixed);
    if (key == "allocated-clusters") write_fixed("leaks-fixed", result.leaks_fixed);
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

void WriteFindingLines(const vmm::CheckResult& report, bool dry_run, TextOutput& out) {
  for (const CheckFinding& finding : report.findings) {
    out.Add(finding.fix == FixKind::kNone ? Prefix(finding.kind)
            : dry_run                     ? "Would repair: "
                                          : "Repairing: ");
    out.Add(TerminalText(finding.text));
    if (!finding.name.empty()) out.Add(" ('" + TerminalText(finding.name) + "')");
    if (!finding.reason.empty() && finding.fix == FixKind::kNone) {
      out.Add(" (beyond repair: " + TerminalText(finding.reason) + ")");
    }
    out.Add('\n');
  }
  const std::uint64_t all = report.corruptions + report.leaks + report.check_errors +
                            report.corruptions_fixed + report.leaks_fixed;
  if (all > report.findings.size()) {
    out.AddNumber(all - report.findings.size());
    out.Add(" more are not shown\n");
  }
}

}  // namespace instar::cli
