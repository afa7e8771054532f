#include "verbs/child.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "formats/base/endian.h"
#include "instar/records.h"
#include "instar/wire.h"
#include "timing/mark.h"
#include "timing/timing_codec.h"
#include "verbs/notice_codec.h"

namespace instar::vmm {
namespace {

// What the child says: kCreated if it makes files; any number of kProgress, kRecords and kNotice,
// then kTiming if that is wanted, then either kResult, or kFailureCode and kFailureText.
enum class ChildTag : std::uint32_t {
  kProgress = 1,     // two 8-byte integers: done, total
  kResult = 2,       // bytes
  kFailureCode = 3,  // 8 bytes: absl::StatusCode
  kFailureText = 4,  // text
  kRecords = 5,      // bytes: a batch as of ChildChannel
  kTiming = 6,       // as of EncodeTiming
  kCreated = 7,      // as of EncodeCreatedFiles
  kNotice = 8,       // as of EncodedNotices
};

// A reference and a warning for each file an operation may open, and some.
constexpr unsigned kMostNotices = 4096;

// More than any result: every report a guest may make, and what the host adds to each.
constexpr std::size_t kMaxPayloadBytes = kMaxKeptReportBytes + (8 << 20);
constexpr int kMaxStatusCode = 16;
constexpr std::size_t kHeaderBytes = 8;

bool WriteAll(int file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

using Clock = std::chrono::steady_clock;

// The parent's end of the pipe.
class FromChild {
 public:
  // No deadline: it is the clock's zero.
  FromChild(int file, Clock::time_point deadline) : file_(file), deadline_(deadline) {}

  // Fills `bytes`. False at the end of the pipe, and when the deadline has passed.
  bool Read(std::span<std::byte> bytes) {
    while (!bytes.empty()) {
      if (!Wait()) return false;
      const ssize_t count = read(file_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return true;
  }
  [[nodiscard]] bool late() const { return late_; }

 private:
  // Until there is something to read. False: the deadline came first.
  bool Wait() {
    if (deadline_ == Clock::time_point()) return true;
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
      if (left.count() <= 0) {
        late_ = true;
        return false;
      }
      constexpr std::int64_t kMost = 1 << 30;  // of what poll takes
      pollfd ready{.fd = file_, .events = POLLIN, .revents = 0};
      const int count = poll(&ready, 1, static_cast<int>(std::min(left.count(), kMost)));
      if (count > 0) return true;
      if (count < 0 && errno != EINTR) return true;  // read tells
    }
  }

  const int file_;
  const Clock::time_point deadline_;
  bool late_ = false;
};

// A handle on a child that stays its own, whatever becomes of its number.
class ChildHandle {
 public:
  explicit ChildHandle(pid_t child)
      : child_(child), fd_(static_cast<int>(syscall(SYS_pidfd_open, child, 0))) {}
  ~ChildHandle() {
    if (fd_ >= 0) close(fd_);
  }
  ChildHandle(const ChildHandle&) = delete;
  ChildHandle& operator=(const ChildHandle&) = delete;

  void Kill() const {
    // Before Linux 5.3 there is the number only. It is the child's until somebody waits for it.
    if (fd_ >= 0) {
      syscall(SYS_pidfd_send_signal, fd_, SIGKILL, nullptr, 0);
    } else {
      kill(child_, SIGKILL);
    }
  }

 private:
  const pid_t child_;
  const int fd_;
};

bool Send(int file, ChildTag tag, std::span<const std::byte> payload) {
  WireWriter writer;
  writer.Bytes(static_cast<std::uint32_t>(tag), payload);
  return WriteAll(file, writer.bytes());
}

ChildResult Guarded(const std::function<ChildResult(const ChildChannel&)>& body,
                    const ChildChannel& channel) {
  try {
    return body(channel);
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

[[noreturn]] void BeChild(int pipe_to_parent, pid_t parent, Timing* timing,
                          const std::function<ChildResult(const ChildChannel&)>& body) {
  // Nobody would want the result of an operation whose caller is gone.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  // The jail keeps 0, 1 and 2 and closes all other descriptors.
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error like others
  std::signal(SIGALRM, SIG_DFL);  // the parent's timer is not this process's
  if (pipe_to_parent != STDOUT_FILENO) dup2(pipe_to_parent, STDOUT_FILENO);
  std::mutex sending;
  const ChildChannel channel{.progress =
                                 [&sending](std::uint64_t done, std::uint64_t total) {
                                   std::array<std::byte, 16> payload{};
                                   StoreLe64(payload, 0, done);
                                   StoreLe64(payload, 8, total);
                                   const std::lock_guard lock(sending);
                                   Send(STDOUT_FILENO, ChildTag::kProgress, payload);
                                 },
                             .records =
                                 [&sending](std::span<const std::byte> batch) {
                                   const std::lock_guard lock(sending);
                                   return Send(STDOUT_FILENO, ChildTag::kRecords, batch);
                                 },
                             .created =
                                 [](const std::vector<CreatedFile>& files) {
                                   Send(STDOUT_FILENO, ChildTag::kCreated,
                                        EncodeCreatedFiles(files));
                                 },
                             .notices = EncodedNotices([&sending](std::span<const std::byte> one) {
                               const std::lock_guard lock(sending);
                               Send(STDOUT_FILENO, ChildTag::kNotice, one);
                             })};
  const ChildResult result = Guarded(body, channel);
  if (timing != nullptr) {
    timing->Mark(TimingPhase::kResult);
    Send(STDOUT_FILENO, ChildTag::kTiming, EncodeTiming(*timing));
  }
  if (result.ok()) {
    Send(STDOUT_FILENO, ChildTag::kResult, *result);
  } else {
    WireWriter writer;
    writer.Unsigned(static_cast<std::uint32_t>(ChildTag::kFailureCode),
                    static_cast<std::uint64_t>(result.status().raw_code()));
    writer.Text(static_cast<std::uint32_t>(ChildTag::kFailureText),
                std::string(result.status().message()));
    WriteAll(STDOUT_FILENO, writer.bytes());
  }
  _exit(0);
}

// One field read from the child into `buffer`; nothing at the end and after malformed input.
std::optional<WireField> Receive(FromChild& pipe, std::vector<std::byte>& buffer) {
  buffer.resize(kHeaderBytes);
  if (!pipe.Read(buffer)) return std::nullopt;
  const std::size_t length = LoadLe32(buffer, 4);
  if (length > kMaxPayloadBytes) return std::nullopt;
  buffer.resize(kHeaderBytes + (length + 7) / 8 * 8);
  if (!pipe.Read(std::span(buffer).subspan(kHeaderBytes))) return std::nullopt;
  return WireReader(buffer).Next();
}

// What the child came to, or nothing if it did not say so properly.
// `created`: which files it has made.
std::optional<ChildResult> Listen(FromChild& pipe, const ChildChannel& told,
                                  std::optional<std::vector<CreatedFile>>& created) {
  std::vector<std::byte> buffer;
  std::optional<absl::StatusCode> failure;
  unsigned notices = 0;
  while (const auto field = Receive(pipe, buffer)) {
    switch (static_cast<ChildTag>(field->tag)) {
      case ChildTag::kProgress:
        if (field->payload.size() != 16) return std::nullopt;
        if (told.progress) told.progress(LoadLe64(field->payload, 0), LoadLe64(field->payload, 8));
        continue;
      case ChildTag::kRecords:
        if (!told.records || !told.records(field->payload))
          return absl::CancelledError("cancelled");
        continue;
      case ChildTag::kNotice:
        if (++notices > kMostNotices || !DecodeNotice(field->payload, told.notices)) {
          return std::nullopt;
        }
        continue;
      case ChildTag::kTiming:
        if (told.timing == nullptr || !DecodeTiming(field->payload, *told.timing)) {
          return std::nullopt;
        }
        continue;
      case ChildTag::kCreated:
        if (!told.created || created) return std::nullopt;
        created = DecodeCreatedFiles(field->payload);
        if (!created) return std::nullopt;
        continue;
      case ChildTag::kResult:
        return std::vector<std::byte>(field->payload.begin(), field->payload.end());
      case ChildTag::kFailureCode: {
        const auto code = field->AsUnsigned();
        if (!code || *code == 0 || *code > kMaxStatusCode) return std::nullopt;
        failure = static_cast<absl::StatusCode>(*code);
        continue;
      }
      case ChildTag::kFailureText:
        if (!failure) return std::nullopt;
        return absl::Status(*failure, std::string(field->AsText()));
    }
    return std::nullopt;
  }
  return std::nullopt;
}

std::string HowItEnded(pid_t child) {
  int status = 0;
  pid_t waited = 0;
  do {
    waited = waitpid(child, &status, 0);
  } while (waited < 0 && errno == EINTR);
  if (waited == child && WIFSIGNALED(status)) {
    return absl::StrCat("ended by signal ", WTERMSIG(status));
  }
  return "ended without a result";
}

}  // namespace

ChildResult RunInChild(const std::function<ChildResult(const ProgressCallback&)>& body,
                       const ProgressCallback& progress, Timing* timing) {
  return RunInChild(
      [&body](const ChildChannel& channel) { return body(channel.progress); },
      ChildChannel{
          .progress = progress, .records = {}, .created = {}, .notices = {}, .timing = timing});
}

ChildResult RunInChild(const std::function<ChildResult(const ChildChannel&)>& body,
                       const ChildChannel& told) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return absl::InternalError(absl::StrCat("could not make a pipe: ", std::strerror(errno)));
  }
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) {
    const int reason = errno;
    close(ends[0]);
    close(ends[1]);
    return absl::ResourceExhaustedError(
        absl::StrCat("could not start a process: ", std::strerror(reason)));
  }
  if (child == 0) {
    close(ends[0]);
    BeChild(ends[1], parent, told.timing, body);
  }
  const ChildHandle handle(child);
  close(ends[1]);
  std::optional<std::vector<CreatedFile>> created;
  FromChild pipe(ends[0], told.deadline);
  std::optional<ChildResult> result = Listen(pipe, told, created);
  // What it does from here on nobody wants, and a child that was taken over may go on for ever. One
  // that has ended keeps its status.
  handle.Kill();
  close(ends[0]);
  const std::string end = HowItEnded(child);
  Mark(told.timing, TimingPhase::kResult);
  if (!result) {
    if (created) told.created(*created);
    if (pipe.late()) return absl::DeadlineExceededError(told.late);
    return absl::AbortedError(absl::StrCat("the sandboxed process ", end));
  }
  return *std::move(result);
}

}  // namespace instar::vmm
