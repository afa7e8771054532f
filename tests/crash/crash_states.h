// What may be on the disk after a crash of a recorded run (crash_device.h).
//
// A crash is thought of just before each flush, just before and after each write of a root, and at
// the end. At that moment each file holds what was flushed before, and of the steps behind its last
// flush any that the disk has happened to do: none waits for another. Example: of the steps A, B, C
// the disk may hold A and C, the first sector of B, and not B's change of the length.
//
// Where few steps are open, all subsets of them are made; else each prefix, each step left out,
// each step alone and some that a seed draws. Writes and zeros are torn between sectors. For each
// of these states there are two more where they differ: the length as it was at the last flush, and
// the largest that was asked for.
#ifndef TESTS_CRASH_CRASH_STATES_H_
#define TESTS_CRASH_CRASH_STATES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "crash/crash_device.h"
#include "crash/sparse_file.h"

namespace instar::crash {

struct StateOptions {
  std::uint64_t seed = 1;
  unsigned all_subsets_of = 5;  // open steps, or fewer: all of their subsets
  unsigned drawn_subsets = 16;  // at one moment, where there are more
  unsigned drawn_tears = 12;    // subsets whose writes are torn, at one moment
};

struct CrashState {
  std::vector<SparseFile> files;          // as in the recording
  bool root_written = false;              // whether a root that the run wrote is on the disk
  bool at_end = false;                    // the crash came when the run had returned
  std::function<std::string()> describe;  // valid while the visit lasts
};

struct StateCounts {
  std::uint64_t enumerated = 0;
  std::uint64_t distinct = 0;
  StateCounts& operator+=(const StateCounts& other) {
    enumerated += other.enumerated;
    distinct += other.distinct;
    return *this;
  }
};

// Visits the states of `recording`, each that has the same bytes once; false ends it.
StateCounts ForEachCrashState(const Recording& recording, const StateOptions& options,
                              const std::function<bool(const CrashState&)>& visit);

}  // namespace instar::crash

#endif  // TESTS_CRASH_CRASH_STATES_H_
