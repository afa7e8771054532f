#include "broker/broker.h"

#include <absl/strings/str_format.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "broker/broker_impl.h"
#include "broker/file_opening.h"
#include "broker/image_locks.h"
#include "broker/local_path.h"
#include "broker/stream_opening.h"
#include "jail/opener.h"
#include "report/printable_text.h"

namespace instar::vmm {
namespace {

// RLIMIT_FSIZE is the second line behind the broker's own check of every write. It holds for
// standard output redirected to a file as well, so it never goes below what a report can take.
constexpr std::uint64_t kLeastFileSizeLimit = std::uint64_t{1} << 30;

absl::Status TooManyFiles() {
  return absl::ResourceExhaustedError("too many files are open in one operation");
}

}  // namespace

absl::StatusOr<DeviceId> Broker::Impl::OpenSource(const std::string& path,
                                                  const SourceOptions& options) {
  if (devices_.full()) return TooManyFiles();
  absl::StatusOr<std::string> local = LocalPath(path);
  if (!local.ok()) return local.status();
  auto device = OpenSourceFile(*local, options.cache, options.force_share);
  if (!device.ok()) return device.status();
  AddReadable(**device);
  NoteLocks(**device);
  return devices_.Add(*std::move(device)).value_or(kNoDevice);
}

absl::StatusOr<DeviceId> Broker::Impl::OpenTarget(const std::string& path,
                                                  const TargetOptions& options) {
  if (devices_.full()) return TooManyFiles();
  absl::StatusOr<std::string> local = LocalPath(path);
  if (!local.ok()) return local.status();
  auto target = OpenTargetFile(*local, options.cache, options.keep, Identities());
  if (!target.ok()) return target.status();
  NoteLocks(*target->device);
  if (target->created_in.valid()) {
    const int directory = KeepTargetDirectory(std::move(target->created_in));
    const FileIdentity& identity = target->device->identity;
    created_.Add(directory, target->created_name, identity);
    created_files_.push_back({.path = std::move(target->created_path),
                              .device = identity.device,
                              .inode = identity.inode});
  }
  if (options.keep || target->device->block_device) {
    target->device->kept_bytes = target->device->SizeBytes();
  }
  if (options.edit) {
    if (absl::Status status = AddEdited(*target->device); !status.ok()) return status;
    if (options.several_changes) edited_.BeginAnew();
  }
  AddReadable(*target->device);
  return devices_.Add(std::move(target->device)).value_or(kNoDevice);
}

absl::StatusOr<DeviceId> Broker::Impl::OpenDataFile(DeviceId parent_id, const std::string& name,
                                                    const TargetOptions& options) {
  const Device& parent = *devices_.Find(parent_id);
  auto found = gate_.Follow(devices_, parent_id, name, ReferenceRole::kDataFile);
  if (!found) return absl::PermissionDeniedError(found.error().line);
  const std::string path = (*found)->path;
  const uid_t caller = geteuid();
  if (parent.owner != caller && parent.owner != 0 && (*found)->owner != parent.owner) {
    return absl::PermissionDeniedError(absl::StrFormat(
        "Could not open '%s': the data file '%s' does not belong to the owner of the image, so it "
        "is not changed on the image's behalf",
        PrintableText(parent.path), PrintableText(name)));
  }
  // The same file, whatever is put in its place meanwhile. The locks of who reads it have to go
  // before those of who writes it can be taken.
  const OwnedFd same(
      open(absl::StrFormat("/proc/self/fd/%d", (*found)->fd.get()).c_str(), O_PATH | O_CLOEXEC));
  found->reset();
  if (!same.valid()) {
    return absl::InternalError(
        absl::StrFormat("Could not open '%s': %s", PrintableText(path), std::strerror(errno)));
  }
  auto target = OpenTargetFile(absl::StrFormat("/proc/self/fd/%d", same.get()), options.cache,
                               /*keep=*/true, Identities());
  if (!target.ok()) {
    return absl::Status(target.status().code(),
                        absl::StrFormat("Could not open '%s' for writing: %s", PrintableText(path),
                                        target.status().message()));
  }
  Device& device = *target->device;
  device.path = path;
  device.kept_bytes = device.SizeBytes();
  NoteLocks(device);
  if (absl::Status status = AddEdited(device); !status.ok()) return status;
  AddReadable(device);
  return devices_.Add(std::move(target->device)).value_or(kNoDevice);
}

absl::Status Broker::Impl::AddEdited(Device& device) {
  device.edited = true;
  if (device.block_device) {
    // Its length stays; the phase of the change is noted all the same.
    if (!edited_.Add(device.fd.get(), 0, ledger_.stop())) return TooManyFiles();
    return absl::OkStatus();
  }
  const std::uint64_t bytes = device.SizeBytes();
  if (!edited_.Add(device.fd.get(), bytes, ledger_.stop())) return TooManyFiles();
  const std::unique_ptr<char, void (*)(void*)> real(realpath(device.path.c_str(), nullptr),
                                                    std::free);
  edited_files_.push_back({.path = real ? real.get() : device.path,
                           .device = device.identity.device,
                           .inode = device.identity.inode,
                           .old_bytes = bytes});
  return absl::OkStatus();
}

std::vector<FileIdentity> Broker::Impl::Identities() const {
  std::vector<FileIdentity> identities;
  identities.reserve(devices_.count());
  for (std::uint32_t i = 0; i < devices_.count(); ++i) {
    identities.push_back(devices_.Find(DeviceId{i})->identity);
  }
  return identities;
}

int Broker::Impl::KeepTargetDirectory(OwnedFd directory) {
  struct stat status{};
  if (FileStatus(directory.get(), &status) == 0) {
    for (const OwnedFd& known : target_directories_) {
      struct stat other{};
      if (FileStatus(known.get(), &other) == 0 && other.st_dev == status.st_dev &&
          other.st_ino == status.st_ino) {
        return known.get();
      }
    }
  }
  target_directories_.push_back(std::move(directory));
  return target_directories_.back().get();
}

absl::StatusOr<DeviceId> Broker::Impl::OpenInputStream(const std::string& name) {
  if (devices_.full()) return TooManyFiles();
  auto device = vmm::OpenInputStream(name);
  if (!device.ok()) return device.status();
  if (std::ranges::count(Identities(), (*device)->identity) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(PrintableText((*device)->path), " is a pipe, which can be read only once"));
  }
  (*device)->input->set_stop(&ledger_.stop());
  return devices_.Add(*std::move(device)).value_or(kNoDevice);
}

