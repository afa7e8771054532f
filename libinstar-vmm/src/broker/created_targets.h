// Files this process created and has not finished: removed when the operation fails, also from a
// signal handler.
#ifndef LIBINSTAR_VMM_SRC_BROKER_CREATED_TARGETS_H_
#define LIBINSTAR_VMM_SRC_BROKER_CREATED_TARGETS_H_

#include <string_view>
#include <vector>

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
  // lives) was created. False if the table is full or the name too long.
  bool Add(int directory_fd, std::string_view name);

  void Keep();    // the files are finished
  void Remove();  // unlinks them

  // Unlinks the unfinished files of all brokers. Async-signal-safe.
  static void RemoveAll();

 private:
  std::vector<int> slots_;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_CREATED_TARGETS_H_
