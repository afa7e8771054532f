#include "broker/edited_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <ctime>

#include "broker/device_table.h"
#include "io/file_status.h"

namespace instar::vmm {
namespace {

using Phase = EditedFiles::Phase;

struct OpenFile {
  int fd = -1;
  std::uint64_t old_bytes = 0;
};

// The change of one broker.
struct Change {
  std::atomic<bool> used{false};
  std::atomic<Phase> phase{Phase::kNone};
  std::atomic<int> writers{0};
  std::atomic<RunStop*> stop{nullptr};
  std::atomic<std::size_t> count{0};  // of `files`
  std::array<OpenFile, 4> files{};    // an image and its data file
};
static_assert(std::atomic<Phase>::is_always_lock_free && std::atomic<RunStop*>::is_always_lock_free,
              "a signal handler uses them");

std::array<Change, 16> changes;

std::uint64_t LengthOf(const OpenFile& file) {
  struct stat status{};
  const bool regular = FileStatus(file.fd, &status) == 0 && S_ISREG(status.st_mode);
  return regular ? static_cast<std::uint64_t>(status.st_size) : file.old_bytes;
}

// How many writes this thread is in: a signal handler may have interrupted one.
constinit thread_local int own_writes = 0;

// The file is never made longer. One that has its old length may still have storage behind its end.
void CutBack(int fd, std::uint64_t old_bytes) {
  struct stat status{};
  if (FileStatus(fd, &status) != 0 || !S_ISREG(status.st_mode)) return;
  if (static_cast<std::uint64_t>(status.st_size) < old_bytes) return;
  while (ftruncate(fd, static_cast<off_t>(old_bytes)) != 0 && errno == EINTR) {
  }
}

// Waits until no other thread writes, for half a second at most: what is written after the files
// were cut would make them longer again.
void WaitForWriters(const Change& change) {
  constexpr timespec kPause = {.tv_sec = 0, .tv_nsec = 1'000'000};
  for (int i = 0; i < 500 && change.writers.load() > own_writes; ++i) nanosleep(&kPause, nullptr);
}

// From then on the change, unless it has taken effect, never will.
void UndoChange(Change& change) {
  Phase open = Phase::kOpen;
  if (!change.phase.compare_exchange_strong(open, Phase::kUndone)) return;
  if (RunStop* const stop = change.stop.load()) stop->Stop();
  WaitForWriters(change);
  for (std::size_t i = 0; i < change.count.load(); ++i) {
    CutBack(change.files[i].fd, change.files[i].old_bytes);
  }
}

// What may be done while a change is in that phase.
Interruption InterruptionIn(Phase phase) {
  switch (phase) {
    case Phase::kUndone:
      return Interruption::kUndone;
    case Phase::kFlipping:
      return Interruption::kFlipping;
    case Phase::kFlipped:
    case Phase::kDoubtful:  // what may be in the file is still to be said
      return Interruption::kReclaiming;
    case Phase::kNone:
    case Phase::kOpen:
      break;
  }
  return Interruption::kEnd;
}

}  // namespace

void CutBackEditedFile(const EditedFile& file) {
  const OwnedFd opened(open(file.path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat status{};
  if (opened.valid() && FileStatus(opened.get(), &status) == 0 && status.st_dev == file.device &&
      status.st_ino == file.inode) {
    CutBack(opened.get(), file.old_bytes);
  }
}

bool EditedFiles::Add(int fd, std::uint64_t old_bytes, RunStop& stop) {
  for (std::size_t i = 0; entry_ < 0 && i < changes.size(); ++i) {
    bool used = false;
    if (changes[i].used.compare_exchange_strong(used, true)) entry_ = static_cast<int>(i);
  }
  if (entry_ < 0) return false;
  Change& change = changes[static_cast<std::size_t>(entry_)];
  const std::size_t count = change.count.load();
  if (count == change.files.size()) return false;
  change.files[count] = {.fd = fd, .old_bytes = old_bytes};
  change.count.store(count + 1);
  change.stop.store(&stop);
  Phase none = Phase::kNone;
  change.phase.compare_exchange_strong(none, Phase::kOpen);
  return true;
}

EditedFiles::Write::Write(EditedFiles& files) : files_(files) {
  if (files_.entry_ < 0) return;
  Change& change = changes[static_cast<std::size_t>(files_.entry_)];
  ++own_writes;
  change.writers.fetch_add(1);
  const Phase phase = change.phase.load();
  allowed_ = phase != Phase::kUndone && phase != Phase::kDoubtful;
}

EditedFiles::Write::~Write() {
  if (files_.entry_ < 0) return;
  changes[static_cast<std::size_t>(files_.entry_)].writers.fetch_sub(1);
  --own_writes;
}

bool EditedFiles::BeginFlip() {
  if (entry_ < 0) return true;
  std::atomic<Phase>& phase = changes[static_cast<std::size_t>(entry_)].phase;
  Phase open = Phase::kOpen;
  if (phase.compare_exchange_strong(open, Phase::kFlipping)) return true;
  Phase flipped = Phase::kFlipped;  // by an earlier change of the same run
  return phase.compare_exchange_strong(flipped, Phase::kFlipping);
}

void EditedFiles::EndFlip(FlipEnd end) {
  if (entry_ < 0) return;
  Change& change = changes[static_cast<std::size_t>(entry_)];
  const auto next = [&] {
    switch (end) {
      case FlipEnd::kDone:
        if (!begins_anew_) return Phase::kFlipped;
        // Nobody looks at the lengths while a flip is under way.
        for (std::size_t i = 0; i < change.count.load(); ++i) {
          change.files[i].old_bytes = LengthOf(change.files[i]);
        }
        return Phase::kOpen;
      case FlipEnd::kNothingDone:
        return Phase::kOpen;
      case FlipEnd::kDoubtful:
        break;
    }
    return Phase::kDoubtful;
  };
  change.phase.store(next());
}

EditedFiles::Phase EditedFiles::phase() const {
  return entry_ < 0 ? Phase::kNone : changes[static_cast<std::size_t>(entry_)].phase.load();
}

void EditedFiles::Undo() {
  if (entry_ >= 0) UndoChange(changes[static_cast<std::size_t>(entry_)]);
}

void EditedFiles::Keep() {
  if (entry_ < 0) return;
  Change& change = changes[static_cast<std::size_t>(entry_)];
  change.phase.store(Phase::kNone);
  change.stop.store(nullptr);
  change.count.store(0);
  change.used.store(false);
  entry_ = -1;
}

Interruption EditedFiles::Interrupt() {
  const int saved_errno = errno;
  Interruption result = Interruption::kEnd;
  for (Change& change : changes) {
    UndoChange(change);
    const Phase phase = change.phase.load();
    const Interruption found = InterruptionIn(phase);
    if (found == Interruption::kFlipping || found == Interruption::kReclaiming) {
      if (RunStop* const stop = change.stop.load()) stop->Stop();
    }
    result = std::max(result, found);
  }
  errno = saved_errno;
  return result;
}

}  // namespace instar::vmm
