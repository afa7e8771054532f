#include "report/report_builder.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace instar::vmm {
namespace {

bool IsKeyCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

}  // namespace

ReportBuilder::Verdict ReportBuilder::Accept(std::span<const std::byte> batch) {
  if (verdict_ != Verdict::kAccepted) return verdict_;
  if (sink_) return verdict_ = Pass(batch);
  bytes_ += batch.size();
  if (bytes_ > kMaxReportBytes) return verdict_ = Verdict::kOverLimit;
  WireReader reader(batch);
  while (const auto field = reader.Next()) {
    verdict_ = AcceptField(*field);
    if (verdict_ != Verdict::kAccepted) return verdict_;
  }
  if (!reader.ok()) verdict_ = Verdict::kMalformed;
  return verdict_;
}

ReportBuilder::Verdict ReportBuilder::Pass(std::span<const std::byte> batch) const {
  switch (sink_(batch)) {
    case RecordVerdict::kAccepted:
      return Verdict::kAccepted;
    case RecordVerdict::kMalformed:
      return Verdict::kMalformed;
    case RecordVerdict::kStop:
      return Verdict::kOverLimit;
  }
  return Verdict::kMalformed;
}

ReportBuilder::Verdict ReportBuilder::AcceptField(const WireField& field) {
  const auto number = field.AsUnsigned();
  switch (ReportTag{field.tag}) {
    case ReportTag::kKey:
      return AcceptKey(field.AsText());
    case ReportTag::kBeginObject:
      return Begin(/*is_object=*/true, field.payload.size());
    case ReportTag::kEndObject:
      return End(/*is_object=*/true, field.payload.size());
    case ReportTag::kBeginArray:
      return Begin(/*is_object=*/false, field.payload.size());
    case ReportTag::kEndArray:
      return End(/*is_object=*/false, field.payload.size());
    case ReportTag::kUnsigned:
      return number ? Add(ReportValue(*number)) : Verdict::kMalformed;
    case ReportTag::kSigned:
      return number ? Add(ReportValue(static_cast<std::int64_t>(*number))) : Verdict::kMalformed;
    case ReportTag::kBoolean:
      return number && *number <= 1 ? Add(ReportValue(*number == 1)) : Verdict::kMalformed;
    case ReportTag::kString:
      return Add(ReportValue(std::string(field.AsText())));
  }
  return Verdict::kMalformed;
}

ReportBuilder::Verdict ReportBuilder::AcceptKey(std::string_view key) {
  const bool valid =
      !key.empty() && key.size() <= kMaxReportKeyBytes && std::ranges::all_of(key, IsKeyCharacter);
  if (!valid || key_.has_value()) return Verdict::kMalformed;
  key_.emplace(key);
  return Verdict::kAccepted;
}

bool ReportBuilder::KeyFits() const {
  return key_.has_value() == (!open_.empty() && open_.back().is_object);
}

ReportBuilder::Verdict ReportBuilder::Add(ReportValue value) {
  if (open_.empty() || !KeyFits()) return Verdict::kMalformed;
  if (++values_ > kMaxReportValues) return Verdict::kOverLimit;
  std::string key = std::move(key_).value_or(std::string());
  key_.reset();
  return Attach(std::move(key), std::move(value));
}

ReportBuilder::Verdict ReportBuilder::Begin(bool is_object, std::size_t payload_bytes) {
  if (payload_bytes != 0 || !KeyFits()) return Verdict::kMalformed;
  if (open_.empty() && !is_object) return Verdict::kMalformed;
  if (open_.size() >= kMaxReportDepth) return Verdict::kOverLimit;
  if (++values_ > kMaxReportValues) return Verdict::kOverLimit;
  std::string key = std::move(key_).value_or(std::string());
  key_.reset();
  open_.push_back(
      {.value = is_object ? ReportValue(ReportValue::Object{}) : ReportValue(ReportValue::Array{}),
       .is_object = is_object,
       .key = std::move(key)});
  return Verdict::kAccepted;
}

ReportBuilder::Verdict ReportBuilder::End(bool is_object, std::size_t payload_bytes) {
  if (payload_bytes != 0 || key_.has_value() || open_.empty() ||
      open_.back().is_object != is_object) {
    return Verdict::kMalformed;
  }
  Open closed = std::move(open_.back());
  open_.pop_back();
  if (!open_.empty()) return Attach(std::move(closed.key), std::move(closed.value));
  finished_.push_back(std::move(closed.value));
  return Verdict::kAccepted;
}

ReportBuilder::Verdict ReportBuilder::Attach(std::string key, ReportValue value) {
  Open& parent = open_.back();
  if (!parent.is_object) {
    std::get<ReportValue::Array>(parent.value.storage()).push_back(std::move(value));
    return Verdict::kAccepted;
  }
  auto& members = std::get<ReportValue::Object>(parent.value.storage());
  if (members.size() >= kMaxMembers) return Verdict::kOverLimit;
  const bool repeated =
      std::ranges::any_of(members, [&](const auto& member) { return member.first == key; });
  if (repeated) return Verdict::kMalformed;
  members.emplace_back(std::move(key), std::move(value));
  return Verdict::kAccepted;
}

std::optional<std::vector<ReportValue>> ReportBuilder::Take() {
  if (verdict_ != Verdict::kAccepted || !open_.empty() || key_.has_value()) return std::nullopt;
  return std::exchange(finished_, {});
}

}  // namespace instar::vmm