absl::StatusOr<DeviceId> Broker::Impl::OpenOutputStream(const std::string& name) {
  if (devices_.full()) return TooManyFiles();
  auto device = vmm::OpenOutputStream(name);
  if (!device.ok()) return device.status();
  (*device)->output->set_stop(&ledger_.stop());
  return devices_.Add(*std::move(device)).value_or(kNoDevice);
}

absl::Status Broker::Impl::Spool(DeviceId id, const std::string& beside, std::uint64_t max_bytes) {
  Device& device = *devices_.Find(id);
  if (absl::Status status = SpoolInput(device, beside, max_bytes); !status.ok()) return status;
  AddReadable(device);
  return absl::OkStatus();
}

void Broker::Impl::AddReadable(const Device& device) {
  const instar_device_info info = device.Info();
  ledger_.readable().Add(device.fd.get(), info.size_bytes,
                         device.block_device ? info.size_bytes : info.allocated_bytes);
}

JailNeeds Broker::Impl::jail_needs() const {
  JailNeeds needs;
  for (std::uint32_t i = 0; i < devices_.count(); ++i) {
    const Device& device = *devices_.Find(DeviceId{i});
    needs.keep_fds.push_back(device.is_stream() ? device.stream_fd.get() : device.fd.get());
    needs.streams = needs.streams || device.is_stream();
    if (device.direct_fd.valid()) needs.keep_fds.push_back(device.direct_fd.get());
  }
  needs.read_directories = gate_.directories();
  needs.link_path = kNoPath;
  needs.walked_directories = gate_.walked_directories();
  for (const OwnedFd& directory : target_directories_) {
    needs.unlink_directories.push_back(directory.get());
  }
  needs.max_file_bytes = std::max(limits_.max_output_bytes, kLeastFileSizeLimit);
  needs.max_open_files = limits_.max_devices;
  return needs;
}

DeviceRecord Broker::Impl::device(DeviceId id) const {
  const Device* device = devices_.Find(id);
  if (device == nullptr) return {};
  return {.path = device->path,
          .size_bytes = device->SizeBytes(),
          .allocated_bytes = device->AllocatedBytes(),
          .writable = device->writable};
}

std::uint64_t Broker::Impl::data_bytes() const {
  constexpr unsigned kMostRuns = 65536;
  std::uint64_t data = 0;
  for (std::uint32_t i = 0; i < devices_.count(); ++i) {
    const Device& device = *devices_.Find(DeviceId{i});
    const std::uint64_t end = device.SizeBytes();
    std::uint64_t at = 0;
    if (!device.block_device && !device.is_stream()) {
      for (unsigned runs = 0; at < end && runs < kMostRuns; ++runs) {
        const RunOfFile run = FindRun(nullptr, device.fd.get(), at, end - at);
        if (!run.hole) data += run.length;
        at += run.length;
      }
    }
    data += end - at;
  }
  return data;
}

std::vector<instar_device_info> Broker::Impl::device_infos() const {
  constexpr std::size_t kMost = 16;
  std::vector<instar_device_info> infos;
  for (std::uint32_t i = 0; i < kMost; ++i) {
    const Device* device = devices_.Find(DeviceId{i});
    if (device == nullptr) break;
    infos.push_back(device->Info());
  }
  return infos;
}

void Broker::Impl::set_notices(const Notices& notices) {
  notices_ = notices;
  if (!lock_warning_.empty() && notices_.warning) notices_.warning(lock_warning_);
}

void Broker::Impl::NoteLocks(const Device& device) {
  if (device.lock_errno == 0 || device.force_share || !lock_warning_.empty()) return;
  lock_warning_ = NoLocksWarning(device.path, device.lock_errno);
  if (notices_.warning) notices_.warning(lock_warning_);
}

