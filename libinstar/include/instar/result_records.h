// What each verb tells of its result: plain structs that a planner fills in and the host reads.
// Header-only.
//
// Every struct lists its fields once, in Visit: a key and a member. From that list come the guest's
// records (Tell, below), their validation on the host (libinstar-vmm's record_reader.h), and JSON
// where keys and order are qemu-img's. An example: a MeasureRecord without bitmaps is the object
//
//   {"required": 327680, "fully-allocated": 1074135040}
//
// An optional that is empty and a boolean that is false are left out; all other fields are always
// there. Texts are views: into the planner's memory when they are told, into the records when they
// are read.
//
// `info` has no struct here: what its objects hold, the readers of the formats decide
// (ImageReader::Describe). `map` has map_records.h.
#ifndef INSTAR_RESULT_RECORDS_H_
#define INSTAR_RESULT_RECORDS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "formats/base/bitmap_operation.h"
#include "formats/base/check_counts.h"
#include "formats/base/ids.h"
#include "formats/base/reasons.h"
#include "formats/base/report_sink.h"

namespace instar {

// What the host knows what to say of: a message with places for numbers, as in Error.
struct MessageRecord {
  std::string_view message;
  std::array<std::uint64_t, 3> numbers{};

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("message", message);
    visit("n0", numbers[0]);
    visit("n1", numbers[1]);
    visit("n2", numbers[2]);
  }
};

// instar check: any number of FindingRecords and ReadingRecords, then one CheckRecord.
struct FindingRecord {
  FindingKind kind = FindingKind::kCorruption;
  MessageRecord text;
  FixKind fix = FixKind::kNone;  // of a repair: what becomes of it
  std::uint64_t where = 0;       // these as Fix (formats/check.h)
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::string_view reason;  // why nothing does; empty: not asked for
  std::string_view name;    // of the bitmap that it is about, untrusted

  static constexpr std::string_view kFirstKey = "finding";
  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(kFirstKey, kind);
    text.Visit(visit);
    visit("fix", fix);
    visit("where", where);
    visit("from", from);
    visit("to", to);
    visit("reason", reason);
    visit("name", name);
  }
};

// How much was read so far: the sign of life of a long check.
struct ReadingRecord {
  std::uint64_t bytes = 0;

  static constexpr std::string_view kFirstKey = "reading";
  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(kFirstKey, bytes);
  }
};

struct CheckRecord : CheckCounts {
  FormatId format = FormatId::kUnknown;
  bool supported = true;  // false: images of this format have nothing that could be checked
  // Of a repair; the counts are of what is left.
  std::uint64_t corruptions_fixed = 0;
  std::uint64_t leaks_fixed = 0;
  // It was taken for raw although it ends with the footer of a VHD, which does not fit the file.
  bool unfit_footer = false;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("format", format);
    visit("supported", supported);
    visit("unfit-footer", unfit_footer);
    visit("corruptions-fixed", corruptions_fixed);
    visit("leaks-fixed", leaks_fixed);
    CheckCounts::Visit(visit);
  }
};

// instar compare: one object if both images open. With kMapUnreadable and kDataUnreadable the verb
// then fails with the reason.
enum class CompareVerdict : std::uint32_t {
  kIdentical = 0,
  kContentDiffers = 1,
  kSizesDiffer = 2,        // strict only
  kAllocationDiffers = 3,  // strict only
  kMapUnreadable = 4,      // what an image says of where its data is
  kDataUnreadable = 5,
};
[[nodiscard]] constexpr bool IsKnown(CompareVerdict verdict) {
  return verdict <= CompareVerdict::kDataUnreadable;
}

struct CompareRecord {
  CompareVerdict verdict = CompareVerdict::kIdentical;
  std::uint64_t offset = 0;  // of the event, on the virtual disk; content: of its sector
  std::uint64_t first_size = 0;
  std::uint64_t second_size = 0;
  bool first_unfit_footer = false;  // as CheckRecord
  bool second_unfit_footer = false;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("first-size", first_size);
    visit("second-size", second_size);
    visit("verdict", verdict);
    visit("offset", offset);
    visit("first-unfit-footer", first_unfit_footer);
    visit("second-unfit-footer", second_unfit_footer);
  }
};

// What --salvage took for zeros.
struct SalvageRecord {
  std::uint64_t ranges = 0;
  std::uint64_t bytes = 0;
  std::uint64_t first_offset = 0;  // on the virtual disk

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("unreadable-ranges", ranges);
    visit("unreadable-bytes", bytes);
    visit("first-offset", first_offset);
  }
};

// instar convert: one object if there is anything to say, else none.
struct ConvertRecord {
  bool beyond_end = false;                   // the window begins beyond the end of the source
  std::vector<std::uint64_t> unfit_footers;  // as CheckRecord: the numbers of such sources
  std::optional<SalvageRecord> salvage;

  [[nodiscard]] bool empty() const { return !beyond_end && unfit_footers.empty() && !salvage; }
  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("beyond-end", beyond_end);
    visit("unfit-footers", unfit_footers);
    visit("salvage", salvage);
  }
};

