#include "jail/opener.h"

#include <absl/strings/str_format.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <utility>

#include "io/file_status.h"
#include "jail/call_filter.h"
#include "jail/privileges.h"
#include "jail/seccomp_filter.h"

namespace instar::vmm {
namespace {

enum class Wish : std::uint16_t { kOpen, kReadLink };

struct OpenRequest {
  std::int32_t directory = -1;
  Wish wish = Wish::kOpen;
  std::uint16_t begins_walk = 0;  // 1: the directories of the walk before are not needed any more
  std::uint64_t flags = 0;
  std::array<char, PATH_MAX> path{};  // as long as it is, with its NUL
};
constexpr std::size_t kPathAt = offsetof(OpenRequest, path);

struct OpenAnswer {
  std::int32_t error = EACCES;
  std::int32_t number = -1;           // of a directory that stays open
  std::array<char, PATH_MAX> text{};  // of a link, as long as it is
};
constexpr std::size_t kTextAt = offsetof(OpenAnswer, text);

// In place of the number of a created file: the run is over.
constexpr std::uint32_t kEnd = UINT32_MAX;

// Directories of one walk, in the opener. No memory can be had there.
class WalkedDirectories {
 public:
  [[nodiscard]] bool Has(int number) const {
    return std::ranges::find(numbers_.begin(), numbers_.begin() + count_, number) !=
           numbers_.begin() + count_;
  }
  // False if there are too many.
  bool Keep(int number) {
    if (count_ == static_cast<std::ptrdiff_t>(numbers_.size())) return false;
    numbers_[static_cast<std::size_t>(count_++)] = number;
    return true;
  }
  void Close() {
    while (count_ > 0) close(numbers_[static_cast<std::size_t>(--count_)]);
  }