void Broker::Impl::NoteFailure(std::string line) {
  const std::lock_guard lock(failure_mutex_);
  failure_ = std::move(line);
}

std::string Broker::Impl::host_failure() const {
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

absl::Status Broker::Impl::CheckSources() const {
  for (std::uint32_t i = 0; i < devices_.count(); ++i) {
    const Device& source = *devices_.Find(DeviceId{i});
    if (source.writable || source.is_stream() || source.force_share) continue;
    if (const std::uint64_t bytes = source.SizeBytes(); bytes < source.bytes_at_open) {
      return absl::DataLossError(
          absl::StrFormat("%s became shorter while it was read, from %d bytes to %d",
                          PrintableText(source.path), source.bytes_at_open, bytes));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ReportTree>> Broker::Impl::TakeReports() {
  const std::lock_guard lock(report_mutex_);
  auto reports = report_.Take();
  if (!reports) return absl::AbortedError("the guest's report is malformed or incomplete");
  return *std::move(reports);
}

absl::Status Broker::Impl::Commit() {
  for (std::uint32_t i = 0; i < devices_.count(); ++i) {
    const Device& device = *devices_.Find(DeviceId{i});
    if (!device.writable || device.is_stream() || device.cache == CacheMode::kUnsafe) continue;
    if (fdatasync(device.fd.get()) != 0) {
      return absl::DataLossError(absl::StrFormat("Could not flush '%s': %s",
                                                 PrintableText(device.path), std::strerror(errno)));
    }
  }
  created_.Keep();
  return absl::OkStatus();
}

Broker::Broker(const BrokerLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
Broker::~Broker() { EndOpener(); }

absl::StatusOr<DeviceId> Broker::OpenSource(const std::string& path, const SourceOptions& options) {
  return impl_->OpenSource(path, options);
}
absl::StatusOr<DeviceId> Broker::OpenTarget(const std::string& path, const TargetOptions& options) {
  return impl_->OpenTarget(path, options);
}
absl::StatusOr<DeviceId> Broker::OpenDataFile(DeviceId parent, const std::string& name,
                                              const TargetOptions& options) {
  return impl_->OpenDataFile(parent, name, options);
}
absl::StatusOr<DeviceId> Broker::OpenInputStream(const std::string& name) {
  return impl_->OpenInputStream(name);
}
absl::StatusOr<DeviceId> Broker::OpenOutputStream(const std::string& name) {
  return impl_->OpenOutputStream(name);
}
absl::Status Broker::Spool(DeviceId id, const std::string& beside, std::uint64_t max_bytes) {
  return impl_->Spool(id, beside, max_bytes);
}
absl::Status Broker::AllowReferences(const ReferencePolicy& policy) {
  return impl_->AllowReferences(policy);
}
void Broker::set_progress(std::function<void(std::uint64_t, std::uint64_t)> callback) {
  impl_->progress().set_callback(std::move(callback));
}
void Broker::set_notices(const Notices& notices) { impl_->set_notices(notices); }
void Broker::set_flip_notice(std::function<void()> notice) {
  impl_->set_flip_notice(std::move(notice));
}
void Broker::set_record_sink(RecordSink sink) { impl_->set_record_sink(std::move(sink)); }
std::uint64_t Broker::data_bytes() const { return impl_->data_bytes(); }
std::uint64_t Broker::readable_bytes() const { return impl_->readable_bytes(); }
std::vector<instar_device_info> Broker::device_infos() const { return impl_->device_infos(); }
JailNeeds Broker::jail_needs() const { return impl_->jail_needs(); }
CallResult Broker::Handle(unsigned worker, const CallFrame& frame, const GuestMemory& memory) {
  return impl_->Handle(worker, frame, memory);
}
WorkDone Broker::work_done(unsigned worker) const { return impl_->work_done(worker); }
void Broker::set_read_passes(unsigned passes) { impl_->set_read_passes(passes); }
void Broker::Stop() { impl_->Stop(); }
std::uint32_t Broker::device_count() const { return impl_->device_count(); }
const char* Broker::violation() const { return impl_->violation(); }
DeviceRecord Broker::device(DeviceId id) const { return impl_->device(id); }
std::string Broker::host_failure() const { return impl_->host_failure(); }
absl::Status Broker::CheckSources() const { return impl_->CheckSources(); }
absl::StatusOr<std::vector<ReportTree>> Broker::TakeReports() { return impl_->TakeReports(); }
absl::Status Broker::Commit() { return impl_->Commit(); }
void Broker::Discard() { impl_->Discard(); }
const std::vector<CreatedFile>& Broker::created_files() const { return impl_->created_files(); }
Interruption Broker::DiscardFromSignalHandler() {
  CreatedTargets::RemoveAll();
  return EditedFiles::Interrupt();
}
const std::vector<EditedFile>& Broker::edited_files() const { return impl_->edited_files(); }
EditedFiles::Phase Broker::change() const { return impl_->change(); }
void Broker::EndChange() { impl_->EndChange(); }

}  // namespace instar::vmm
