// What the broker does for a guest, one function a request. target_dispatch.cc has the rest.
#include <absl/strings/str_format.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include "broker/broker_impl.h"
#include "broker/call_results.h"
#include "formats/base/checked.h"
#include "io/agreed_reading.h"
#include "io/bit_writer.h"
#include "io/file_runs.h"
#include "report/error_reason.h"
#include "report/printable_text.h"

namespace instar::vmm {
namespace {

// The last lines a user reads of a guest that lied; the executor puts the verb and image before.
constexpr const char* kTooMuchZeroed = "a request to zero more than a virtual disk has";
constexpr const char* kMalformedReport = "malformed records in its report";

// Runs are told up to so much data: to find their ends can mean to walk over every page of it, and
// other workers may be waiting for the answer to begin.
constexpr std::uint64_t kEnoughData = std::uint64_t{64} << 20;

ErrorCode CodeOf(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ErrorCode::kNoSpace;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kDenied;
    default:
      return ErrorCode::kIo;
  }
}

std::uint64_t EndOf(const instar_io& io) { return io.offset + io.length; }

std::span<const instar_io> SkipEmpty(std::span<const instar_io> list) {
  while (!list.empty() && list[0].length == 0) list = list.subspan(1);
  return list;
}

// Of what `io` has read, makes what may be a root agree with a second read: somebody may be
// changing the file.
IoResult SettleRoot(const IoFile& file, const instar_io& io, const GuestMemory& memory) {
  const std::uint64_t length = std::min(io.length, kMaxRootBytes - io.offset);
  return ReadUntilAgreed(
      memory.Writable(reinterpret_cast<std::uint64_t>(io.data), length),
      [&](std::span<std::byte> again) { return ReadFully(file, io.offset, again); });
}

// How many entries from the front of the list are one stretch of one file.
std::size_t Contiguous(std::span<const instar_io> list) {
  std::size_t n = 1;
  while (n < list.size() && n < kMaxIoVectors && list[n].device == list[0].device &&
         list[n].offset == EndOf(list[n - 1])) {
    ++n;
  }
  return n;
}

// Steps that continue each other become one, so that a planner may list clusters one by one.
std::size_t MergeSteps(std::span<const instar_transfer> list, instar_transfer& merged) {
  merged = list[0];
  std::size_t n = 1;
  for (; n < list.size(); ++n) {
    const instar_transfer& next = list[n];
    const bool copies =
        merged.kind == INSTAR_TRANSFER_COPY || merged.kind == INSTAR_TRANSFER_COPY_SPARSE;
    if (next.kind != merged.kind || next.target != merged.target ||
        next.target_offset != merged.target_offset + merged.length ||
        next.length > kMaxFileOffset - next.target_offset) {
      break;
    }
    if (copies && (next.source != merged.source || next.zero_run_bytes != merged.zero_run_bytes ||
                   next.source_offset != merged.source_offset + merged.length)) {
      break;
    }
    if (merged.kind == INSTAR_TRANSFER_COPY_SPARSE && merged.length % merged.zero_run_bytes != 0) {
      break;
    }
    merged.length += next.length;
  }
  return n;
}

}  // namespace

CallResult Broker::Impl::Handle(unsigned worker, const CallFrame& frame,
                                const GuestMemory& memory) {
  if (worker >= workers_.size()) return Violate("a call from a worker that does not exist");
  // Nothing a guest sends may end this process, so neither may an allocation that fails.
  try {
    if (!workers_[worker]) workers_[worker] = std::make_unique<Worker>(ledger_, worker);
    return Dispatch(*workers_[worker], frame, memory);
  } catch (const std::bad_alloc&) {
    NoteOutOfMemory();
    return Refused(ErrorCode::kLimit, ENOMEM);
  }
}

void Broker::Impl::NoteOutOfMemory() {
  try {
    NoteFailure(absl::StrFormat("'%s': this process may not have the memory that the image takes",
                                PrintableText(device(DeviceId{0}).path)));
  } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch)
    // Not even for that: the guest's own words must do.
  }
}

