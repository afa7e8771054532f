// The verb `snapshot`, sandboxed. Info (info.h) lists snapshots.
#ifndef INSTAR_VMM_SNAPSHOT_H_
#define INSTAR_VMM_SNAPSHOT_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "instar/requests.h"
#include "instar/result_records.h"
#include "instar/vmm/convert.h"
#include "instar/vmm/image_spec.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

struct SnapshotReport : SnapshotRecord {
  Isolation isolation = Isolation::kAuto;
  std::vector<std::string> warnings;  // one line each
};

struct SnapshotOptions {
  ImageSpec image;
  SnapshotAction action = SnapshotAction::kCreate;
  std::string name;                            // bytes; kApply: or the ID
  std::chrono::system_clock::time_point time;  // kCreate: when it is taken
  CacheMode cache = CacheMode::kWriteback;     // kUnsafe: nothing is flushed
  // Called once the guest has said what the image is, before it is changed. May be empty.
  std::function<void(const SnapshotReport&)> opened;
  SandboxOptions sandbox;
};

// Takes, applies or deletes an internal snapshot, in place and as safely as Resize (resize.h)
// changes an image.
//
// kNotFound if there is no such snapshot, kUnimplemented for an image that can have none,
// kResourceExhausted where there is no room or a refcount has not enough bits, kFailedPrecondition
// if somebody else uses the image, kDataLoss if it has to be repaired first.
absl::StatusOr<SnapshotReport> Snapshot(const SnapshotOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_SNAPSHOT_H_
