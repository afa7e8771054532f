// What bulk work is about: files of the broker, and a copy from one to the other.
#ifndef LIBINSTAR_VMM_SRC_IO_BULK_FILE_H_
#define LIBINSTAR_VMM_SRC_IO_BULK_FILE_H_

#include <atomic>
#include <cstdint>

#include "io/file_runs.h"
#include "io/input_stream.h"
#include "io/io_file.h"
#include "io/work_ledger.h"

namespace instar::vmm {

// A file of the broker as bulk work sees it.
struct BulkFile {
  IoFile io;
  std::uint32_t key = 0;       // tells files apart; unique within the broker
  bool stable = false;         // this run does not write it: what was read of it may be kept
  TargetWork* work = nullptr;  // targets: what was written where
  std::atomic<bool>* shares = nullptr;  // targets: whether the last copy shared all blocks
  bool in_memory = false;               // targets: a file of tmpfs
  bool waits = false;  // each request waits for the medium: for what is read, or until it is stored
  FileRuns* runs = nullptr;      // of the file, if it is stable
  InputStream* input = nullptr;  // instead of a file: only what it has at hand can be copied
};

struct BulkCopy {
  BulkFile source;
  BulkFile target;
  std::uint64_t source_offset = 0;
  std::uint64_t target_offset = 0;
  std::uint64_t length = 0;
  std::uint64_t zero_run_bytes =
      0;                      // not 0: units of so many zeros, from the start on, are skipped
  bool share_blocks = false;  // the target need not have storage of its own
  // What is copied after this, to the same target, if that is known and as simple.
  const BulkCopy* next = nullptr;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_BULK_FILE_H_
