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
#include "instar/result_records.h"
#include "instar/wire.h"
#include "report/printable_text.h"
#include "report/record_reader.h"
#include "report/report_builder.h"
#include "timing/mark.h"

namespace instar::vmm {

[[nodiscard]] static constexpr bool IsKnown(Isolation isolation) {
  return isolation >= Isolation::kAuto && isolation <= Isolation::kInline;
}
[[nodiscard]] static constexpr bool IsKnown(ReferenceKind kind) {
  return kind >= ReferenceKind::kBackingFile && kind <= ReferenceKind::kExtent;
}

namespace {

// What the child says. A message is a field of the wire codec. Its payload is the records of one
// object that lists its fields in Visit, for kRecords a batch of the guest's own.
//
// Any number of the others, then kTiming if that is wanted, then kEnd.
enum class ChildTag : std::uint32_t {
  kCreated = 1,    // CreatedMessage; once, if the child makes files
  kFile = 2,       // DeviceRecord
  kProgress = 3,   // ProgressMessage
  kRecords = 4,    // a batch
  kReference = 5,  // OpenedReference
  kWarning = 6,    // WarningMessage
  kTiming = 7,     // Timing
  kEnd = 8,        // EndMessage
  kEdited = 9,     // EditedMessage; once, if the child changes files in place
  kFlip = 10,      // nothing; before each change that takes effect
};

struct CreatedMessage {
  std::vector<CreatedFile> files;
  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("files", files);
  }
};

struct EditedMessage {
  std::vector<EditedFile> files;
  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("files", files);
  }
};

struct ProgressMessage {
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("done", done);
    visit("total", total);
  }
};

struct WarningMessage {
  std::string line;
  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("line", line);
  }
};

struct EndMessage {
  std::uint64_t code = 0;  // absl::StatusCode
  std::string text;
  Isolation isolation = Isolation::kAuto;  // kAuto after a failure
  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("code", code);
    visit("text", text);
    visit("isolation", isolation);
  }
};

// A reference and a warning for each file an operation may open, and some.
constexpr unsigned kMostNotices = 4096;

// More than any message, and than the names of all files of a run.
constexpr std::size_t kMaxPayloadBytes = 8 << 20;
constexpr std::uint64_t kMaxStatusCode = 16;
constexpr std::size_t kHeaderBytes = 8;

