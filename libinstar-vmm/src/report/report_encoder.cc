#include "report/report_encoder.h"

#include <cstdint>

#include "instar/records.h"

namespace instar::vmm {
namespace {

constexpr std::uint32_t Tag(ReportTag tag) { return static_cast<std::uint32_t>(tag); }

}  // namespace

bool ReportEncoder::Value(std::string_view key, const ReportTree& value) {
  using Kind = ReportTree::Kind;
  if (!key.empty()) writer_.Text(Tag(ReportTag::kKey), key);
  switch (value.kind()) {
    case Kind::kUnsigned:
      writer_.Unsigned(Tag(ReportTag::kUnsigned), *value.AsUnsigned());
      break;
    case Kind::kSigned:
      writer_.Unsigned(Tag(ReportTag::kSigned), static_cast<std::uint64_t>(*value.AsSigned()));
      break;
    case Kind::kBoolean:
      writer_.Unsigned(Tag(ReportTag::kBoolean), *value.AsBoolean() ? 1 : 0);
      break;
    case Kind::kString:
      writer_.Text(Tag(ReportTag::kString), *value.AsString());
      break;
    case Kind::kArray:
    case Kind::kObject: {
      const bool object = value.kind() == Kind::kObject;
      writer_.Bytes(Tag(object ? ReportTag::kBeginObject : ReportTag::kBeginArray), {});
      for (const ReportMember& member : value.members()) {
        if (!Value(member.key, member.value)) return false;
      }
      writer_.Bytes(Tag(object ? ReportTag::kEndObject : ReportTag::kEndArray), {});
      break;
    }
  }
  return writer_.bytes().size() < kBatchBytes || Flush();
}

bool ReportEncoder::Flush() {
  if (wanted_ && !writer_.bytes().empty()) wanted_ = send_(writer_.bytes());
  writer_.Clear();
  return wanted_;
}

}  // namespace instar::vmm
