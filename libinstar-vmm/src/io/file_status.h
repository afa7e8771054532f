// fstat as a system call of its own. That of the C library is newfstatat(fd, "", AT_EMPTY_PATH),
// which the filter of the jail does not allow: it could not tell an empty path from others.
#ifndef LIBINSTAR_VMM_SRC_IO_FILE_STATUS_H_
#define LIBINSTAR_VMM_SRC_IO_FILE_STATUS_H_

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace instar::vmm {

// As fstat(2): 0, or -1 with errno set.
inline int FileStatus(int fd, struct stat* status) {
  return static_cast<int>(syscall(SYS_fstat, fd, status));
}

// Makes the C library's ambiguous, so that code which includes this and may run in the jail cannot
// use it by mistake.
int fstat(int fd, struct stat* status) = delete;

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_IO_FILE_STATUS_H_