CallResult Broker::Impl::Dispatch(Worker& worker, const CallFrame& frame,
                                  const GuestMemory& memory) {
  RequestDecoder decoder(frame, memory, worker.scratch);
  const auto carry_out = [&](auto decoded, auto work) {
    if (decoded) return work(*decoded);
    const Refusal& refusal = decoded.error();
    return refusal.violation != nullptr ? Violate(refusal.violation) : Refused(refusal.code);
  };
  // Operations that the executor handles itself never get here from honest code.
  switch (frame.op) {
    case INSTAR_OP_DEVICE_INFO:
      return carry_out(decoder.DeviceInfo(), [&](auto& r) { return DeviceInfo(r); });
    case INSTAR_OP_OPEN_REFERENCE:
      return carry_out(decoder.OpenReference(), [&](auto& r) { return OpenReference(worker, r); });
    case INSTAR_OP_RESIZE:
      return carry_out(decoder.Resize(),
                       [&](auto& r) { return Changing([&] { return Resize(worker, r); }); });
    case INSTAR_OP_FLUSH:
      return carry_out(decoder.Flush(), [&](auto& r) { return Flush(worker, r); });
    case INSTAR_OP_READ:
      return carry_out(decoder.Read(), [&](auto& r) { return Read(worker, r, memory); });
    case INSTAR_OP_WRITE:
      return carry_out(decoder.Write(),
                       [&](auto& r) { return Changing([&] { return Write(worker, r, memory); }); });
    case INSTAR_OP_WRITE_ROOT:
      return carry_out(decoder.WriteRoot(),
                       [&](auto& r) { return Changing([&] { return WriteRoot(worker, r); }); });
    case INSTAR_OP_RESIZE_ROOT:
      return carry_out(decoder.Resize(),
                       [&](auto& r) { return Changing([&] { return ResizeRoot(worker, r); }); });
    case INSTAR_OP_TRANSFER:
      return carry_out(decoder.Transfer(),
                       [&](auto& r) { return Changing([&] { return Transfer(worker, r); }); });
    case INSTAR_OP_SCAN_ZERO:
      return carry_out(decoder.ScanZero(), [&](auto& r) { return ScanZero(worker, r); });
    case INSTAR_OP_NEXT_RUNS:
      return carry_out(decoder.NextRuns(), [&](auto& r) { return NextRuns(worker, r); });
    case INSTAR_OP_COMPARE:
      return carry_out(decoder.Compare(), [&](auto& r) { return Compare(worker, r); });
    case INSTAR_OP_EMIT:
      return carry_out(decoder.Emit(), [&](auto& r) { return Emit(worker, r); });
    case INSTAR_OP_PROGRESS:
      return carry_out(decoder.Progress(), [&](auto& r) { return Progress(worker, r); });
    default:
      return Violate("an unknown operation");
  }
}

CallResult Broker::Impl::Violate(const char* what) {
  const char* none = nullptr;
  violation_.compare_exchange_strong(none, what, std::memory_order_release);
  return Refused(ErrorCode::kInvalidArgument);
}

std::expected<Device*, CallResult> Broker::Impl::Source(DeviceId id) {
  Device* const device = devices_.Find(id);
  if (device == nullptr) return std::unexpected(Refused(ErrorCode::kInvalidArgument));
  return device;
}

std::uint64_t Broker::Impl::MostBytes(const Device& target) const {
  if (!limits_.kept_targets_grow) return std::max(limits_.max_disk_file_bytes, target.kept_bytes);
  return CheckedAdd(limits_.max_disk_file_bytes, target.kept_bytes).value_or(~std::uint64_t{0});
}

std::expected<Device*, CallResult> Broker::Impl::Target(DeviceId id, std::uint64_t end) {
  Device* const device = devices_.Find(id);
  if (device == nullptr) return std::unexpected(Refused(ErrorCode::kInvalidArgument));
  if (!device->writable) return std::unexpected(Refused(ErrorCode::kDenied));
  if (end > limits_.max_output_bytes) {
    NoteFailure(absl::StrFormat(
        "Could not write '%s': it would become larger than the limit of %d bytes for an output "
        "file",
        PrintableText(device->path), limits_.max_output_bytes));
    return std::unexpected(Refused(ErrorCode::kLimit));
  }
  if (const std::uint64_t most = MostBytes(*device); end > most) {
    NoteFailure(absl::StrFormat(
        "Could not write '%s': it would become larger than %d bytes, which is more than a virtual "
        "disk within the limit (--max-virtual-size) can need",
        PrintableText(device->path), most));
    return std::unexpected(Refused(ErrorCode::kLimit));
  }
  return device;
}

