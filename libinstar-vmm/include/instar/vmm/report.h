// A report as a sandboxed verb returns it: an ordered tree of plain values, the shape of qemu-img's
// JSON. Strings come from the image: any bytes, up to 128 KiB each; escape them before showing
// them.
//
// The tree is not made of objects of its own. A ReportTree is a place in the validated records of
// the guest, which all values of one report share: 32 MiB at most, whatever the tree looks like
// (kMaxKeptReportBytes in instar/records.h). Values are cheap to copy and keep the records alive.
// Nothing changes a report once it is made, so any number of threads may read it.
#ifndef INSTAR_VMM_REPORT_H_
#define INSTAR_VMM_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace instar::vmm {

struct ReportStore;   // what the library keeps a report in
struct ReportMember;  // below
class ReportMembers;  // below

class ReportTree {
 public:
  enum class Kind { kUnsigned, kSigned, kBoolean, kString, kArray, kObject };

  ReportTree() = default;  // an empty object

  [[nodiscard]] Kind kind() const;

  // The value, if it is of that kind. Text lives as long as this value or a copy of it.
  [[nodiscard]] std::optional<std::uint64_t> AsUnsigned() const;
  [[nodiscard]] std::optional<std::int64_t> AsSigned() const;
  [[nodiscard]] std::optional<bool> AsBoolean() const;
  [[nodiscard]] std::optional<std::string_view> AsString() const;

  // The members of an object or the items of an array, in the order reported; none of anything
  // else.
  [[nodiscard]] ReportMembers members() const;

  // The member called `key` of an object. Looks at the members one by one.
  [[nodiscard]] std::optional<ReportTree> Find(std::string_view key) const;
  // Typed access; the fallback if this is not of that type or the key is absent.
  [[nodiscard]] std::uint64_t UnsignedAt(std::string_view key, std::uint64_t fallback = 0) const;
  [[nodiscard]] std::string_view StringAt(std::string_view key) const;
  [[nodiscard]] bool BooleanAt(std::string_view key) const;

 private:
  friend struct ReportStore;
  friend class ReportMembers;
  ReportTree(std::shared_ptr<const ReportStore> store, std::size_t at)
      : store_(std::move(store)), at_(at) {}

  std::shared_ptr<const ReportStore> store_;  // null: an empty object
  std::size_t at_ = 0;                        // of this value's record
};

// A member of an object, or an item of an array, where the key is empty.
struct ReportMember {
  std::string_view key;
  ReportTree value;
};

// What is inside of an object or an array; for range-based loops.
class ReportMembers {
 public:
  class Iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = ReportMember;

    Iterator() = default;
    ReportMember operator*() const;
    Iterator& operator++();
    Iterator operator++(int);
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    friend class ReportMembers;
    Iterator(const ReportMembers* members, std::size_t at) : members_(members), at_(at) {}
    const ReportMembers* members_ = nullptr;
    std::size_t at_ = 0;
  };

  [[nodiscard]] Iterator begin() const { return {this, begin_}; }
  [[nodiscard]] Iterator end() const { return {this, end_}; }
  [[nodiscard]] bool empty() const { return begin_ == end_; }

 private:
  friend class ReportTree;
  ReportMembers() = default;

  std::shared_ptr<const ReportStore> store_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace instar::vmm

#endif  // INSTAR_VMM_REPORT_H_
