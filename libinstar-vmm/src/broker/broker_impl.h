// What the broker is made of. broker.cc has its life, request_dispatch.cc what it does for a guest.
#ifndef LIBINSTAR_VMM_SRC_BROKER_BROKER_IMPL_H_
#define LIBINSTAR_VMM_SRC_BROKER_BROKER_IMPL_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/broker.h"
#include "broker/created_file.h"
#include "broker/created_targets.h"
#include "broker/device_table.h"
#include "broker/edited_files.h"
#include "broker/progress_reporter.h"
#include "broker/reference_gate.h"
#include "broker/request_decoder.h"
#include "formats/base/error.h"
#include "instar/abi/call_table.h"
#include "io/bulk_worker.h"
#include "io/io_result.h"
#include "io/work_ledger.h"
#include "report/report_builder.h"

namespace instar::vmm {

class Broker::Impl {
 public:
  explicit Impl(const BrokerLimits& limits)
      : limits_(limits),
        devices_(limits.max_devices),
        ledger_(limits.rate_limit_bytes_per_second) {}

  absl::StatusOr<DeviceId> OpenSource(const std::string& path, const SourceOptions& options);
  absl::StatusOr<DeviceId> OpenTarget(const std::string& path, const TargetOptions& options);
  absl::StatusOr<DeviceId> OpenDataFile(DeviceId parent, const std::string& name,
                                        const TargetOptions& options);
  absl::StatusOr<DeviceId> OpenInputStream(const std::string& name);
  absl::StatusOr<DeviceId> OpenOutputStream(const std::string& name);
  absl::Status Spool(DeviceId id, const std::string& beside, std::uint64_t max_bytes);
  absl::Status AllowReferences(const ReferencePolicy& policy) {
    return gate_.Open(policy, devices_);
  }
  [[nodiscard]] JailNeeds jail_needs() const;
  [[nodiscard]] DeviceRecord device(DeviceId id) const;
  [[nodiscard]] std::string host_failure() const;
  [[nodiscard]] absl::Status CheckSources() const;
  absl::StatusOr<std::vector<ReportTree>> TakeReports();
  absl::Status Commit();
  void Discard() {
    created_.Remove();
    edited_.Undo();
  }
  [[nodiscard]] const std::vector<CreatedFile>& created_files() const { return created_files_; }
  [[nodiscard]] const std::vector<EditedFile>& edited_files() const { return edited_files_; }
  [[nodiscard]] EditedFiles::Phase change() const { return edited_.phase(); }
  void EndChange() { edited_.Keep(); }

  CallResult Handle(unsigned worker, const CallFrame& frame, const GuestMemory& memory);

  void set_notices(const Notices& notices);
  void set_record_sink(RecordSink sink) { record_sink_ = std::move(sink); }
  void set_flip_notice(std::function<void()> notice) { flip_notice_ = std::move(notice); }
  [[nodiscard]] std::uint64_t readable_bytes() const { return ledger_.readable().length(); }
  [[nodiscard]] std::uint64_t data_bytes() const;
  void set_read_passes(unsigned passes) { ledger_.set_read_passes(passes); }
  [[nodiscard]] std::uint32_t device_count() const { return devices_.count(); }
  [[nodiscard]] std::vector<instar_device_info> device_infos() const;
  ProgressReporter& progress() { return progress_; }
  [[nodiscard]] WorkDone work_done(unsigned worker) const {
    return worker < workers_.size() ? ledger_.done(worker) : WorkDone{};
  }
  void Stop() { ledger_.stop().Stop(); }
  [[nodiscard]] const char* violation() const { return violation_.load(std::memory_order_acquire); }

 private:
  // What one worker's requests need; made when it first calls, used by its thread only.
  struct Worker {
    Worker(WorkLedger& ledger, unsigned number)
        : meter(ledger, number), bulk(meter, /*maps=*/number != 0) {}
    RequestScratch scratch;
    WorkMeter meter;
    BulkWorker bulk;
  };