CallResult Broker::Impl::Failed(const char* verb, const Device& device, const IoResult& result) {
  if (result.os_errno == ECANCELED) return Refused(ErrorCode::kIo, ECANCELED);
  NoteFailure(absl::StrFormat("Could not %s '%s' at offset %d: %s", verb,
                              PrintableText(device.path), result.offset,
                              ErrorReason(result.os_errno)));
  return Refused(CodeOf(result.os_errno), result.os_errno);
}

CallResult Broker::Impl::DeviceInfo(const DeviceInfoRequest& request) {
  const auto device = Source(request.device);
  if (!device) return device.error();
  const instar_device_info info = (*device)->Info();
  std::memcpy(request.reply.data(), &info, sizeof(info));
  return kDone;
}

CallResult Broker::Impl::OpenReference(Worker& worker, const OpenReferenceRequest& request) {
  const auto parent = Source(request.parent);
  if (!parent) return parent.error();
  const std::lock_guard lock(adding_devices_);
  if (devices_.full()) {
    NoteFailure(absl::StrFormat("'%s' leads to more than %d files, the limit for one operation",
                                PrintableText((*parent)->path), limits_.max_devices));
    return Refused(ErrorCode::kLimit);
  }
  const unsigned depth =
      (*parent)->chain_depth + (request.role == ReferenceRole::kBacking ? 1u : 0u);
  if (depth > limits_.max_chain_depth) {
    NoteFailure(absl::StrFormat("'%s': the backing chain has more than %d images",
                                PrintableText((*parent)->path), limits_.max_chain_depth));
    return Refused(ErrorCode::kLimit);
  }
  auto device = gate_.Follow(devices_, request.parent, request.name, request.role);
  if (!device) {
    ReferenceRefusal& refusal = device.error();
    NoteFailure(std::move(refusal.line));
    return Refused(refusal.code, refusal.os_errno);
  }
  (*device)->chain_depth = depth;
  AddReadable(**device);
  worker.meter.Forgive();
  NoteLocks(**device);
  if (notices_.reference_opened) {
    notices_.reference_opened(
        {.kind = ReferenceKindOf(request.role), .image = (*parent)->path, .path = (*device)->path});
  }
  const auto id = devices_.Add(*std::move(device));
  return {.result = static_cast<std::int64_t>(id.value_or(kNoDevice)), .value = 0};
}

template <typename Work>
CallResult Broker::Impl::Changing(const Work& work) {
  const EditedFiles::Write write(edited_);
  if (!write.allowed()) return Refused(ErrorCode::kIo, ECANCELED);
  return work();
}

CallResult Broker::Impl::Read(Worker& worker, const IoListRequest& request,
                              const GuestMemory& memory) {
  for (auto rest = SkipEmpty(request.list); !rest.empty();) {
    const auto found = Source(DeviceId{rest[0].device});
    if (!found) return found.error();
    Device& device = **found;
    const std::size_t n = Contiguous(rest);
    std::array<iovec, kMaxIoVectors> vectors;
    for (std::size_t i = 0; i < n; ++i) {
      const auto bytes =
          memory.Writable(reinterpret_cast<std::uint64_t>(rest[i].data), rest[i].length);
      vectors[i] = {.iov_base = bytes.data(), .iov_len = bytes.size()};
    }
    const IoFile file = device.Bulk(DeviceId{rest[0].device}, worker.meter.stop()).io;
    IoResult result = ReadVector(file, rest[0].offset, std::span(vectors).first(n));
    if (result.ok() && device.force_share && rest[0].offset < kMaxRootBytes) {
      result = SettleRoot(file, rest[0], memory);
    }
    if (!result.ok()) return Failed("read", device, result);
    worker.meter.NoteRead(EndOf(rest[n - 1]) - rest[0].offset);
    rest = SkipEmpty(rest.subspan(n));
  }
  return kDone;
}

