#include "verbs/check_report.h"

#include <array>
#include <string>
#include <utility>

#include "formats/base/ids.h"
#include "instar/abi/call_table.h"
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
  std::optional<std::uint64_t> CheckResult::* member;
};
constexpr std::array<Count, 5> kCounts = {{
    {"image-end-offset", &CheckResult::image_end_offset},
    {"total-clusters", &CheckResult::total_clusters},
    {"allocated-clusters", &CheckResult::allocated_clusters},
    {"fragmented-clusters", &CheckResult::fragmented_clusters},
    {"compressed-clusters", &CheckResult::compressed_clusters},
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
  kUnfitFooter = 9,
  kFirstCount = 16,  // one for each of kCounts
};

constexpr std::uint32_t Number(Tag tag) { return static_cast<std::uint32_t>(tag); }

}  // namespace

bool CheckRecords::TakeFinding(const ReportTree& object) {
  const auto kind = KindFrom(object.UnsignedAt("finding"));
  const std::string_view message = object.StringAt("message");
  if (!kind || findings_ >= kMaxFindings || message.size() > INSTAR_MAX_MESSAGE) return false;
  CheckFinding finding{
      .kind = *kind,
      .text = RenderGuestMessage(
          message, {object.UnsignedAt("n0"), object.UnsignedAt("n1"), object.UnsignedAt("n2")})};
  if (finding.text.size() > kMaxFindingBytes) return false;
  ++findings_;
  take_(std::move(finding));
  return true;
}

bool CheckRecords::Accept(const ReportTree& object) {
  if (object.Find("reading")) return true;
  if (object.Find("finding")) return TakeFinding(object);
  const std::string_view format = object.StringAt("format");
  if (!report_.format.empty() || FormatFromName(format) == FormatId::kUnknown) return false;
  report_.format = format;
  report_.supported = object.Find("corruptions").has_value();
  report_.check_errors = object.UnsignedAt("check-errors");
  report_.corruptions = object.UnsignedAt("corruptions");
  report_.leaks = object.UnsignedAt("leaks");
  report_.unfit_footer = object.BooleanAt("unfit-footer");
  for (const Count& count : kCounts) {
    if (object.Find(count.key)) report_.*count.member = object.UnsignedAt(count.key);
  }
  return true;
}

std::optional<CheckResult> CheckRecords::Take() {
  if (report_.format.empty()) return std::nullopt;
  return std::move(report_);
}

bool FindingEncoder::Add(const CheckFinding& finding) {
  writer_.Unsigned(Number(Tag::kFindingKind), NumberOf(finding.kind));
  writer_.Text(Number(Tag::kFindingText), finding.text);
  return writer_.bytes().size() < kBatchBytes || Flush();
}

bool FindingEncoder::Flush() {
  if (wanted_ && !writer_.bytes().empty()) wanted_ = send_(writer_.bytes());
  writer_.Clear();
  return wanted_;
}

bool DecodeFindings(std::span<const std::byte> batch, std::vector<CheckFinding>& findings) {
  WireReader reader(batch);
  while (const auto first = reader.Next()) {
    const auto text = reader.Next();
    const auto number = first->AsUnsigned();
    const auto kind = number ? KindFrom(*number) : std::nullopt;
    if (!text || !kind || first->tag != Number(Tag::kFindingKind) ||
        text->tag != Number(Tag::kFindingText) || findings.size() >= CheckRecords::kMaxFindings ||
        text->payload.size() > CheckRecords::kMaxFindingBytes) {
      return false;
    }
    findings.push_back({.kind = *kind, .text = std::string(text->AsText())});
  }
  return reader.ok();
}

std::vector<std::byte> EncodeCheckReport(const CheckResult& report) {
  WireWriter writer;
  writer.Text(Number(Tag::kFormat), report.format);
  writer.Unsigned(Number(Tag::kSupported), report.supported ? 1 : 0);
  writer.Unsigned(Number(Tag::kCheckErrors), report.check_errors);
  writer.Unsigned(Number(Tag::kCorruptions), report.corruptions);
  writer.Unsigned(Number(Tag::kLeaks), report.leaks);
  writer.Unsigned(Number(Tag::kIsolation), static_cast<std::uint64_t>(report.isolation));
  writer.Unsigned(Number(Tag::kUnfitFooter), report.unfit_footer ? 1 : 0);
  for (std::uint32_t i = 0; i < kCounts.size(); ++i) {
    const auto& count = report.*kCounts[i].member;
    if (count) writer.Unsigned(Number(Tag::kFirstCount) + i, *count);
  }
  return {writer.bytes().begin(), writer.bytes().end()};
}

absl::StatusOr<CheckResult> DecodeCheckReport(std::span<const std::byte> bytes) {
  const absl::Status nonsense = absl::InternalError("the sandboxed process sent nonsense");
  CheckResult report;
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
      case Tag::kSupported:
      case Tag::kCheckErrors:
      case Tag::kCorruptions:
      case Tag::kLeaks:
      case Tag::kIsolation:
      case Tag::kUnfitFooter:
      case Tag::kFindingKind:
      case Tag::kFindingText:
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
      case Tag::kUnfitFooter:
        report.unfit_footer = *number != 0;
        break;
      case Tag::kFormat:
      case Tag::kFindingKind:
      case Tag::kFindingText:
      case Tag::kFirstCount:
        return nonsense;
    }
  }
  if (!reader.ok() || report.format.empty()) return nonsense;
  return report;
}

}  // namespace instar::vmm
