// Runs the sandboxed part of a verb in a child process, for programs that must not put up the jail
// around themselves (Jail::kChildProcess).
//
// The child opens the files, puts up the jail and runs the guest. Over a pipe it hands its parent
// the guest's own records, once it has validated them, and tells what the host knows: files,
// notices, progress, how the run ended. The parent validates all of it again, by the same code, for
// the child works on the image and is not to be trusted with the parent's memory.
#ifndef LIBINSTAR_VMM_SRC_VERBS_CHILD_H_
#define LIBINSTAR_VMM_SRC_VERBS_CHILD_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "broker/created_file.h"
#include "broker/edited_files.h"
#include "instar/vmm/notices.h"
#include "instar/vmm/sandbox.h"
#include "instar/vmm/timing.h"

namespace instar::vmm {

using ProgressCallback = std::function<void(std::uint64_t done, std::uint64_t total)>;

// What a child can say before it ends. The child calls these; in the parent the callbacks of the
// same name are called, on the thread that waits for the child. Any of them may be empty there.
struct ChildChannel {
  ProgressCallback progress;
  // Hands on one batch of the guest's records. False: nobody wants more, or they are malformed.
  std::function<bool(std::span<const std::byte>)> records;
  // Tells of a file that was opened, in the order of their numbers.
  std::function<void(const DeviceRecord&)> file;
  // Tells which files the child has made; once, before the jail. The parent is told of them if the
  // child ends without a result. It believes one such list only, so that nothing that happens in
  // the jail can have it remove other files.
  std::function<void(const std::vector<CreatedFile>&)> created;
  // Tells which files the child changes in place, once, before the jail; and that the change is
  // about to take effect. The parent is told of the files if the child ends without a result before
  // that. Once a change may have taken effect, the deadline leaves the child some seconds for it.
  std::function<void(const std::vector<EditedFile>&)> edited;
  std::function<void()> flip;
  // Hands on what the child notices. The parent ends a child that notices more than there can be.
  Notices notices;
  // Where the operation records its time, in the parent as in the child; null: nowhere.
  Timing* timing = nullptr;
  // When the parent ends the child, whatever that does, and with which words; by itself never.
  std::chrono::steady_clock::time_point deadline;
  std::string late;
};

// Runs `body` in a child process and returns what it returned. Standard output of the child is the
// pipe. A child that ends without a result, or says what no child says, is kAborted. Where
// `told.records` returns false (or is empty and records come), the child is ended and the result is
// kCancelled. A child that has not said all at the deadline is ended, what it created is removed
// (`told.created`), and the result is kDeadlineExceeded. Nothing of that touches signal handlers or
// timers of the calling process.
absl::StatusOr<Isolation> RunInChild(
    const std::function<absl::StatusOr<Isolation>(const ChildChannel&)>& body,
    const ChildChannel& told);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_CHILD_H_