// instar create: one object.
struct CreateRecord {
  std::uint64_t virtual_size = 0;  // what was asked for, before any rounding by the format

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("virtual-size", virtual_size);
  }
};

// instar info --strict: one object. It has no reasons if the image passes.
struct ReasonRecord {
  ReasonCode code{};
  std::uint64_t offset = 0;  // where in the file it stands
  MessageRecord text;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("code", code);
    visit("offset", offset);
    text.Visit(visit);
  }
};
struct StrictRecord {
  std::vector<ReasonRecord> reasons;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("reasons", reasons);
  }
};
[[nodiscard]] constexpr bool IsKnown(ReasonCode code) { return !NameOf(code).empty(); }

// instar measure: one object.
struct MeasureRecord {
  std::optional<std::uint64_t> bitmap_bytes;  // what --bitmaps would add, where it can be used
  std::uint64_t required_bytes = 0;           // length of the file that holds the data
  std::uint64_t fully_allocated_bytes = 0;    // the same when all of the disk is written
  bool unfit_footer = false;                  // as CheckRecord

  // Under qemu-img's keys, in the order of its JSON.
  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("bitmaps", bitmap_bytes);
    visit("required", required_bytes);
    visit("fully-allocated", fully_allocated_bytes);
    visit("unfit-footer", unfit_footer);
  }
};

// instar resize: one object, told before anything is changed.
struct ResizeRecord {
  FormatId format = FormatId::kUnknown;
  std::uint64_t old_size = 0;  // of the virtual disk, in bytes
  std::uint64_t new_size = 0;  // what is asked for, whether or not that can be
  bool guessed_raw = false;    // nobody stated the format, and the image has no sign of any
  bool unfit_footer = false;   // as CheckRecord

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("format", format);
    visit("old-size", old_size);
    visit("new-size", new_size);
    visit("guessed-raw", guessed_raw);
    visit("unfit-footer", unfit_footer);
  }
};

// instar snapshot -c, -a, -d: one object, told before anything is changed.
struct SnapshotRecord {
  bool guessed_raw = false;   // as ResizeRecord
  bool unfit_footer = false;  // as CheckRecord

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("guessed-raw", guessed_raw);
    visit("unfit-footer", unfit_footer);
  }
};

// instar amend: one object, told before anything is changed.
struct AmendRecord {
  FormatId format = FormatId::kUnknown;
  bool shrinks = false;       // the disk is to become smaller, and nobody has allowed that
  bool guessed_raw = false;   // nobody stated the format, and the image has no sign of any
  bool unfit_footer = false;  // as CheckRecord

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("format", format);
    visit("shrinks", shrinks);
    visit("guessed-raw", guessed_raw);
    visit("unfit-footer", unfit_footer);
  }
};

// instar bitmap: one object, told before anything is changed.
[[nodiscard]] constexpr bool IsKnown(BitmapFault fault) {
  return static_cast<std::uint32_t>(fault) < kBitmapFaults;
}
struct BitmapRecord {
  FormatId format = FormatId::kUnknown;
  bool guessed_raw = false;          // as ResizeRecord
  bool unfit_footer = false;         // as CheckRecord
  bool source_unfit_footer = false;  // the same of the image with the bitmaps to merge
  // Why the actions cannot be done: of number `action` this is the matter.
  BitmapFault fault = BitmapFault::kNone;
  std::uint64_t action = 0;
  std::array<std::uint64_t, 2> details{};  // as BitmapVerdict

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("format", format);
    visit("guessed-raw", guessed_raw);
    visit("unfit-footer", unfit_footer);
    visit("source-unfit-footer", source_unfit_footer);
    visit("fault", fault);
    visit("action", action);
    visit("d0", details[0]);
    visit("d1", details[1]);
  }
};

namespace internal {

template <typename T>
inline constexpr bool kIsOptional = false;
template <typename T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

class FieldTeller {
 public:
  explicit FieldTeller(ReportSink& sink) : sink_(sink) {}

  template <typename T>
  void operator()(std::string_view key, T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      if (value) sink_.Boolean(key, true);
    } else if constexpr (std::is_same_v<T, FormatId>) {
      sink_.String(key, NameOf(value));
    } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      sink_.Unsigned(key, static_cast<std::uint64_t>(value));
    } else if constexpr (requires { value.count(); }) {  // a duration
      sink_.Unsigned(key, static_cast<std::uint64_t>(value.count()));
    } else if constexpr (kIsOptional<T>) {
      if (value) (*this)(key, *value);
    } else if constexpr (std::is_convertible_v<T&, std::string_view>) {
      sink_.String(key, value);
    } else if constexpr (requires { value.begin(); }) {
      sink_.BeginArray(key);
      for (auto& item : value) (*this)({}, item);
      sink_.EndArray();
    } else {
      sink_.BeginObject(key);
      value.Visit(*this);
      sink_.EndObject();
    }
  }

 private:
  ReportSink& sink_;
};

}  // namespace internal

// Tells `record` as an object.
template <typename Record>
void Tell(ReportSink& sink, Record record) {
  internal::FieldTeller tell(sink);
  tell({}, record);
}

}  // namespace instar

#endif  // INSTAR_RESULT_RECORDS_H_
