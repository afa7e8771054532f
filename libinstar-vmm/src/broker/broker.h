// Owns every file of one operation, and does what the guest asks of them.
//
// Life: the Open* calls and AllowReferences before the jail; Handle during the run, from several
// threads; then Commit or Discard. The guest knows files by device number only, in the order they
// were opened.
#ifndef LIBINSTAR_VMM_SRC_BROKER_BROKER_H_
#define LIBINSTAR_VMM_SRC_BROKER_BROKER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/created_file.h"
#include "broker/edited_files.h"
#include "executor/call_handler.h"
#include "formats/base/ids.h"
#include "instar/abi/call_table.h"
#include "instar/vmm/convert.h"
#include "instar/vmm/report.h"
#include "instar/vmm/sandbox.h"
#include "jail/jail.h"
#include "report/record_sink.h"

namespace instar::vmm {

struct SourceOptions {
  bool force_share = false;  // take no lock that conflicts with a writer
  CacheMode cache = CacheMode::kWriteback;
};

struct TargetOptions {
  bool keep = false;  // -n: must exist, is not truncated, not created
  // With keep: the image, or its data file, is changed in place, and what it names may be followed.
  // Discard and the end of the process cut it back to its length (edited_files.h).
  bool edit = false;
  // With edit: what is written after a change took effect can be undone again, by itself.
  bool several_changes = false;
  CacheMode cache = CacheMode::kUnsafe;
};

// Whether copies may share blocks with their source where the file system lets them.
enum class Sharing {
  kNever,
  kLosingNothing,  // not where the target has storage of its own, which would be given up
  kAlways,
};

struct BrokerLimits {
  std::uint64_t max_output_bytes = ~std::uint64_t{0};
  // What a file of a virtual disk within the limit can need (target_bound.h). A target that is kept
  // may be as long as it is, or grow by that.
  std::uint64_t max_disk_file_bytes = ~std::uint64_t{0};
  bool kept_targets_grow = false;
  std::uint64_t rate_limit_bytes_per_second = 0;  // over all transfers and writes; 0: none
  unsigned max_devices = 1024;
  unsigned max_chain_depth = 1024;  // images of a chain of backing files
  Sharing sharing = Sharing::kNever;
};

// What the host knows of a device; all but `path` and `display_name` as of the moment of asking.
struct DeviceRecord {
  std::string path;  // how to name it: as the user gave it, or joined as qemu-img shows references
  std::uint64_t size_bytes = 0;
  std::uint64_t allocated_bytes = 0;  // st_blocks * 512
  bool writable = false;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("path", path);
    visit("size", size_bytes);
    visit("allocated", allocated_bytes);
    visit("writable", writable);
  }
};

class Broker final : public CallHandler {
 public:
  explicit Broker(const BrokerLimits& limits);
  ~Broker() override;  // closes everything; removes nothing

  // Opens a file the user named, read-only. Takes QEMU-compatible locks. One readable line on
  // failure.
  absl::StatusOr<DeviceId> OpenSource(const std::string& path, const SourceOptions& options);

  // Opens, and unless `keep` creates if absent, the file to write. An existing file is not emptied
  // here: the guest does that when its sources have proved readable. kInvalidArgument if it is the
  // same file as a source.
  absl::StatusOr<DeviceId> OpenTarget(const std::string& path, const TargetOptions& options);

  // Opens for writing the data file that the image on `parent`, which is changed in place, calls
  // `name`: as far as references to it are allowed (AllowReferences), and only a file that belongs
  // to whom the image belongs to. An image of the caller's or of root's own may name any that a
  // reference may. Before the jail. As OpenTarget.
  absl::StatusOr<DeviceId> OpenDataFile(DeviceId parent, const std::string& name,
                                        const TargetOptions& options);

  // Opens what is read once from its start to its end (stream_opening.h), and what is written so.
  absl::StatusOr<DeviceId> OpenInputStream(const std::string& name);
  absl::StatusOr<DeviceId> OpenOutputStream(const std::string& name);
  // Reads the input stream `id` to its end and makes it a device of what it held, which is kept in
  // the directory of `beside`. Before the jail.
  absl::Status Spool(DeviceId id, const std::string& beside, std::uint64_t max_bytes);

  // Pre-opens the directories that references may lie in. Without this call, references are
  // refused.
  absl::Status AllowReferences(const ReferencePolicy& policy);

  // Receives what happens from now on, and the warnings there are already; before Run.
  void set_notices(const Notices& notices);

  // Receives progress (bytes) on the thread that handles the call; before Run.
  void set_progress(std::function<void(std::uint64_t, std::uint64_t)> callback);

  // Hands every batch of records to `sink`, on the thread that handles the call and one at a time,
  // instead of keeping them for TakeReports; before Run.
  void set_record_sink(RecordSink sink);

  // Called when a change in place is about to take effect, on the thread that handles the call;
  // before Run.
  void set_flip_notice(std::function<void()> notice);

  // What a guest is told that asks for the devices opened so far; no more than it mostly has.
  [[nodiscard]] std::vector<instar_device_info> device_infos() const;

  // How often the data of the files may be read before that is no progress; before Run. By itself
  // twice.
  void set_read_passes(unsigned passes);

  // How many files are open.
  [[nodiscard]] std::uint32_t device_count() const;

  // Length of all files opened so far, together.
  [[nodiscard]] std::uint64_t readable_bytes() const;

  // Data in all files opened so far, together, holes left out: as SEEK_DATA tells; the length of
  // files of which it does not tell, and of all that follows the first 65,536 runs of one.
  [[nodiscard]] std::uint64_t data_bytes() const;

  // What the jail must leave open for this broker's work.
  [[nodiscard]] JailNeeds jail_needs() const;

  CallResult Handle(unsigned worker, const CallFrame& frame, const GuestMemory& memory) override;
  [[nodiscard]] WorkDone work_done(unsigned worker) const override;
  void Stop() override;
  [[nodiscard]] const char* violation() const override;

  [[nodiscard]] DeviceRecord device(DeviceId id) const;  // empty record for unknown numbers

  // The last failure of a file or the gate, as a readable line ("Could not open 'x': ..."), or
  // empty: more exact than the guest's own words for errors the host caused.
  [[nodiscard]] std::string host_failure() const;

  // Whether all files that were only read are as long as when they were opened. What is missing of
  // one that became shorter was read as zeros.
  [[nodiscard]] absl::Status CheckSources() const;

  // The top-level objects the guest reported, validated. Error if what it emitted is malformed or
  // incomplete.
  absl::StatusOr<std::vector<ReportTree>> TakeReports();

  // Success: flushes targets as their cache mode wants (all but unsafe) and keeps them.
  absl::Status Commit();
  // Failure: removes targets this broker created and cuts back those it edits. The twin is
  // async-signal-safe, for handlers of signals that end the process: it says whether they may.
  void Discard();
  static Interruption DiscardFromSignalHandler();
  // What Discard would remove or cut back, for a process that outlives this one.
  [[nodiscard]] const std::vector<CreatedFile>& created_files() const;
  [[nodiscard]] const std::vector<EditedFile>& edited_files() const;
  // Of a run that edits files: what became of the change.
  [[nodiscard]] EditedFiles::Phase change() const;
  // The change is over: a signal finds nothing to wait for or to undo.
  void EndChange();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_BROKER_H_