 private:
  std::array<int, 128> numbers_{};
  std::ptrdiff_t count_ = 0;
};

// The ends of the jailed process.
std::atomic<int> open_socket{-1};
std::atomic<int> remove_socket{-1};
std::atomic<int> opener_process{-1};  // a pidfd
std::mutex opening;                   // one request at a time, whose answer is the next message
std::uint16_t walk_begins = 0;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler reads it");

int OpenAt2(int directory, const char* path, std::uint64_t flags) {
  open_how how{};
  how.flags = flags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
  // EAGAIN: something was renamed meanwhile and the kernel cannot be sure. Not for ever.
  for (int attempt = 0; attempt < 16; ++attempt) {
    const long fd = syscall(SYS_openat2, directory, path, &how, sizeof(how));
    if (fd >= 0) return static_cast<int>(fd);
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return -1;
}

// A control message with one descriptor.
struct Rights {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> bytes{};
};

// ---- in the opener

WalkedDirectories walked;

bool IsAllowed(const OpenRequest& request, std::size_t bytes, std::span<const int> directories) {
  constexpr std::uint64_t kFlags = O_PATH | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_DIRECT |
                                   O_NOFOLLOW | O_DIRECTORY;  // no O_CREAT, no O_WRONLY
  return bytes > kPathAt && (request.flags & ~kFlags) == 0 &&
         request.path[bytes - kPathAt - 1] == '\0' &&
         (std::ranges::find(directories, request.directory) != directories.end() ||
          walked.Has(request.directory));
}

bool IsDirectory(int fd) {
  struct stat status{};
  return FileStatus(fd, &status) == 0 && S_ISDIR(status.st_mode);
}

// How long the link is.
std::size_t ReadLinkAsAsked(const OpenRequest& request, OpenAnswer& answer) {
  // One name, so that no other link is followed on the way.
  if (std::strchr(request.path.data(), '/') != nullptr || request.path[0] == '\0') return 0;
  const long count = syscall(SYS_readlinkat, request.directory, request.path.data(),
                             answer.text.data(), answer.text.size());
  answer.error = count < 0 ? errno : 0;
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

// Only regular files open for reading: to open a device can do anything, and a pipe waits.
int OpenAsAsked(const OpenRequest& request) {
  const int found =
      OpenAt2(request.directory, request.path.data(), O_PATH | O_CLOEXEC | O_NOFOLLOW);
  if (found < 0 || (request.flags & O_PATH) != 0) return found;
  struct stat before{};
  struct stat after{};
  const bool regular = FileStatus(found, &before) == 0 && S_ISREG(before.st_mode);
  close(found);
  if (!regular) {
    errno = EACCES;
    return -1;
  }
  const int fd = OpenAt2(request.directory, request.path.data(), request.flags);
  if (fd < 0) return fd;
  if (FileStatus(fd, &after) == 0 && before.st_dev == after.st_dev &&
      before.st_ino == after.st_ino) {
    return fd;
  }
  close(fd);
  errno = EACCES;
  return -1;
}

void Answer(int socket, OpenAnswer& answer, std::size_t text_bytes, int fd) {
  iovec text = {.iov_base = &answer, .iov_len = kTextAt + text_bytes};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  Rights rights;
  if (fd >= 0) {
    message.msg_control = rights.bytes.data();
    message.msg_controllen = rights.bytes.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  sendmsg(socket, &message, MSG_NOSIGNAL);
}

// False at the end of the jailed process.
bool ServeOpen(int socket, std::span<const int> directories) {
  static OpenRequest request;
  const ssize_t bytes = recv(socket, &request, sizeof request, 0);
  if (bytes <= 0) return bytes < 0 && errno == EINTR;
  static OpenAnswer answer;
  answer.error = EACCES;
  answer.number = -1;
  int fd = -1;
  std::size_t text_bytes = 0;
  if (static_cast<std::size_t>(bytes) > kPathAt && request.begins_walk != 0) walked.Close();
  if (IsAllowed(request, static_cast<std::size_t>(bytes), directories)) {
    if (request.wish == Wish::kReadLink) {
      text_bytes = ReadLinkAsAsked(request, answer);
    } else {
      fd = OpenAsAsked(request);
      answer.error = fd >= 0 ? 0 : errno;
    }
  }
  const bool stays = fd >= 0 && (request.flags & O_PATH) != 0 && IsDirectory(fd);
  if (stays && walked.Keep(fd)) answer.number = fd;
  Answer(socket, answer, text_bytes, fd);
  if (fd >= 0 && answer.number < 0) close(fd);
  return true;
}

bool ServeRemove(int socket, void (*remove)(unsigned number)) {
  std::uint32_t number = 0;
  const ssize_t bytes = recv(socket, &number, sizeof number, 0);
  if (bytes <= 0) return bytes < 0 && errno == EINTR;
  if (bytes == sizeof number && number == kEnd) return false;
  if (bytes == sizeof number && remove != nullptr) remove(number);
  send(socket, &number, sizeof number, MSG_NOSIGNAL);
  return true;
}

absl::Status Confine(const OpenerNeeds& needs, std::span<const int> sockets) {
  std::vector<int> keep(sockets.begin(), sockets.end());
  keep.insert(keep.end(), needs.read_directories.begin(), needs.read_directories.end());
  keep.insert(keep.end(), needs.unlink_directories.begin(), needs.unlink_directories.end());
  if (absl::Status status = CloseAllBut(keep); !status.ok()) return status;
  if (absl::Status status = LimitProcess({.file_bytes = 0}); !status.ok()) return status;
  if (absl::Status status = RenouncePrivileges(); !status.ok()) return status;
  const KeptCapabilities kept = {.read_any_file = !needs.read_directories.empty(),
                                 .change_any_file = !needs.unlink_directories.empty()};
  if (absl::Status status = DropCapabilities(kept); !status.ok()) return status;
  CallFilter filter;
  for (const long call : {SYS_poll, SYS_recvfrom, SYS_sendto, SYS_sendmsg, SYS_close, SYS_fstat,
                          SYS_restart_syscall, SYS_rt_sigreturn, SYS_exit_group}) {
    filter.Allow(call);
  }
  if (!needs.read_directories.empty()) {
    filter.Allow(SYS_openat2);
    filter.Allow(SYS_readlinkat);
  }
  if (!needs.unlink_directories.empty()) {
    filter.Allow(SYS_newfstatat);
    filter.Allow(SYS_unlinkat);
  }
  return InstallFilter(filter);
}

[[noreturn]] void BeOpener(const OpenerNeeds& needs, pid_t parent, int opens, int removes) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  prctl(PR_SET_NAME, "instar-opener");
  // What ends the jailed process must not end this one before it has removed what it is asked to.
  for (int number = 1; number <= SIGRTMAX; ++number) std::signal(number, SIG_IGN);
  for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS}) std::signal(fault, SIG_DFL);
  const std::array sockets = {opens, removes};
  if (!Confine(needs, sockets).ok()) _exit(1);
  std::array<pollfd, 2> waiting = {pollfd{.fd = opens, .events = POLLIN, .revents = 0},
                                   pollfd{.fd = removes, .events = POLLIN, .revents = 0}};
  for (;;) {
    if (poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) _exit(1);
    if (waiting[0].revents != 0 && !ServeOpen(opens, needs.read_directories)) break;
    if (waiting[1].revents != 0 && !ServeRemove(removes, needs.remove)) break;
  }
  _exit(0);
}

// ---- in the jailed process

// Waits for the answer. How many bytes it has, and the descriptor that came with it, or -1.
ssize_t Receive(int socket, OpenAnswer& answer, int& fd) {
  answer.error = EIO;
  fd = -1;
  iovec text = {.iov_base = &answer, .iov_len = sizeof answer};
  Rights rights;
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = rights.bytes.data();
  message.msg_controllen = rights.bytes.size();
  ssize_t bytes = 0;
  do {
    bytes = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (bytes < 0 && errno == EINTR);
  const cmsghdr* const header = bytes > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  }
  return bytes;
}

// Has the opener do what is wished. The length of the answer's text; -1 with errno set if it did
// not.
std::ptrdiff_t Ask(int socket, Wish wish, int directory, const char* path, std::uint64_t flags,
                   OpenAnswer& answer, int& fd) {
  OpenRequest request{.directory = directory, .wish = wish, .flags = flags, .path = {}};
  const std::size_t length = std::strlen(path) + 1;
  if (length > request.path.size()) {
    errno = ENAMETOOLONG;
    return -1;
  }
  std::memcpy(request.path.data(), path, length);
  const std::lock_guard lock(opening);
  request.begins_walk = std::exchange(walk_begins, std::uint16_t{0});
  ssize_t sent = 0;
  do {
    sent = send(socket, &request, kPathAt + length, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return -1;
  const ssize_t bytes = Receive(socket, answer, fd);
  if (bytes < static_cast<ssize_t>(kTextAt)) answer.error = EIO;
  if (answer.error == 0) return bytes - static_cast<ssize_t>(kTextAt);
  if (fd >= 0) close(std::exchange(fd, -1));
  errno = answer.error;
  return -1;
}

}  // namespace

constinit const char kNoPath[1] = "";

absl::Status StartOpener(const OpenerNeeds& needs) {
  std::array<int, 2> opens{};
  std::array<int, 2> removes{};
  const auto failed = [] {
    return absl::ResourceExhaustedError(
        absl::StrFormat("could not start the process that opens files: %s", std::strerror(errno)));
  };
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, opens.data()) != 0) return failed();
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, removes.data()) != 0) return failed();
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return failed();
  if (child == 0) BeOpener(needs, parent, opens[1], removes[1]);
  close(opens[1]);
  close(removes[1]);
  open_socket = opens[0];
  remove_socket = removes[0];
  opener_process = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  return absl::OkStatus();
}

