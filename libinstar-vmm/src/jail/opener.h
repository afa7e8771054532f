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
//   {directory, flags, "sub"}           -->   the same; a directory stays open there as number 9
//                                       <--   {0, 9} and the descriptor
//   {9, flags, "link"}                  -->   readlinkat(9, "link")
//                                       <--   {0, "base.qcow2"}
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

#include <cstddef>
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
// The descriptor of the process itself (pidfd), which may be waited for; -1 if there is none.
[[nodiscard]] int OpenerProcess();

// Ends it and waits until it is gone, so that no process outlives the run and keeps its directories
// busy. Nothing is opened or removed afterwards.
void EndOpener();

// The steps of a walk from an allowed directory (broker/reference_walk.h), through the opener if
// there is one. There each directory that was opened with O_PATH stays open until the next walk
// begins; it has a number of its own, by which later steps name it.
//
// Opens `path` beneath `directory`, through no symbolic link. Only for reading (O_RDONLY or
// O_PATH). A descriptor, or -1 with errno set. `number`, if it is not null, receives the
// directory's.
int OpenBeneath(int directory, const char* path, std::uint64_t flags, int* number = nullptr);
// The text of the symbolic link `name` in `directory`, which is open as `link` (O_PATH). Its
// length, or -1 with errno set.
std::ptrdiff_t ReadLinkBeneath(int directory, const char* name, int link, std::span<char> text);
void BeginWalk();

// What ReadLinkBeneath gives readlinkat(2) where there is no opener, for "the link that is open".
// Its address is the only one that the filter of system calls allows there.
extern const char kNoPath[1];

// Has the opener remove created file `number`, and waits until that is done. False if there is no
// opener. Async-signal-safe.
bool RemoveThroughOpener(unsigned number);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_JAIL_OPENER_H_
