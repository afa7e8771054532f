// What the broker does for a guest to targets as a whole: their lengths, flushes, and the roots by
// which changes in place take effect (edited_files.h).
#include <absl/strings/str_format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <optional>

#include "broker/broker_impl.h"
#include "broker/call_results.h"
#include "io/root_writing.h"
#include "report/printable_text.h"

namespace instar::vmm {
namespace {

// To cut a large file short can take a file system seconds. Honest code sets a target's length a
// few times; the time of more than that counts.
constexpr unsigned kForgivenResizes = 16;

}  // namespace

CallResult Broker::Impl::Resize(Worker& worker, const ResizeRequest& request) {
  const auto found = Target(request.device, request.size_bytes);
  if (!found) return found.error();
  Device& device = **found;
  if (device.output != nullptr) {
    const IoResult result =
        worker.bulk.Append(device.Bulk(request.device, worker.meter.stop()), request.size_bytes);
    return result.ok() ? kDone : Failed("write", device, result);
  }
  if (device.block_device) {
    if (request.size_bytes <= device.block_device_bytes) return kDone;
    NoteFailure(absl::StrFormat("Could not resize '%s': Cannot grow device files",
                                PrintableText(device.path)));
    return Refused(ErrorCode::kNoSpace);
  }
  const std::uint64_t old_bytes = device.SizeBytes();
  // An empty file that is truncated all the same ext4 takes for one that is written anew, and
  // writes all of it to the disk when it is closed.
  if (request.size_bytes == 0 && old_bytes == 0) return kDone;
  while (ftruncate(device.fd.get(), static_cast<off_t>(request.size_bytes)) != 0) {
    if (errno == EINTR) continue;
    return Failed("resize", device, {.os_errno = errno, .offset = request.size_bytes});
  }
  device.unsynced.store(true, std::memory_order_relaxed);
  if (device.resizes.fetch_add(1, std::memory_order_relaxed) < kForgivenResizes) {
    worker.meter.Forgive();
  }
  if (request.preallocation == Preallocation::kOff || request.size_bytes <= old_bytes) return kDone;
  const IoResult result = worker.bulk.Extend(
      device.Bulk(request.device, worker.meter.stop()), old_bytes, request.size_bytes - old_bytes,
      /*write=*/request.preallocation == Preallocation::kFull);
  return result.ok() ? kDone : Failed("write", device, result);
}

bool Broker::Impl::IsNeededFlush(Device& device) {
  // To flush again what nothing was written to is no work that honest code has to wait for. After
  // some flushes, which may follow on old places written anew, nor is one without anything new.
  constexpr unsigned kFreeFlushes = 64;
  return device.unsynced.exchange(false, std::memory_order_relaxed) &&
         (device.flushes.fetch_add(1, std::memory_order_relaxed) < kFreeFlushes ||
          ledger_.fresh() > device.fresh_at_flush.load(std::memory_order_relaxed));
}

void Broker::Impl::NoteFlushed(Worker& worker, Device& device, bool needed) {
  if (needed) worker.meter.Forgive();
  device.fresh_at_flush.store(ledger_.fresh(), std::memory_order_relaxed);
}

CallResult Broker::Impl::Flush(Worker& worker, const FlushRequest& request) {
  const auto found = Target(request.device, 0);
  if (!found) return found.error();
  Device& device = **found;
  if (device.unflushed()) return kDone;
  const bool needed = IsNeededFlush(device);
  if (fdatasync(device.fd.get()) == 0) {
    NoteFlushed(worker, device, needed);
    return kDone;
  }
  return Failed("flush", device, {.os_errno = errno});
}

template <typename Flip>
std::optional<IoResult> Broker::Impl::Flipping(Worker& worker, Device& device, const Flip& flip) {
  if (worker.meter.stopped()) return std::nullopt;
  // Before the flip is begun: whoever hears of it will not undo it.
  if (flip_notice_) flip_notice_();
  if (!edited_.BeginFlip()) return std::nullopt;
  device.unsynced.store(true, std::memory_order_relaxed);
  const bool needed = IsNeededFlush(device);
  EditedFiles::FlipEnd end = EditedFiles::FlipEnd::kDone;
  const IoResult result = flip(end);
  edited_.EndFlip(end);
  if (result.ok()) NoteFlushed(worker, device, needed);
  return result;
}

CallResult Broker::Impl::WriteRoot(Worker& worker, const WriteRootRequest& request) {
  const auto found = Target(request.device, request.offset + request.data.size());
  if (!found) return found.error();
  Device& device = **found;
  if (device.is_stream()) return Refused(ErrorCode::kInvalidArgument);
  const IoFile file = device.Bulk(request.device, worker.meter.stop()).io;
  const auto result = Flipping(worker, device, [&](EditedFiles::FlipEnd& end) {
    const IoResult written =
        WriteRootBytes(file, request.offset, request.data, !device.unflushed());
    if (!written.ok()) end = EditedFiles::FlipEnd::kDoubtful;
    return written;
  });
  if (!result) return Refused(ErrorCode::kIo, ECANCELED);
  return result->ok() ? kDone : Failed("write", device, *result);
}

CallResult Broker::Impl::ResizeRoot(Worker& worker, const ResizeRequest& request) {
  const auto found = Target(request.device, request.size_bytes);
  if (!found) return found.error();
  Device& device = **found;
  if (device.is_stream() || device.block_device) return Refused(ErrorCode::kInvalidArgument);
  const BulkFile bulk = device.Bulk(request.device, worker.meter.stop());
  const std::uint64_t old_bytes = device.SizeBytes();
  const std::uint64_t growth = request.size_bytes > old_bytes ? request.size_bytes - old_bytes : 0;
  const bool reserve = request.preallocation != Preallocation::kOff && growth != 0;
  // Whether there is room shows before anything changes.
  bool reserved = false;
  if (reserve) {
    reserved = ReserveBehindEnd(bulk.io, old_bytes, growth);
    if (!reserved && errno != EOPNOTSUPP && errno != ENOSYS) {
      return Failed("resize", device, {.os_errno = errno, .offset = request.size_bytes});
    }
    if (device.resizes.fetch_add(1, std::memory_order_relaxed) < kForgivenResizes) {
      worker.meter.Forgive();
    }
  }
  const auto result = Flipping(worker, device, [&](EditedFiles::FlipEnd& end) {
    const IoResult set = SetLengthAsRoot(bulk.io, request.size_bytes, !device.unflushed());
    if (!set.ok()) {
      end = device.SizeBytes() == old_bytes ? EditedFiles::FlipEnd::kNothingDone
                                            : EditedFiles::FlipEnd::kDoubtful;
    }
    return set;
  });
  if (!result) return Refused(ErrorCode::kIo, ECANCELED);
  if (!result->ok()) return Failed("resize", device, *result);
  const bool write = request.preallocation == Preallocation::kFull;
  if (!reserve || (reserved && !write)) return kDone;
  const IoResult zeroed = worker.bulk.Extend(bulk, old_bytes, growth, write);
  if (!zeroed.ok()) return Failed("write", device, zeroed);
  if (!device.unflushed() && fdatasync(device.fd.get()) != 0) {
    return Failed("flush", device, {.os_errno = errno});
  }
  return kDone;
}

}  // namespace instar::vmm
