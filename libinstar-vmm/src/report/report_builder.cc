#include "report/report_builder.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

namespace instar::vmm {
namespace {

// A report of this size is usual: a qcow2 image without snapshots takes some hundred bytes.
constexpr std::size_t kUsualReportBytes = 64 << 10;

bool IsKeyCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

}  // namespace

ReportBuilder::Verdict ReportBuilder::Accept(std::span<const std::byte> batch) {
  if (verdict_ != Verdict::kAccepted) return verdict_;
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

ReportBuilder::Verdict ReportBuilder::AcceptField(const WireField& field) {
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
      return Number(StoredKind::kUnsigned, field.AsUnsigned());
    case ReportTag::kSigned:
      return Number(StoredKind::kSigned, field.AsUnsigned());
    case ReportTag::kBoolean:
      return Boolean(field.AsUnsigned());
    case ReportTag::kString:
      if (open_.empty()) return Verdict::kMalformed;
      return Append(StoredKind::kString, static_cast<std::uint32_t>(field.payload.size()),
                    field.payload);
  }
  return Verdict::kMalformed;
}

ReportBuilder::Verdict ReportBuilder::AcceptKey(std::string_view key) {
  const bool valid =
      !key.empty() && key.size() <= kMaxReportKeyBytes && std::ranges::all_of(key, IsKeyCharacter);
  if (!valid || key_ != 0) return Verdict::kMalformed;
  auto known = numbers_of_keys_.find(key);
  if (known == numbers_of_keys_.end()) {
    if (store_->keys.size() > kMaxKeys) return Verdict::kOverLimit;
    known = numbers_of_keys_.emplace(key, static_cast<std::uint16_t>(store_->keys.size())).first;
    store_->keys.emplace_back(key);
  }
  key_ = known->second;
  return Verdict::kAccepted;
}

ReportBuilder::Verdict ReportBuilder::Append(StoredKind kind, std::uint32_t length,
                                             std::span<const std::byte> payload) {
  if (!KeyFits()) return Verdict::kMalformed;
  if (++values_ > kMaxReportValues) return Verdict::kOverLimit;
  if (key_ != 0) {
    Open& object = open_.back();
    std::vector<std::uint32_t>& last = last_with_key_[open_.size() - 1];
    if (last.size() <= key_) last.resize(store_->keys.size());
    if (last[key_] == object.serial) return Verdict::kMalformed;
    last[key_] = object.serial;
    if (++object.members > kMaxMembers) return Verdict::kOverLimit;
  }
  std::vector<std::byte>& records = store_->records;
  const std::size_t at = records.size();
  const std::size_t end = at + sizeof(StoredHead) + payload.size();
  if (end > kMaxKeptReportBytes) return Verdict::kOverLimit;
  // Growing step by step would need twice the memory for a moment. What is reserved and not written
  // is none.
  if (end > records.capacity()) {
    records.reserve(end <= kUsualReportBytes ? kUsualReportBytes : kMaxKeptReportBytes);
  }
  records.resize(at + sizeof(StoredHead));
  store_->SetHead(at, {.key = key_, .kind = kind, .length = length});
  records.insert(records.end(), payload.begin(), payload.end());
  key_ = 0;
  return Verdict::kAccepted;
}

ReportBuilder::Verdict ReportBuilder::Number(StoredKind kind, std::optional<std::uint64_t> number) {
  if (!number || open_.empty()) return Verdict::kMalformed;
  std::array<std::byte, sizeof(*number)> bytes{};
  std::memcpy(bytes.data(), &*number, bytes.size());
  return Append(kind, bytes.size(), bytes);
}

ReportBuilder::Verdict ReportBuilder::Boolean(std::optional<std::uint64_t> number) {
  if (!number || *number > 1 || open_.empty()) return Verdict::kMalformed;
  return Append(StoredKind::kBoolean, static_cast<std::uint32_t>(*number), {});
}

ReportBuilder::Verdict ReportBuilder::Begin(bool is_object, std::size_t payload_bytes) {
  if (payload_bytes != 0 || (open_.empty() && !is_object)) return Verdict::kMalformed;
  if (open_.size() >= kMaxReportDepth && KeyFits()) return Verdict::kOverLimit;
  if (open_.empty() && !object_sink_ && finished_.size() >= kMaxReportObjects) {
    return Verdict::kOverLimit;
  }
  const std::size_t at = store_->records.size();
  const Verdict appended = Append(is_object ? StoredKind::kObject : StoredKind::kArray, 0, {});
  if (appended != Verdict::kAccepted) return appended;
  open_.push_back({.at = at, .is_object = is_object, .serial = ++serial_, .members = 0});
  return Verdict::kAccepted;
}

ReportBuilder::Verdict ReportBuilder::End(bool is_object, std::size_t payload_bytes) {
  if (payload_bytes != 0 || key_ != 0 || open_.empty() || open_.back().is_object != is_object) {
    return Verdict::kMalformed;
  }
  const std::size_t at = open_.back().at;
  open_.pop_back();
  StoredHead head = store_->HeadAt(at);
  head.length = static_cast<std::uint32_t>(store_->records.size() - at - sizeof(head));
  store_->SetHead(at, head);
  return open_.empty() ? Finish(at) : Verdict::kAccepted;
}

ReportBuilder::Verdict ReportBuilder::Finish(std::size_t at) {
  if (!object_sink_) {
    finished_.push_back(at);
    return Verdict::kAccepted;
  }
  const bool good = object_sink_(ReportStore::Value(store_, at));
  store_->records.clear();
  return good ? Verdict::kAccepted : Verdict::kMalformed;
}

std::optional<std::vector<ReportTree>> ReportBuilder::Take() {
  if (verdict_ != Verdict::kAccepted || !open_.empty() || key_ != 0) return std::nullopt;
  std::vector<ReportTree> values;
  values.reserve(finished_.size());
  for (const std::size_t at : finished_) values.push_back(ReportStore::Value(store_, at));
  finished_.clear();
  // What was taken does not change any more.
  store_ = std::make_shared<ReportStore>();
  numbers_of_keys_.clear();
  for (std::vector<std::uint32_t>& keys : last_with_key_) keys.clear();
  return values;
}

}  // namespace instar::vmm
