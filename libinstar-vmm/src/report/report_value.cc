#include "instar/vmm/report.h"
#include "report/report_store.h"

namespace instar::vmm {

ReportTree::Kind ReportTree::kind() const {
  if (store_ == nullptr) return Kind::kObject;
  switch (store_->HeadAt(at_).kind) {
    case StoredKind::kUnsigned:
      return Kind::kUnsigned;
    case StoredKind::kSigned:
      return Kind::kSigned;
    case StoredKind::kBoolean:
      return Kind::kBoolean;
    case StoredKind::kString:
    case StoredKind::kName:
      return Kind::kString;
    case StoredKind::kArray:
      return Kind::kArray;
    case StoredKind::kObject:
      break;
  }
  return Kind::kObject;
}

std::optional<std::uint64_t> ReportTree::AsUnsigned() const {
  if (kind() != Kind::kUnsigned) return std::nullopt;
  return store_->NumberAt(at_);
}

std::optional<std::int64_t> ReportTree::AsSigned() const {
  if (kind() != Kind::kSigned) return std::nullopt;
  return static_cast<std::int64_t>(store_->NumberAt(at_));
}

std::optional<bool> ReportTree::AsBoolean() const {
  if (kind() != Kind::kBoolean) return std::nullopt;
  return store_->HeadAt(at_).length != 0;
}

std::optional<std::string_view> ReportTree::AsString() const {
  if (kind() != Kind::kString) return std::nullopt;
  const StoredHead head = store_->HeadAt(at_);
  if (head.kind == StoredKind::kName) return store_->NameAt(at_);
  return std::string_view(
      reinterpret_cast<const char*>(store_->records.data() + at_ + sizeof(head)), head.length);
}

ReportMembers ReportTree::members() const {
  ReportMembers members;
  if (store_ == nullptr || (kind() != Kind::kArray && kind() != Kind::kObject)) return members;
  members.store_ = store_;
  members.begin_ = at_ + sizeof(StoredHead);
  members.end_ = store_->After(at_);
  return members;
}

std::optional<ReportTree> ReportTree::Find(std::string_view key) const {
  if (store_ == nullptr || kind() != Kind::kObject) return std::nullopt;
  const std::size_t end = store_->After(at_);
  for (std::size_t at = at_ + sizeof(StoredHead); at < end; at = store_->After(at)) {
    if (store_->keys[store_->HeadAt(at).key] == key) return ReportTree(store_, at);
  }
  return std::nullopt;
}

std::uint64_t ReportTree::UnsignedAt(std::string_view key, std::uint64_t fallback) const {
  const auto value = Find(key);
  return value ? value->AsUnsigned().value_or(fallback) : fallback;
}

std::string_view ReportTree::StringAt(std::string_view key) const {
  const auto value = Find(key);
  return value ? value->AsString().value_or(std::string_view()) : std::string_view();
}

bool ReportTree::BooleanAt(std::string_view key) const {
  const auto value = Find(key);
  return value && value->AsBoolean().value_or(false);
}

ReportMember ReportMembers::Iterator::operator*() const {
  const auto& store = members_->store_;
  return {.key = store->keys[store->HeadAt(at_).key], .value = ReportStore::Value(store, at_)};
}

ReportMembers::Iterator& ReportMembers::Iterator::operator++() {
  at_ = members_->store_->After(at_);
  return *this;
}

ReportMembers::Iterator ReportMembers::Iterator::operator++(int) {
  Iterator before = *this;
  ++*this;
  return before;
}

}  // namespace instar::vmm
