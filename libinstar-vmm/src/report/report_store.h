// What a report is kept in: the records that a guest emitted, once they are validated, without what
// repeats.
//
// One record a value, one after the other: its key as a number, its kind, the length of what
// follows. The records inside of an object or an array are what follows its own. A guest's record
// never becomes longer: a number takes 16 bytes in both forms, an empty array 16 bytes of the wire
// and 8 of these. So the memory of a report follows its bytes, and a tree of the smallest values
// takes no more than one of long strings.
//
// Names that the host has to add are kept once (kName): where the guest told a file's number, the
// record refers to its path, however many records do and however long the path is.
#ifndef LIBINSTAR_VMM_SRC_REPORT_REPORT_STORE_H_
#define LIBINSTAR_VMM_SRC_REPORT_REPORT_STORE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "instar/vmm/report.h"

namespace instar::vmm {

enum class StoredKind : std::uint16_t {
  kUnsigned,  // 8 bytes follow
  kSigned,    // 8 bytes follow
  kBoolean,   // `length` is the value; nothing follows
  kString,
  kArray,
  kObject,
  kName,  // what follows begins with an index of `names` (2 bytes); shown as a string
};

// The head of a record.
struct StoredHead {
  std::uint16_t key = 0;  // an index of `keys`; 0: none
  StoredKind kind = StoredKind::kObject;
  std::uint32_t length = 0;
};
static_assert(sizeof(StoredHead) == 8);

struct ReportStore {
  std::vector<std::byte> records;
  std::vector<std::string> keys = {std::string()};
  std::vector<std::string> names;

  [[nodiscard]] StoredHead HeadAt(std::size_t at) const {
    StoredHead head;
    std::memcpy(&head, records.data() + at, sizeof(head));
    return head;
  }
  void SetHead(std::size_t at, const StoredHead& head) {
    std::memcpy(records.data() + at, &head, sizeof(head));
  }
  // Where the record after that at `at` stands.
  [[nodiscard]] std::size_t After(std::size_t at) const {
    const StoredHead head = HeadAt(at);
    return at + sizeof(head) + (head.kind == StoredKind::kBoolean ? 0 : head.length);
  }
  [[nodiscard]] std::uint64_t NumberAt(std::size_t at) const {
    std::uint64_t number = 0;
    std::memcpy(&number, records.data() + at + sizeof(StoredHead), sizeof(number));
    return number;
  }
  [[nodiscard]] const std::string& NameAt(std::size_t at) const {
    std::uint16_t index = 0;
    std::memcpy(&index, records.data() + at + sizeof(StoredHead), sizeof(index));
    return names[index];
  }
  // The value at `at` of `store`.
  static ReportTree Value(std::shared_ptr<const ReportStore> store, std::size_t at) {
    return {std::move(store), at};
  }
  // Where `value` stands.
  static std::size_t PlaceOf(const ReportTree& value) { return value.at_; }
  static const std::shared_ptr<const ReportStore>& StoreOf(const ReportTree& value) {
    return value.store_;
  }
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_REPORT_REPORT_STORE_H_
