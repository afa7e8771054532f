// The verbs that run in a guest, one row each. From the rows are made: the guest images and their
// list (guest-runtime/CMakeLists.txt reads this file), the planners' declarations (verbs.h), the
// inline executor's table, and what the host offers a guest (operation/operation.h).
//
//   ROW(name, Stem, heap, workers, pace, brief)
//
//   name     of the guest image
//   Stem     StemRequest (requests.h) is what is asked, RunStem (verbs.h) is the planner
//   heap     MiB that the planner can use at most, below --max-memory; 0: no bound of its own.
//            Address space that is offered costs time: KVM keeps books for every page, half a
//            millisecond for 512 MiB. amend, bitmap, resize, snapshot: the tables that a change
//            holds (formats/qcow2/edit), and for each worker some MiB. check: a window of counts
//            (formats/qcow2/check/check.h) and pieces of tables. compare: tables of two chains, and
//            for each worker two chunks of 2 MiB and what inflating needs. info: the largest tables
//            of snapshots and bitmaps that may be listed. measure: the tables in use of a long
//            chain.
//   workers  vCPUs: kOne, or kEveryCore (--workers)
//   pace     see Pace
//   brief    one line for --help
#ifndef INSTAR_VERB_TABLE_H_
#define INSTAR_VERB_TABLE_H_

#include <cstdint>
#include <string_view>

#include "instar/requests.h"

// clang-format off
#define INSTAR_VERBS(ROW)                                                                          \
  ROW(amend, Amend, 128, kEveryCore, kLong, "change the options of an image, in place")            \
  ROW(bitmap, Bitmap, 128, kEveryCore, kLong, "change the dirty bitmaps of an image, in place")    \
  ROW(check, Check, 160, kEveryCore, kLong, "look for inconsistencies in an image")                \
  ROW(compare, Compare, 320, kEveryCore, kLong, "compare the contents of two images")              \
  ROW(convert, Convert, 0, kEveryCore, kLong, "copy a virtual disk into a new image, of any format") \
  ROW(create, Create, 64, kOne, kLong, "make an empty image")                                      \
  ROW(info, Info, 64, kOne, kShort, "show what an image is")                                       \
  ROW(inspect, Inspect, 64, kOne, kShort, "judge an image by the strict profile")                  \
  ROW(map, Map, 64, kOne, kTakesTurns, "list which parts of a virtual disk hold data, and where")  \
  ROW(measure, Measure, 256, kOne, kTakesTurns, "calculate the size a new image would have") \
  ROW(resize, Resize, 128, kEveryCore, kLong, "give the virtual disk of an image another size, in place") \
  ROW(snapshot, Snapshot, 256, kEveryCore, kLong, "take, apply, delete or list internal snapshots, in place")
// clang-format on

namespace instar {

enum class Pace : std::uint8_t {
  // Changes no file and is done soon: a thread that watches over it would cost a part of its time
  // worth saving.
  kShort,
  // Asks the host often for as long as it runs, from one worker: the two take turns.
  kTakesTurns,
  kLong,
};

// One row, as the host reads it.
struct GuestVerb {
  std::string_view name;
  std::uint64_t max_heap_bytes = 0;
  unsigned workers = 1;  // 0: as many as the sandbox allows, by itself one a core
  Pace pace = Pace::kLong;
  const char* brief = "";
};

namespace internal {

constexpr unsigned kOne = 1;
constexpr unsigned kEveryCore = 0;

constexpr std::uint64_t HeapBytes(std::uint64_t mebibytes) {
  return mebibytes == 0 ? ~std::uint64_t{0} : mebibytes << 20;
}

}  // namespace internal

// kGuestVerb<InfoRequest> is the row of the verb that carries out an InfoRequest.
template <typename Request>
inline constexpr GuestVerb kGuestVerb;
#define INSTAR_ROW(name, Stem, heap, workers, pace, brief)                                  \
  template <>                                                                               \
  inline constexpr GuestVerb kGuestVerb<Stem##Request> = {#name, internal::HeapBytes(heap), \
                                                          internal::workers, Pace::pace, brief};
INSTAR_VERBS(INSTAR_ROW)
#undef INSTAR_ROW

}  // namespace instar

#endif  // INSTAR_VERB_TABLE_H_