std::vector<int> OpenerSockets() {
  if (open_socket < 0) return {};
  return {open_socket, remove_socket};
}

int OpenerProcess() { return opener_process; }

void EndOpener() {
  const int process = opener_process.exchange(-1);
  if (process < 0) return;
  // The sockets stay: a signal handler that asks for more finds nobody there.
  if (send(remove_socket, &kEnd, sizeof kEnd, MSG_NOSIGNAL) != sizeof kEnd) return;
  siginfo_t ended{};
  while (syscall(SYS_waitid, P_PIDFD, process, &ended, WEXITED, nullptr) != 0 && errno == EINTR) {
  }
}

int OpenBeneath(int directory, const char* path, std::uint64_t flags, int* number) {
  const int socket = open_socket;
  int fd = -1;
  OpenAnswer answer;
  if (socket < 0) {
    answer.number = fd = OpenAt2(directory, path, flags);
  } else if (Ask(socket, Wish::kOpen, directory, path, flags, answer, fd) >= 0 && fd < 0) {
    errno = EIO;
  }
  if (number != nullptr) *number = answer.number;
  return fd;
}

std::ptrdiff_t ReadLinkBeneath(int directory, const char* name, int link, std::span<char> text) {
  const int socket = open_socket;
  if (socket < 0) return syscall(SYS_readlinkat, link, kNoPath, text.data(), text.size());
  OpenAnswer answer;
  int fd = -1;
  const std::ptrdiff_t length = Ask(socket, Wish::kReadLink, directory, name, 0, answer, fd);
  if (length < 0) return -1;
  const std::size_t kept = std::min(static_cast<std::size_t>(length), text.size());
  std::memcpy(text.data(), answer.text.data(), kept);
  return static_cast<std::ptrdiff_t>(kept);
}

void BeginWalk() {
  const std::lock_guard lock(opening);
  walk_begins = 1;
}

bool RemoveThroughOpener(unsigned number) {
  const int socket = remove_socket;
  if (socket < 0) return false;
  const std::uint32_t wanted = number;
  if (send(socket, &wanted, sizeof wanted, MSG_NOSIGNAL) != sizeof wanted) return true;
  // A signal handler may find answers to what it interrupted.
  std::uint32_t done = 0;
  ssize_t bytes = 0;
  do {
    bytes = recv(socket, &done, sizeof done, 0);
  } while (bytes < 0 ? errno == EINTR : bytes == sizeof done && done != wanted);
  return true;
}

}  // namespace instar::vmm
