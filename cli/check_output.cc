#include "cli/check_output.h"

#include <cstdint>
#include <cstdio>
#include <optional>

#include "cli/json_text.h"
#include "cli/terminal_text.h"

namespace instar::cli {
namespace {

using vmm::CheckFinding;
using vmm::ReportValue;

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

std::string CheckText(const vmm::CheckReport& report) {
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

std::string CheckJson(const vmm::CheckReport& report, std::string_view filename) {
  // In qemu-img's order, and as there without what is zero, check-errors aside.
  std::string out = "{";
  const auto add = [&out](std::string_view key, std::string_view value) {
    out += out.size() == 1 ? "\n    \"" : ",\n    \"";
    out += key;
    out += "\": ";
    out += value;
  };
  const auto add_count = [&add](std::string_view key, const std::optional<std::uint64_t>& count) {
    if (count.value_or(0) != 0) add(key, std::to_string(*count));
  };
  const auto add_text = [&add](std::string_view key, std::string_view text) {
    const ReportValue value{std::string(text)};
    add(key, JsonText(value));
  };
  add_count("image-end-offset", report.image_end_offset);
  add_count("compressed-clusters", report.compressed_clusters);
  add_count("total-clusters", report.total_clusters);
  add_count("corruptions", report.corruptions);
  add("check-errors", std::to_string(report.check_errors));
  add_count("leaks", report.leaks);
  add_count("allocated-clusters", report.allocated_clusters);
  add_text("filename", filename);
  add_text("format", report.format);
  add_count("fragmented-clusters", report.fragmented_clusters);
  return out + "\n}\n";
}

std::string FindingLines(const vmm::CheckReport& report) {
  std::string lines;
  for (const CheckFinding& finding : report.findings) {
    lines += Prefix(finding.kind) + TerminalText(finding.text) + "\n";
  }
  const std::uint64_t all = report.corruptions + report.leaks + report.check_errors;
  if (all > report.findings.size()) {
    lines += std::to_string(all - report.findings.size()) + " more are not shown\n";
  }
  return lines;
}

}  // namespace instar::cli