// What a child has left when a change takes effect: for its flush, and to give back what only the
// old image used. However often it says so, it never gets more beyond the deadline.
constexpr std::chrono::seconds kTimeForFlip{10};

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
  FromChild(int file, Clock::time_point deadline)
      : file_(file), deadline_(deadline), latest_(deadline + kTimeForFlip) {}

  // Fills `bytes`. False at the end of the pipe, and when the deadline has passed.
  bool Read(std::span<std::byte> bytes) {
    while (!bytes.empty()) {
      if (!Wait()) return false;
      const ssize_t count = read(file_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      inside_message_ = true;
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return true;
  }
  [[nodiscard]] bool late() const { return late_; }
  // Leaves the time for a flip from now on, if there is a deadline.
  void Extend() {
    if (deadline_ == Clock::time_point()) return;
    deadline_ = std::max(deadline_, std::min(Clock::now() + kTimeForFlip, latest_));
  }
  // For a child that has ended: what it said is read to its end.
  void ForgetDeadline() { deadline_ = {}; }
  // Around each message. One that was not read to its end leaves the rest unreadable.
  void BeginMessage() { inside_message_ = false; }
  [[nodiscard]] bool inside_message() const { return inside_message_; }

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
  Clock::time_point deadline_;
  const Clock::time_point latest_;
  bool late_ = false;
  bool inside_message_ = false;
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

// The child's end of the pipe, for all its threads.
class ToParent {
 public:
  bool Send(ChildTag tag, std::span<const std::byte> payload) {
    WireWriter writer;
    writer.Bytes(static_cast<std::uint32_t>(tag), payload);
    const std::lock_guard lock(sending_);
    return WriteAll(STDOUT_FILENO, writer.bytes());
  }
  template <typename Message>
  void Send(ChildTag tag, Message message) {
    RecordEncoder records;
    Tell(records, std::move(message));
    Send(tag, records.bytes());
  }

 private:
  std::mutex sending_;
};

absl::StatusOr<Isolation> Guarded(
    const std::function<absl::StatusOr<Isolation>(const ChildChannel&)>& body,
    const ChildChannel& channel) {
  try {
    return body(channel);
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

[[noreturn]] void BeChild(
    int pipe_to_parent, pid_t parent, Timing* timing,
    const std::function<absl::StatusOr<Isolation>(const ChildChannel&)>& body) {
  // Nobody would want the result of an operation whose caller is gone.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  // The jail keeps 0, 1 and 2 and closes all other descriptors.
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error like others
  std::signal(SIGALRM, SIG_DFL);  // the parent's timer is not this process's
  if (pipe_to_parent != STDOUT_FILENO) dup2(pipe_to_parent, STDOUT_FILENO);
  ToParent pipe;
  const ChildChannel channel{
      .progress =
          [&pipe](std::uint64_t done, std::uint64_t total) {
            pipe.Send(ChildTag::kProgress, ProgressMessage{.done = done, .total = total});
          },
      .records =
          [&pipe](std::span<const std::byte> batch) {
            return pipe.Send(ChildTag::kRecords, batch);
          },
      .file = [&pipe](const DeviceRecord& file) { pipe.Send(ChildTag::kFile, file); },
      .created =
          [&pipe](const std::vector<CreatedFile>& files) {
            pipe.Send(ChildTag::kCreated, CreatedMessage{.files = files});
          },
      .edited =
          [&pipe](const std::vector<EditedFile>& files) {
            pipe.Send(ChildTag::kEdited, EditedMessage{.files = files});
          },
      .flip = [&pipe] { pipe.Send(ChildTag::kFlip, std::span<const std::byte>()); },
      .notices = {.reference_opened =
                      [&pipe](const OpenedReference& reference) {
                        pipe.Send(ChildTag::kReference, reference);
                      },
                  .warning =
                      [&pipe](const std::string& line) {
                        pipe.Send(ChildTag::kWarning, WarningMessage{.line = line});
                      }}};
  const absl::StatusOr<Isolation> result = Guarded(body, channel);
  if (timing != nullptr) {
    timing->Mark(TimingPhase::kResult);
    pipe.Send(ChildTag::kTiming, *timing);
  }
  pipe.Send(ChildTag::kEnd,
            EndMessage{.code = static_cast<std::uint64_t>(result.status().raw_code()),
                       .text = std::string(result.status().message()),
                       .isolation = result.value_or(Isolation::kAuto)});
  _exit(0);
}

// One field read from the child into `buffer`; nothing at the end and after malformed input.
std::optional<WireField> Receive(FromChild& pipe, std::vector<std::byte>& buffer) {
  buffer.resize(kHeaderBytes);
  pipe.BeginMessage();
  if (!pipe.Read(buffer)) return std::nullopt;
  const std::size_t length = LoadLe32(buffer, 4);
  if (length > kMaxPayloadBytes) return std::nullopt;
  buffer.resize(kHeaderBytes + (length + 7) / 8 * 8);
  if (!pipe.Read(std::span(buffer).subspan(kHeaderBytes))) return std::nullopt;
  return WireReader(buffer).Next();
}

// Hears a child out.
class Listener {
 public:
  Listener(FromChild& pipe, const ChildChannel& told) : pipe_(pipe), told_(told) {}

  // Of a child that was ended: whether a change that it made may have taken effect. If that cannot
  // be told, it may.
  bool MayHaveFlipped() {
    if (flipped_ || pipe_.inside_message()) return true;
    pipe_.ForgetDeadline();
    std::vector<std::byte> buffer;
    while (const auto field = Receive(pipe_, buffer)) {
      if (static_cast<ChildTag>(field->tag) == ChildTag::kFlip) return true;
    }
    return false;
  }

  // What the child came to, or nothing if it did not say so properly.
  std::optional<absl::StatusOr<Isolation>> Listen() {
    std::vector<std::byte> buffer;
    while (const auto field = Receive(pipe_, buffer)) {
      const auto tag = static_cast<ChildTag>(field->tag);
      if (tag == ChildTag::kEnd) {
        heard_out_ = true;
        return End(field->payload);
      }
      if (tag == ChildTag::kRecords) {
        if (told_.records && told_.records(field->payload)) continue;
        return absl::CancelledError("cancelled");
      }
      if (!Take(tag, field->payload)) return std::nullopt;
    }
    return std::nullopt;
  }

  // Which files the child has made.
  [[nodiscard]] const std::optional<CreatedMessage>& created() const { return created_; }
  // Which it changes in place.
  [[nodiscard]] const std::optional<EditedMessage>& edited() const { return edited_; }
  // Whether it said how it ended.
  [[nodiscard]] bool heard_out() const { return heard_out_; }

 private:
  template <typename Message>
  static bool Decode(std::span<const std::byte> payload, Message& message) {
    ReportBuilder builder;
    if (builder.Accept(payload) != RecordVerdict::kAccepted) return false;
    const auto objects = builder.Take();
    return objects && objects->size() == 1 && ReadRecord(objects->front(), message);
  }

  // Takes what is no end. False: no child says that.
  bool Take(ChildTag tag, std::span<const std::byte> payload) {
    switch (tag) {
      case ChildTag::kCreated: {
        CreatedMessage message;
        if (!told_.created || created_ || !Decode(payload, message)) return false;
        created_ = std::move(message);
        return true;
      }
      case ChildTag::kEdited: {
        EditedMessage message;
        if (!told_.edited || edited_ || !Decode(payload, message)) return false;
        edited_ = std::move(message);
        return true;
      }
      case ChildTag::kFlip:
        if (!edited_) return false;
        flipped_ = true;
        pipe_.Extend();
        return true;
      case ChildTag::kFile: {
        DeviceRecord file;
        file_bytes_ += payload.size();
        if (file_bytes_ > kMaxPayloadBytes || !Decode(payload, file)) return false;
        if (told_.file) told_.file(file);
        return true;
      }
      case ChildTag::kProgress: {
        ProgressMessage message;
        if (!Decode(payload, message)) return false;
        if (told_.progress) told_.progress(message.done, message.total);
        return true;
      }
      case ChildTag::kReference: {
        OpenedReference reference;
        if (++notices_ > kMostNotices || !Decode(payload, reference)) return false;
        if (told_.notices.reference_opened) told_.notices.reference_opened(reference);
        return true;
      }
      case ChildTag::kWarning: {
        WarningMessage message;
        if (++notices_ > kMostNotices || !Decode(payload, message)) return false;
        // What a child sends may be anything, after all.
        if (told_.notices.warning) told_.notices.warning(PrintableText(message.line));
        return true;
      }
      case ChildTag::kTiming:
        if (told_.timing == nullptr || !Decode(payload, *told_.timing)) return false;
        told_.timing->last = Timing::Clock::now();
        return true;
      case ChildTag::kRecords:
      case ChildTag::kEnd:
        break;
    }
    return false;
  }

  static std::optional<absl::StatusOr<Isolation>> End(std::span<const std::byte> payload) {
    EndMessage end;
    if (!Decode(payload, end) || end.code > kMaxStatusCode) return std::nullopt;
    if (end.code != 0) return absl::Status(static_cast<absl::StatusCode>(end.code), end.text);
    if (end.isolation == Isolation::kAuto) return std::nullopt;
    return end.isolation;
  }

  FromChild& pipe_;
  const ChildChannel& told_;
  std::optional<CreatedMessage> created_;
  std::optional<EditedMessage> edited_;
  bool flipped_ = false;
  bool heard_out_ = false;
  std::size_t file_bytes_ = 0;
  unsigned notices_ = 0;
};

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

absl::StatusOr<Isolation> RunInChild(
    const std::function<absl::StatusOr<Isolation>(const ChildChannel&)>& body,
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
  FromChild pipe(ends[0], told.deadline);
  Listener listener(pipe, told);
  std::optional<absl::StatusOr<Isolation>> result = listener.Listen();
  // What it does from here on nobody wants, and a child that was taken over may go on for ever. One
  // that has ended keeps its status.
  handle.Kill();
  const std::string end = HowItEnded(child);
  const bool late = pipe.late();
  std::string change;
  if (const auto& edited = listener.edited(); edited && !listener.heard_out()) {
    if (listener.MayHaveFlipped()) {
      change = "; the change may have taken effect: the file holds the old image or the new one";
    } else {
      told.edited(edited->files);
    }
  }
  close(ends[0]);
  Mark(told.timing, TimingPhase::kResult);
  if (!result) {
    if (const auto& created = listener.created()) told.created(created->files);
    if (late) return absl::DeadlineExceededError(absl::StrCat(told.late, change));
    return absl::AbortedError(absl::StrCat("the sandboxed process ", end, change));
  }
  return *std::move(result);
}

}  // namespace instar::vmm
