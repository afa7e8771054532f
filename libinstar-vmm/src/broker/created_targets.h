// Files this process created and has not finished: removed when the operation fails, also from a
// signal handler.
#ifndef LIBINSTAR_VMM_SRC_BROKER_CREATED_TARGETS_H_
#define LIBINSTAR_VMM_SRC_BROKER_CREATED_TARGETS_H_

#include <string_view>
#include <vector>

#include "broker/device_table.h"

namespace instar::vmm {

// The files of one broker. They stand in a table of the process, of fixed size and without locks,
// which is what a signal handler can read.
class CreatedTargets {
 public:
  CreatedTargets() = default;
  ~CreatedTargets() { Keep(); }
  CreatedTargets(const CreatedTargets&) = delete;
  CreatedTargets& operator=(const CreatedTargets&) = delete;

  // Notes that `name` in the directory `directory_fd` (which must stay open while this object
  // lives) was created, as the file `identity`. False if the table is full or the name too long.
  bool Add(int directory_fd, std::string_view name, const FileIdentity& identity);

  void Keep();    // the files are finished
  void Remove();  // unlinks them

  // Unlinks the unfinished files of all brokers. Async-signal-safe.
  static void RemoveAll();
  // Unlinks the unfinished file in place `number` of the table: what the opener (jail/opener.h)
  // does for a jailed process. Async-signal-safe.
  static void RemoveNumber(unsigned number);

 private:
  std::vector<int> slots_;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_CREATED_TARGETS_H_
