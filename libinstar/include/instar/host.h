// What a planner asks of the world. The sandbox implements it over the call table; a program that
// embeds the pure library implements it over its own storage (see docs/embedding.md).
#ifndef INSTAR_HOST_H_
#define INSTAR_HOST_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "formats/base/block_device.h"
#include "formats/base/error.h"
#include "formats/base/ids.h"

namespace instar {

struct DeviceInfo {
  std::uint64_t size_bytes = 0;
  bool writable = false;
  bool fresh_reads_zero = false;  // see TargetDevice::fresh_reads_zero
  bool block_device = false;      // a device node: its length cannot change
  // A pipe. One that is written takes what follows what it has; what is left out between two writes
  // comes out as zeros, and so does what Resize adds at the end. One that is read has a length that
  // nobody knows: NextRuns at the end of what was read so far fetches the next run, or none at the
  // end, and a copy takes from that run only.
  bool sequential = false;
  bool direct = false;  // what is read is not kept by the host: a second time takes as long
  bool shares = false;  // all that was copied into it last shares blocks with its source, no byte
                        // was moved
  bool unflushed = false;  // to flush it does nothing: its content need not outlive the machine
  std::uint64_t allocated_bytes = 0;  // of storage the file occupies; 0 where that is not known
};

struct ReadRequest {
  DeviceId device;
  std::uint64_t offset = 0;
  std::span<std::byte> out;  // bytes beyond the end of the file read as zeros
};

struct WriteRequest {
  DeviceId device;
  std::uint64_t offset = 0;
  std::span<const std::byte> data;
};

// One step of moving bulk data, carried out by the host without the bytes entering the planner's
// memory.
struct TransferStep {
  enum class Kind : std::uint32_t {
    kCopy = 1,        // source -> target, every byte written
    kCopySparse = 2,  // as kCopy, but units of `zero_run_bytes` that are all zeros are not written
                      // (the target reads zeros); the first one begins where the step begins
    kZero = 3,        // target reads as zeros afterwards
    kDiscard = 4,     // target's content no longer matters
  };
  Kind kind = Kind::kCopy;
  DeviceId source = kNoDevice;
  std::uint64_t source_offset = 0;
  DeviceId target = kNoDevice;
  std::uint64_t target_offset = 0;
  std::uint64_t length_bytes = 0;
  std::uint64_t zero_run_bytes = 0;  // kCopySparse: power of two, 512 to 2 MiB
};

struct ScanRange {
  DeviceId device = kNoDevice;
  std::uint64_t offset = 0;
  std::uint64_t length_bytes = 0;
};

// Most entries one vectored call may carry; planners split longer lists.
inline constexpr std::size_t kMaxHostList = 4096;

// The largest unit of a ScanZero that is always read whole.
inline constexpr std::uint64_t kScannedWhole = 4096;
// Of what a ScanZero reads, so many bytes of data are kept for the Transfer that follows.
inline constexpr std::uint64_t kScanKeptBytes = 8 << 20;
// Units from this on a ScanZero mostly tells by their first bytes, without reading all of them.
inline constexpr std::uint64_t kProbedUnitBytes = 16 << 10;

// All calls may be made from any worker at once.
class Host {
 public:
  virtual ~Host() = default;

  virtual Result<DeviceInfo> Info(DeviceId device) = 0;

  // Opens the file that the image on `parent` names. Policy decides; kDenied and kNotFound say no.
  virtual Result<DeviceId> OpenReference(DeviceId parent, std::string_view name,
                                         ReferenceRole role) = 0;

  virtual Status Resize(DeviceId device, std::uint64_t size_bytes, Preallocation preallocation) = 0;
  virtual Status Flush(DeviceId device) = 0;

  // As TargetDevice's functions of these names.
  virtual Status WriteRoot(DeviceId device, std::uint64_t offset, std::span<const std::byte> data) {
    const WriteRequest request{.device = device, .offset = offset, .data = data};
    INSTAR_TRY(Write({&request, 1}));
    return Flush(device);
  }
  virtual Status ResizeRoot(DeviceId device, std::uint64_t size_bytes,
                            Preallocation preallocation) {
    INSTAR_TRY(Resize(device, size_bytes, preallocation));
    return Flush(device);
  }

  virtual Status Read(std::span<const ReadRequest> requests) = 0;
  virtual Status Write(std::span<const WriteRequest> requests) = 0;

  // Carries out the steps, in any order and overlapped; returns when all are done. On an error some
  // may be.
  virtual Status Transfer(std::span<const TransferStep> steps) = 0;

