#include "verbs/check_report.h"

#include <array>
#include <string>
#include <utility>

#include "formats/base/ids.h"
#include "instar/wire.h"
#include "operation/error_text.h"

namespace instar::vmm {
namespace {

using Kind = CheckFinding::Kind;

// As formats/check.h numbers them.
std::optional<Kind> KindFrom(std::uint64_t number) {
  switch (number) {
    case 1:
      return Kind::kCorruption;
    case 2:
      return Kind::kLeak;
    case 3:
      return Kind::kError;
    case 4:
      return Kind::kWarning;
    default:
      return std::nullopt;
  }
}

std::uint64_t NumberOf(Kind kind) { return static_cast<std::uint64_t>(kind) + 1; }

struct Count {
  const char* key;
  std::optional<std::uint64_t> CheckReport::* member;
};
constexpr std::array<Count, 5> kCounts = {{
    {"image-end-offset", &CheckReport::image_end_offset},
    {"total-clusters", &CheckReport::total_clusters},
    {"allocated-clusters", &CheckReport::allocated_clusters},
    {"fragmented-clusters", &CheckReport::fragmented_clusters},
    {"compressed-clusters", &CheckReport::compressed_clusters},
}};

enum class Tag : std::uint32_t {
  kFormat = 1,
  kSupported = 2,
  kCheckErrors = 3,
  kCorruptions = 4,
  kLeaks = 5,
  kIsolation = 6,
  kFindingKind = 7,
  kFindingText = 8,
  kFirstCount = 16,  // one for each of kCounts
};

constexpr std::uint32_t Number(Tag tag) { return static_cast<std::uint32_t>(tag); }

}  // namespace

std::optional<CheckReport> CheckReportFrom(std::span<const ReportValue> objects) {
  CheckReport report;
  for (const ReportValue& object : objects) {
    if (object.Find("reading") != nullptr) continue;
    if (object.Find("finding") != nullptr) {
      const auto kind = KindFrom(object.UnsignedAt("finding"));
      if (!kind) return std::nullopt;
      report.findings.push_back(
          {.kind = *kind,
           .text = RenderGuestMessage(
               object.StringAt("message"),
               {object.UnsignedAt("n0"), object.UnsignedAt("n1"), object.UnsignedAt("n2")})});
      continue;
    }
    const std::string_view format = object.StringAt("format");
    if (!report.format.empty() || FormatFromName(format) == FormatId::kUnknown) {
      return std::nullopt;
    }
    report.format = format;
    report.supported = object.Find("corruptions") != nullptr;
    report.check_errors = object.UnsignedAt("check-errors");
    report.corruptions = object.UnsignedAt("corruptions");
    report.leaks = object.UnsignedAt("leaks");
    for (const Count& count : kCounts) {
      if (object.Find(count.key) != nullptr) report.*count.member = object.UnsignedAt(count.key);
    }
  }
  if (report.format.empty()) return std::nullopt;
  return report;
}

std::vector<std::byte> EncodeCheckReport(const CheckReport& report) {
  WireWriter writer;
  writer.Text(Number(Tag::kFormat), report.format);
  writer.Unsigned(Number(Tag::kSupported), report.supported ? 1 : 0);
  writer.Unsigned(Number(Tag::kCheckErrors), report.check_errors);
  writer.Unsigned(Number(Tag::kCorruptions), report.corruptions);
  writer.Unsigned(Number(Tag::kLeaks), report.leaks);
  writer.Unsigned(Number(Tag::kIsolation), static_cast<std::uint64_t>(report.isolation));
  for (const CheckFinding& finding : report.findings) {
    writer.Unsigned(Number(Tag::kFindingKind), NumberOf(finding.kind));
    writer.Text(Number(Tag::kFindingText), finding.text);
  }
  for (std::uint32_t i = 0; i < kCounts.size(); ++i) {
    const auto& count = report.*kCounts[i].member;
    if (count) writer.Unsigned(Number(Tag::kFirstCount) + i, *count);
  }
  return {writer.bytes().begin(), writer.bytes().end()};
}

absl::StatusOr<CheckReport> DecodeCheckReport(std::span<const std::byte> bytes) {
  const absl::Status nonsense = absl::InternalError("the sandboxed process sent nonsense");
  CheckReport report;
  WireReader reader(bytes);
  while (const auto field = reader.Next()) {
    const auto number = field->AsUnsigned();
    if (field->tag >= Number(Tag::kFirstCount)) {
      const std::uint32_t index = field->tag - Number(Tag::kFirstCount);
      if (index >= kCounts.size() || !number) return nonsense;
      report.*kCounts[index].member = number;
      continue;
    }
    switch (static_cast<Tag>(field->tag)) {
      case Tag::kFormat:
        report.format = field->AsText();
        continue;
      case Tag::kFindingText:
        if (report.findings.empty()) return nonsense;
        report.findings.back().text = field->AsText();
        continue;
      case Tag::kSupported:
      case Tag::kCheckErrors:
      case Tag::kCorruptions:
      case Tag::kLeaks:
      case Tag::kIsolation:
      case Tag::kFindingKind:
      case Tag::kFirstCount:
        break;
    }
    if (!number) return nonsense;
    switch (static_cast<Tag>(field->tag)) {
      case Tag::kSupported:
        report.supported = *number != 0;
        break;
      case Tag::kCheckErrors:
        report.check_errors = *number;
        break;
      case Tag::kCorruptions:
        report.corruptions = *number;
        break;
      case Tag::kLeaks:
        report.leaks = *number;
        break;
      case Tag::kIsolation:
        for (const Isolation known : {Isolation::kKvm, Isolation::kProcess, Isolation::kInline}) {
          if (*number == static_cast<std::uint64_t>(known)) report.isolation = known;
        }
        break;
      case Tag::kFindingKind: {
        const auto kind = KindFrom(*number);
        if (!kind) return nonsense;
        report.findings.push_back({.kind = *kind, .text = {}});
        break;
      }
      case Tag::kFormat:
      case Tag::kFindingText:
      case Tag::kFirstCount:
        break;
    }
  }
  if (!reader.ok() || report.format.empty()) return nonsense;
  return report;
}

}  // namespace instar::vmm
