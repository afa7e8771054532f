#include "verbs/result_codec.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "instar/wire.h"
#include "report/report_builder.h"
#include "report/report_encoder.h"

namespace instar::vmm {
namespace {

enum class ResultTag : std::uint32_t {
  kIsolation = 1,  // 8 bytes
  kWarning = 2,    // text
  kReport = 8,     // records as of instar/records.h, one object
  // One of each for each file, in this order:
  kFilePath = 4,       // text; begins the file
  kFileSize = 6,       // 8 bytes
  kAllocatedSize = 9,  // 8 bytes
};

constexpr std::uint32_t Tag(ResultTag tag) { return static_cast<std::uint32_t>(tag); }

absl::Status Malformed() { return absl::InternalError("the sandboxed process sent nonsense"); }

std::optional<Isolation> DecodeIsolation(const WireField& field) {
  const auto number = field.AsUnsigned();
  if (!number) return std::nullopt;
  for (const Isolation isolation : {Isolation::kKvm, Isolation::kProcess, Isolation::kInline}) {
    if (*number == static_cast<std::uint64_t>(isolation)) return isolation;
  }
  return std::nullopt;
}

std::optional<ReportTree> DecodeTree(std::span<const std::byte> records) {
  ReportBuilder builder;
  if (builder.Accept(records) != ReportBuilder::Verdict::kAccepted) return std::nullopt;
  auto values = builder.Take();
  if (!values || values->size() != 1) return std::nullopt;
  return std::move(values->front());
}

}  // namespace

std::vector<std::byte> EncodeResult(const SingleReport& report) {
  WireWriter writer;
  writer.Unsigned(Tag(ResultTag::kIsolation), static_cast<std::uint64_t>(report.isolation));
  std::vector<std::byte> tree;
  ReportEncoder encoder([&tree](std::span<const std::byte> batch) {
    tree.insert(tree.end(), batch.begin(), batch.end());
    return true;
  });
  encoder.Add(report.report);
  encoder.Flush();
  writer.Bytes(Tag(ResultTag::kReport), tree);
  return {writer.bytes().begin(), writer.bytes().end()};
}

std::vector<std::byte> EncodeInfoFacts(const InfoFacts& facts) {
  WireWriter writer;
  writer.Unsigned(Tag(ResultTag::kIsolation), static_cast<std::uint64_t>(facts.isolation));
  for (const DeviceRecord& file : facts.files) {
    writer.Text(Tag(ResultTag::kFilePath), file.path);
    writer.Unsigned(Tag(ResultTag::kFileSize), file.size_bytes);
    writer.Unsigned(Tag(ResultTag::kAllocatedSize), file.allocated_bytes);
  }
  return {writer.bytes().begin(), writer.bytes().end()};
}

std::vector<std::byte> EncodeResult(const ConvertReport& report) {
  WireWriter writer;
  writer.Unsigned(Tag(ResultTag::kIsolation), static_cast<std::uint64_t>(report.isolation));
  for (const std::string& warning : report.warnings) {
    writer.Text(Tag(ResultTag::kWarning), warning);
  }
  return {writer.bytes().begin(), writer.bytes().end()};
}

absl::StatusOr<SingleReport> DecodeSingleResult(std::span<const std::byte> bytes) {
  SingleReport report;
  WireReader reader(bytes);
  const auto first = reader.Next();
  const auto second = first ? reader.Next() : std::nullopt;
  if (!second || reader.Next() || !reader.ok()) return Malformed();
  if (first->tag != Tag(ResultTag::kIsolation) || second->tag != Tag(ResultTag::kReport)) {
    return Malformed();
  }
  const auto isolation = DecodeIsolation(*first);
  auto tree = DecodeTree(second->payload);
  if (!isolation || !tree) return Malformed();
  return SingleReport{.isolation = *isolation, .report = *std::move(tree)};
}

absl::StatusOr<InfoFacts> DecodeInfoFacts(std::span<const std::byte> bytes) {
  InfoFacts facts;
  WireReader reader(bytes);
  const auto first = reader.Next();
  if (!first || first->tag != Tag(ResultTag::kIsolation)) return Malformed();
  const auto isolation = DecodeIsolation(*first);
  if (!isolation) return Malformed();
  facts.isolation = *isolation;
  while (const auto path = reader.Next()) {
    const auto size = reader.Next();
    const auto allocated = size ? reader.Next() : std::nullopt;
    if (!allocated || path->tag != Tag(ResultTag::kFilePath) ||
        size->tag != Tag(ResultTag::kFileSize) || !size->AsUnsigned() ||
        allocated->tag != Tag(ResultTag::kAllocatedSize) || !allocated->AsUnsigned()) {
      return Malformed();
    }
    facts.files.push_back({.path = std::string(path->AsText()),
                           .size_bytes = *size->AsUnsigned(),
                           .allocated_bytes = *allocated->AsUnsigned()});
  }
  if (!reader.ok() || facts.files.empty()) return Malformed();
  return facts;
}

absl::StatusOr<ConvertReport> DecodeConvertResult(std::span<const std::byte> bytes) {
  ConvertReport report;
  WireReader reader(bytes);
  while (const auto field = reader.Next()) {
    if (field->tag == Tag(ResultTag::kIsolation)) {
      const auto isolation = DecodeIsolation(*field);
      if (!isolation) return Malformed();
      report.isolation = *isolation;
    } else if (field->tag == Tag(ResultTag::kWarning)) {
      report.warnings.emplace_back(field->AsText());
    } else {
      return Malformed();
    }
  }
  if (!reader.ok()) return Malformed();
  return report;
}

}  // namespace instar::vmm
