// A process outside of the jail that does for the jailed one what takes a path: it opens files
// beneath the allowed directories, and removes the files that the run created.
//
// Landlock confines what a jailed process does with paths. Where the kernel has no Landlock, the
// filter of system calls alone cannot: it does not see the path of an openat2 or unlinkat. And
// Landlock lets a process that may remove one file of a directory remove them all. So in these two
// cases the jailed process has none of these calls, but two sockets to this one:
//
//   jailed                                    opener
//   {directory, flags, "base.qcow2"}    -->   openat2(directory, ..., RESOLVE_BENEATH)
//                                       <--   {0} and the descriptor, or {errno}
//   {3}                                 -->   unlinkat of created file 3, if it is still that file
//                                       <--   {3}
//
// It is forked before the sandbox is made, holds nothing but the allowed directories and the table
// of created files, has a filter of its own, and checks what it is asked: the jailed process may
// have been taken over. It ends with that process. A fork costs a fraction of a millisecond, so
// `info` on a kernel with Landlock, which creates nothing, goes without.
#ifndef LIBINSTAR_VMM_SRC_JAIL_OPENER_H_
#define LIBINSTAR_VMM_SRC_JAIL_OPENER_H_

#include <absl/status/status.h>

#include <cstdint>
#include <span>
#include <vector>

namespace instar::vmm {

struct OpenerNeeds {
  std::span<const int> read_directories;    // files beneath may be opened for reading
  std::span<const int> unlink_directories;  // where created files lie
  // Removes created file `number`, by calls that are safe in a signal handler.
  void (*remove)(unsigned number) = nullptr;
};

// Starts it; from then on the calls below go through it, in this process. While there is one
// thread.
absl::Status StartOpener(const OpenerNeeds& needs);

// What the jail has to leave open for it; empty if there is none.
[[nodiscard]] std::vector<int> OpenerSockets();

// Opens `path` beneath `directory`, without magic links, through the opener if there is one. Only
// for reading (O_RDONLY or O_PATH). A descriptor, or -1 with errno set.
int OpenBeneath(int directory, const char* path, std::uint64_t flags);

// Has the opener remove created file `number`, and waits until that is done. False if there is no
// opener. Async-signal-safe.
bool RemoveThroughOpener(unsigned number);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_JAIL_OPENER_H_