  // For each range in turn and each `unit_bytes` of it (the last may be short), one bit of
  // `bitmap`, lowest bit of the first word first: 1 if all bytes are zero. A range starts at the
  // next free bit, not at a new word. The host keeps what it read, up to kScanKeptBytes, for a
  // Transfer by the same worker that follows. Units of up to kScannedWhole bytes are read to their
  // end, so that success means that they can be read; of a larger one no more need be than shows
  // that it holds data.
  virtual Status ScanZero(std::span<const ScanRange> ranges, std::uint64_t unit_bytes,
                          std::span<std::uint64_t> bitmap) = 0;

  // The runs of data and hole that follow one another from `offset` on, as many as `runs` (not
  // empty) has room for and `max_length` bytes hold, or fewer; how many, at least 1. From where
  // data is found on, its unit of the file of `unit_bytes` (a power of two; 1 to know exactly) is
  // told as data to its end.
  virtual Result<std::size_t> NextRuns(DeviceId device, std::uint64_t offset,
                                       std::uint64_t max_length, std::uint64_t unit_bytes,
                                       std::span<FileRun> runs) = 0;

  // Offset within the ranges of the first byte that differs, or nothing.
  virtual Result<std::optional<std::uint64_t>> Compare(const ScanRange& a, const ScanRange& b) = 0;

  // Hands one batch of encoded records to whoever started the operation.
  virtual Status Emit(std::span<const std::byte> records) = 0;

  virtual Status Progress(std::uint64_t done, std::uint64_t total) = 0;

  // Workers Parallel can run at once; at least 1.
  [[nodiscard]] virtual unsigned max_workers() const = 0;

  // Runs function(argument, w) for w in [0, workers) at once and returns when all have returned.
  // workers is at most max_workers(). Not reentrant.
  virtual Status Parallel(unsigned workers, void (*function)(void* argument, unsigned worker),
                          void* argument) = 0;

  // For a worker that waits for another to get on: gives the processor away until another worker
  // has made a call, or for a millisecond. May return at once.
  virtual void Yield() {}
};

// A device of the host seen as a BlockDevice; `host` must outlive it.
class HostDevice final : public TargetDevice {
 public:
  // The device must exist: asks the host for its size once.
  static Result<HostDevice> Open(Host& host, DeviceId id);

  [[nodiscard]] DeviceId id() const override { return id_; }
  // As the host said, and as long as what was written through this object made it.
  [[nodiscard]] std::uint64_t size_bytes() const override {
    return std::atomic_ref(info_.size_bytes).load(std::memory_order_relaxed);
  }
  // Reads the first kHeadBytes and the last kTailBytes with one request, out of which all later
  // reads within them are served: for devices that nobody writes through this object.
  Status KeepEnds();
  static constexpr std::size_t kHeadBytes = 4096;
  static constexpr std::size_t kTailBytes = 512;
  Status Read(std::uint64_t offset, std::span<std::byte> out) const override;
  Status ReadAll(std::span<const ReadPiece> pieces) const override;
  Status Write(std::uint64_t offset, std::span<const std::byte> data) override;
  Status WriteAll(std::span<const WritePiece> pieces) override;
  Result<std::size_t> NextRuns(std::uint64_t offset, std::uint64_t max_length,
                               std::span<FileRun> runs) const override;
  // From now on NextRuns tells data in whole units of the file, as Host::NextRuns does.
  void TellDataInUnits(std::uint64_t unit_bytes) { data_unit_bytes_ = unit_bytes; }
  Status Resize(std::uint64_t size_bytes, Preallocation preallocation) override;
  Status Flush() override;
  Status Zero(std::uint64_t offset, std::uint64_t length) override;
  Status WriteRoot(std::uint64_t offset, std::span<const std::byte> data) override;
  Status ResizeRoot(std::uint64_t size_bytes, Preallocation preallocation) override;
  Status Discard(std::uint64_t offset, std::uint64_t length) override;
  Status DiscardAll(std::span<const ByteRange> ranges) override;
  [[nodiscard]] bool has_fixed_length() const override { return info_.block_device; }
  [[nodiscard]] bool fresh_reads_zero() const override { return info_.fresh_reads_zero; }
  [[nodiscard]] bool appends_only() const override { return info_.sequential; }
  [[nodiscard]] const DeviceInfo& info() const { return info_; }

 private:
  void NoteEnd(std::uint64_t end);
  HostDevice(Host& host, DeviceId id, const DeviceInfo& info)
      : host_(&host), id_(id), info_(info) {}
  Host* host_;
  DeviceId id_;
  mutable DeviceInfo info_;  // its length may change while other workers ask for it
  std::uint64_t data_unit_bytes_ = 1;
  std::vector<std::byte> head_;  // empty: not kept
  std::vector<std::byte> tail_;
};

}  // namespace instar

#endif  // INSTAR_HOST_H_
