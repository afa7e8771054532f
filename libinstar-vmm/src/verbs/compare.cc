#include "instar/vmm/compare.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/broker.h"
#include "instar/abi/call_table.h"
#include "instar/requests.h"
#include "instar/verb_table.h"
#include "instar/wire.h"
#include "operation/operation.h"
#include "verbs/jailed_run.h"
#include "verbs/open_image.h"
#include "verbs/unfit_footer.h"

namespace instar::vmm {
namespace {

std::optional<CompareReport::Verdict> VerdictFrom(std::uint64_t number) {
  using Verdict = CompareReport::Verdict;
  for (const Verdict verdict :
       {Verdict::kIdentical, Verdict::kContentDiffers, Verdict::kSizesDiffer,
        Verdict::kAllocationDiffers, Verdict::kMapUnreadable, Verdict::kDataUnreadable}) {
    if (number == static_cast<std::uint64_t>(verdict)) return verdict;
  }
  return std::nullopt;
}

bool IsFailure(CompareReport::Verdict verdict) {
  return verdict == CompareReport::Verdict::kMapUnreadable ||
         verdict == CompareReport::Verdict::kDataUnreadable;
}

// What the guest told, if it told it properly.
std::optional<CompareReport> ReportOf(Broker& broker, const CompareOptions& options) {
  const auto reports = broker.TakeReports();
  if (!reports.ok() || reports->size() != 1) return std::nullopt;
  const ReportTree& told = reports->front();
  const auto verdict = VerdictFrom(told.UnsignedAt("verdict", ~std::uint64_t{0}));
  if (!verdict) return std::nullopt;
  CompareReport report{.verdict = *verdict,
                       .offset = told.UnsignedAt("offset"),
                       .first_size = told.UnsignedAt("first-size"),
                       .second_size = told.UnsignedAt("second-size"),
                       .failure = {},
                       .warnings = {}};
  if (told.BooleanAt("first-unfit-footer")) {
    report.warnings.push_back(UnfitFooterWarning(options.first));
  }
  if (told.BooleanAt("second-unfit-footer")) {
    report.warnings.push_back(UnfitFooterWarning(options.second));
  }
  return report;
}

absl::StatusOr<CompareReport> CompareHere(const CompareOptions& options) {
  Broker broker({.max_chain_depth = options.sandbox.max_chain_depth});
  const SourceOptions how{.force_share = options.force_share, .cache = options.cache};
  const auto first = OpenImage(broker, options.first, how);
  if (!first.ok()) return first.status();
  const auto second = OpenImage(broker, options.second, how);
  if (!second.ok()) return second.status();
  if (absl::Status status = broker.AllowReferences(options.sandbox.references); !status.ok()) {
    return status;
  }
  broker.set_progress(options.progress);
  WireWriter request;
  EncodeRequest(CompareRequest{.first = *first,
                               .second = *second,
                               .strict = options.strict,
                               .workers = INSTAR_MAX_WORKERS,
                               .max_chain_depth = options.sandbox.max_chain_depth},
                request);
  const auto isolation = RunOperation(broker, options.sandbox,
                                      {.guest = kGuestVerb<CompareRequest>,
                                       .request = request.bytes(),
                                       .parts = 1 << INSTAR_PART_ZSTD_IN});
  auto report = ReportOf(broker, options);
  if (!isolation.ok()) {
    if (!report || !IsFailure(report->verdict)) return isolation.status();
    report->failure = isolation.status();
    return *std::move(report);
  }
  if (!report || IsFailure(report->verdict)) {
    return absl::AbortedError("compare: the guest's report is malformed");
  }
  report->isolation = *isolation;
  return *std::move(report);
}

enum class Tag : std::uint32_t {
  kVerdict = 1,
  kOffset = 2,
  kFirstSize = 3,
  kSecondSize = 4,
  kIsolation = 5,
  kFailureCode = 6,
  kFailureText = 7,
  kWarning = 8,  // any number of them
};

constexpr std::uint32_t Number(Tag tag) { return static_cast<std::uint32_t>(tag); }

std::vector<std::byte> Encode(const CompareReport& report) {
  WireWriter writer;
  writer.Unsigned(Number(Tag::kVerdict), static_cast<std::uint64_t>(report.verdict));
  writer.Unsigned(Number(Tag::kOffset), report.offset);
  writer.Unsigned(Number(Tag::kFirstSize), report.first_size);
  writer.Unsigned(Number(Tag::kSecondSize), report.second_size);
  writer.Unsigned(Number(Tag::kIsolation), static_cast<std::uint64_t>(report.isolation));
  writer.Unsigned(Number(Tag::kFailureCode), static_cast<std::uint64_t>(report.failure.raw_code()));
  writer.Text(Number(Tag::kFailureText), std::string(report.failure.message()));
  for (const std::string& warning : report.warnings) {
    writer.Text(Number(Tag::kWarning), warning);
  }
  return {writer.bytes().begin(), writer.bytes().end()};
}

absl::StatusOr<CompareReport> Decode(std::span<const std::byte> bytes) {
  const absl::Status nonsense = absl::InternalError("the sandboxed process sent nonsense");
  CompareReport report;
  std::uint64_t code = 0;
  WireReader reader(bytes);
  for (std::uint32_t tag = Number(Tag::kVerdict); tag <= Number(Tag::kFailureText); ++tag) {
    const auto field = reader.Next();
    if (!field || field->tag != tag) return nonsense;
    if (tag == Number(Tag::kFailureText)) {
      constexpr std::uint64_t kMaxCode = 16;
      if (code > kMaxCode || (code != 0) != IsFailure(report.verdict)) return nonsense;
      report.failure =
          absl::Status(static_cast<absl::StatusCode>(code), std::string(field->AsText()));
      break;
    }
    const auto number = field->AsUnsigned();
    if (!number) return nonsense;
    switch (static_cast<Tag>(tag)) {
      case Tag::kVerdict: {
        const auto verdict = VerdictFrom(*number);
        if (!verdict) return nonsense;
        report.verdict = *verdict;
        break;
      }
      case Tag::kOffset:
        report.offset = *number;
        break;
      case Tag::kFirstSize:
        report.first_size = *number;
        break;
      case Tag::kSecondSize:
        report.second_size = *number;
        break;
      case Tag::kIsolation:
        for (const Isolation known : {Isolation::kKvm, Isolation::kProcess, Isolation::kInline}) {
          if (*number == static_cast<std::uint64_t>(known)) report.isolation = known;
        }
        break;
      case Tag::kFailureCode:
        code = *number;
        break;
      case Tag::kFailureText:
      case Tag::kWarning:
        break;
    }
  }
  while (const auto field = reader.Next()) {
    if (field->tag != Number(Tag::kWarning)) return nonsense;
    report.warnings.emplace_back(field->AsText());
  }
  if (!reader.ok()) return nonsense;
  return report;
}

}  // namespace

absl::StatusOr<CompareReport> Compare(const CompareOptions& options) {
  CompareOptions settled = options;
  FixDeadline(settled.sandbox);
  return RunWhereAsked({.verb = "compare", .image = ShownName(options.first)}, settled, CompareHere,
                       Encode, Decode);
}

}  // namespace instar::vmm