  CallResult Dispatch(Worker& worker, const CallFrame& frame, const GuestMemory& memory);
  CallResult DeviceInfo(const DeviceInfoRequest& request);
  CallResult OpenReference(Worker& worker, const OpenReferenceRequest& request);
  CallResult Resize(Worker& worker, const ResizeRequest& request);
  CallResult Flush(Worker& worker, const FlushRequest& request);
  CallResult WriteRoot(Worker& worker, const WriteRootRequest& request);
  CallResult ResizeRoot(Worker& worker, const ResizeRequest& request);
  // Does `work`, which changes files, unless a change in place was undone or failed.
  template <typename Work>
  CallResult Changing(const Work& work);
  // Does `flip`, by which a change in place takes effect; it says what became of that. Nothing if
  // the run ended before.
  template <typename Flip>
  std::optional<IoResult> Flipping(Worker& worker, Device& device, const Flip& flip);
  // Whether the guest has to be given time for a flush of `device`.
  bool IsNeededFlush(Device& device);
  // After one that succeeded; `needed`: what that said of it.
  void NoteFlushed(Worker& worker, Device& device, bool needed);
  // Notes that `device` is edited in place.
  absl::Status AddEdited(Device& device);
  CallResult Read(Worker& worker, const IoListRequest& request, const GuestMemory& memory);
  CallResult Write(Worker& worker, const IoListRequest& request, const GuestMemory& memory);
  CallResult Transfer(Worker& worker, const TransferListRequest& request);
  Device* SourceBeside(const instar_transfer& step, const instar_transfer& following);
  [[nodiscard]] bool MayShare(const Device& target, const instar_transfer& step) const;
  CallResult ScanZero(Worker& worker, const ScanZeroRequest& request);
  CallResult NextRuns(Worker& worker, const NextRunsRequest& request);
  CallResult Compare(Worker& worker, const CompareRequest& request);
  CallResult Emit(Worker& worker, const EmitRequest& request);
  CallResult Progress(Worker& worker, const ProgressRequest& request);

  CallResult Violate(const char* what);
  // What the files of this run can be read for, `device` included.
  void AddReadable(const Device& device);
  // How long a disk within the limits lets `target` become.
  [[nodiscard]] std::uint64_t MostBytes(const Device& target) const;
  // A target that may be written up to `end`; else a failed result.
  std::expected<Device*, CallResult> Target(DeviceId id, std::uint64_t end);
  std::expected<Device*, CallResult> Source(DeviceId id);
  // Of all files that are open.
  [[nodiscard]] std::vector<FileIdentity> Identities() const;
  // The descriptor for the directory of a file that was created: one for all files there, because
  // each costs the jail rules, of which it can hold some thousands.
  int KeepTargetDirectory(OwnedFd directory);
  // The result for the guest of an operation on `device` that failed, noted for the user.
  CallResult Failed(const char* verb, const Device& device, const IoResult& result);
  void NoteFailure(std::string line);
  // Warns of a file without locks, once a run: where one has none, others mostly have none either.
  // Not of those that are shared, which are read whoever uses them.
  void NoteLocks(const Device& device);
  void NoteOutOfMemory();

  const BrokerLimits limits_;
  DeviceTable devices_;
  WorkLedger ledger_;
  ReferenceGate gate_;
  CreatedTargets created_;
  std::vector<CreatedFile> created_files_;
  EditedFiles edited_;
  std::vector<EditedFile> edited_files_;
  std::function<void()> flip_notice_;  // may be empty
  std::vector<OwnedFd> target_directories_;
  ProgressReporter progress_;
  std::array<std::unique_ptr<Worker>, INSTAR_MAX_WORKERS> workers_;
  std::atomic<const char*> violation_{nullptr};

  std::mutex adding_devices_;
  Notices notices_;
  std::string lock_warning_;
  mutable std::mutex failure_mutex_;
  std::string failure_;
  std::mutex report_mutex_;
  ReportBuilder report_;    // unless there is a sink
  RecordSink record_sink_;  // may be empty
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_BROKER_IMPL_H_