CallResult Broker::Impl::Write(Worker& worker, const IoListRequest& request,
                               const GuestMemory& memory) {
  for (auto rest = SkipEmpty(request.list); !rest.empty();) {
    const std::size_t n = Contiguous(rest);
    const std::uint64_t end = EndOf(rest[n - 1]);
    const auto found = Target(DeviceId{rest[0].device}, end);
    if (!found) return found.error();
    Device& device = **found;
    std::array<iovec, kMaxIoVectors> vectors;
    for (std::size_t i = 0; i < n; ++i) {
      const auto bytes =
          memory.Readable(reinterpret_cast<std::uint64_t>(rest[i].data), rest[i].length);
      vectors[i] = {.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
    }
    if (!worker.meter.Throttle(end - rest[0].offset)) return Refused(ErrorCode::kIo, ECANCELED);
    const BulkFile target = device.Bulk(DeviceId{rest[0].device}, worker.meter.stop());
    worker.bulk.Prepare(target, rest[0].offset, end - rest[0].offset);
    const IoResult result = WriteVector(target.io, rest[0].offset, std::span(vectors).first(n));
    if (!result.ok()) return Failed("write", device, result);
    device.unsynced.store(true, std::memory_order_relaxed);
    worker.meter.NotePlaced(device.work.written, rest[0].offset, end - rest[0].offset);
    rest = SkipEmpty(rest.subspan(n));
  }
  return kDone;
}

bool Broker::Impl::MayShare(const Device& target, const instar_transfer& step) const {
  // A call for less takes longer than to copy it.
  constexpr std::uint64_t kLeastShared = std::uint64_t{32} << 10;
  if (limits_.sharing == Sharing::kLosingNothing) {
    return step.target_offset >= target.own_bytes && step.length >= kLeastShared;
  }
  return limits_.sharing == Sharing::kAlways;
}

// What `following` copies from, if it copies to the target of `step`, in the same way, what only
// has to be read.
Device* Broker::Impl::SourceBeside(const instar_transfer& step, const instar_transfer& following) {
  if (following.kind != step.kind || following.target != step.target ||
      following.zero_run_bytes != step.zero_run_bytes ||
      !Target(DeviceId{following.target}, following.target_offset + following.length)) {
    return nullptr;
  }
  const auto source = Source(DeviceId{following.source});
  if (!source || (*source)->is_stream() || (*source)->direct_fd.get() >= 0) return nullptr;
  return *source;
}

CallResult Broker::Impl::Transfer(Worker& worker, const TransferListRequest& request) {
  if (request.zeroed_bytes > limits_.max_disk_file_bytes) return Violate(kTooMuchZeroed);
  for (auto rest = request.list; !rest.empty();) {
    if (violation() != nullptr || worker.meter.stopped()) {
      return Refused(ErrorCode::kInvalidArgument);
    }
    instar_transfer step;
    rest = rest.subspan(MergeSteps(rest, step));
    if (step.length == 0) continue;
    const DeviceId target_id{step.target};
    const auto found = Target(target_id, step.target_offset + step.length);
    if (!found) return found.error();
    Device& target = **found;
    target.unsynced.store(true, std::memory_order_relaxed);
    const BulkFile bulk = target.Bulk(target_id, worker.meter.stop());
    if (step.kind == INSTAR_TRANSFER_ZERO || step.kind == INSTAR_TRANSFER_DISCARD) {
      const IoResult result = step.kind == INSTAR_TRANSFER_ZERO
                                  ? worker.bulk.Zero(bulk, step.target_offset, step.length)
                                  : worker.bulk.Discard(bulk, step.target_offset, step.length);
      if (!result.ok()) return Failed("write", target, result);
      continue;
    }
    const DeviceId source_id{step.source};
    const auto source = Source(source_id);
    if (!source) return source.error();
    const auto copy_of = [&](const instar_transfer& what, Device& from) {
      return BulkCopy{
          .source = from.Bulk(DeviceId{what.source}, worker.meter.stop()),
          .target = bulk,
          .source_offset = what.source_offset,
          .target_offset = what.target_offset,
          .length = what.length,
          .zero_run_bytes = what.kind == INSTAR_TRANSFER_COPY_SPARSE ? what.zero_run_bytes : 0,
          .share_blocks = MayShare(target, what)};
    };
    BulkCopy copy = copy_of(step, **source);
    BulkCopy next;
    if (instar_transfer following; bulk.in_memory && !rest.empty()) {
      MergeSteps(rest, following);
      if (Device* const from = SourceBeside(step, following); from != nullptr) {
        next = copy_of(following, *from);
        copy.next = &next;
      }
    }
    const IoResult result = worker.bulk.Copy(copy);
    if (result.ok()) continue;
    return result.on_target ? Failed("write", target, result) : Failed("read", **source, result);
  }
  return kDone;
}

CallResult Broker::Impl::ScanZero(Worker& worker, const ScanZeroRequest& request) {
  worker.bulk.BeginScan();
  BitWriter bits(request.bitmap);
  for (const instar_range& range : request.list) {
    const DeviceId id{range.device};
    const auto device = Source(id);
    if (!device) return device.error();
    const IoResult result = worker.bulk.Scan((*device)->Bulk(id, worker.meter.stop()), range.offset,
                                             range.length, request.unit_bytes, bits);
    if (!result.ok()) return Failed("read", **device, result);
  }
  return kDone;
}

CallResult Broker::Impl::NextRuns(Worker& worker, const NextRunsRequest& request) {
  const auto device = Source(request.device);
  if (!device) return device.error();
  if ((*device)->input != nullptr) {
    instar_run run{};
    const IoResult result = (*device)->input->Fetch(request.offset, request.max_length, run.length);
    if (!result.ok()) return Failed("read", **device, result);
    // Who fills the pipe may take its time, also with its end.
    worker.meter.Forgive();
    if (run.length == 0) return kDone;
    worker.meter.NoteReceived(run.length);
    std::memcpy(request.reply.data(), &run, sizeof(run));
    return {.result = 1};
  }
  std::uint64_t offset = request.offset;
  std::uint64_t left = request.max_length;
  std::uint64_t count = 0;
  std::uint64_t data = 0;
  instar_run last{};
  while (left != 0 && data < kEnoughData && !worker.meter.stopped() &&
         (count + 1) * sizeof(instar_run) <= request.reply.size()) {
    const RunOfFile found =
        (*device)->FindUnits(offset, left, request.unit_bytes, count != 0 && last.hole != 0);
    instar_run run = {.length = found.length, .hole = found.hole ? 1u : 0u, .reserved = 0};
    if (!found.hole) data += run.length;
    worker.meter.NoteRead(WorkLedger::kRunBytes);
    offset += run.length;
    left -= run.length;
    // What ends with a unit may go on.
    if (count != 0 && run.hole == last.hole) {
      run.length += last.length;
      --count;
    }
    std::memcpy(request.reply.data() + count * sizeof(run), &run, sizeof(run));
    last = run;
    ++count;
  }
  return {.result = static_cast<std::int64_t>(count)};
}

CallResult Broker::Impl::Compare(Worker& worker, const CompareRequest& request) {
  const DeviceId id_a{request.a.device};
  const DeviceId id_b{request.b.device};
  const auto a = Source(id_a);
  if (!a) return a.error();
  const auto b = Source(id_b);
  if (!b) return b.error();
  std::optional<std::uint64_t> difference;
  const IoResult result = worker.bulk.Compare(
      (*a)->Bulk(id_a, worker.meter.stop()), request.a.offset,
      (*b)->Bulk(id_b, worker.meter.stop()), request.b.offset, request.a.length, difference);
  if (!result.ok()) return Failed("read", result.on_target ? **b : **a, result);
  if (!difference) return kDone;
  return {.result = 1, .value = *difference};
}

CallResult Broker::Impl::Emit(Worker& worker, const EmitRequest& request) {
  const std::lock_guard lock(report_mutex_);
  switch (record_sink_ ? record_sink_(request.records) : report_.Accept(request.records)) {
    case RecordVerdict::kAccepted:
      // Whoever takes the records may be slow. That there are some shows nothing.
      if (!request.records.empty()) worker.meter.Forgive();
      return kDone;
    case RecordVerdict::kMalformed:
      return Violate(kMalformedReport);
    case RecordVerdict::kOverLimit:
      NoteFailure(absl::StrFormat("'%s': the report on it is larger than any image needs",
                                  PrintableText(device(DeviceId{0}).path)));
      return Refused(ErrorCode::kLimit);
  }
  return Refused(ErrorCode::kInvalidArgument);
}

CallResult Broker::Impl::Progress(Worker& worker, const ProgressRequest& request) {
  if (progress_.Report(request.done, request.total)) worker.meter.Forgive();
  return kDone;
}

}  // namespace instar::vmm
