// Runs the sandboxed part of a verb in a child process, for programs that must not put up the jail
// around themselves (Jail::kChildProcess).
//
// The child opens the files, puts up the jail, runs the guest, and tells its parent over a pipe how
// far it is and in the end what came out: fields of the wire codec, each checked by the parent, for
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

#include "broker/created_file.h"
#include "instar/vmm/notices.h"
#include "instar/vmm/timing.h"

namespace instar::vmm {

using ProgressCallback = std::function<void(std::uint64_t done, std::uint64_t total)>;
using TellCreated = std::function<void(const std::vector<CreatedFile>&)>;
using ChildResult = absl::StatusOr<std::vector<std::byte>>;

// What a child can say before its result.
struct ChildChannel {
  ProgressCallback progress;
  // Hands on one batch of records, of a form that body and caller agree on. False: nobody wants
  // more.
  std::function<bool(std::span<const std::byte>)> records;
  // Tells which files the child has made; once, before the jail. The parent is told of them if the
  // child ends without a result. It believes one such list only, so that nothing that happens in
  // the jail can have it remove other files.
  TellCreated created;
  // Hands on what the child notices. The parent ends a child that notices more than there can be.
  Notices notices;
  // Where the operation records its time, in the parent as in the child; null: nowhere.
  Timing* timing = nullptr;
  // When the parent ends the child, whatever that does, and with which words; by itself never.
  std::chrono::steady_clock::time_point deadline;
  std::string late;
};

// Runs `body` in a child process and returns what it returned. `body` is given a callback by which
// the child reports progress; the parent hands that on to `progress` (may be empty) on the calling
// thread. A child that ends without a result is kAborted. Standard output of the child is the pipe.
ChildResult RunInChild(const std::function<ChildResult(const ProgressCallback&)>& body,
                       const ProgressCallback& progress, Timing* timing = nullptr);

// As above, with records too. Where `told.records` returns false (or is empty and records come),
// the child is ended and the result is kCancelled. A child that has not said all at the deadline is
// ended, what it created is removed (`told.created`), and the result is kDeadlineExceeded. Nothing
// of that touches signal handlers or timers of the calling process.
ChildResult RunInChild(const std::function<ChildResult(const ChildChannel&)>& body,
                       const ChildChannel& told);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_CHILD_H_
