// A file of a program that a crash may end at any moment: it keeps what was asked of it, step by
// step, so that crash_states.h can tell what may be on the disk afterwards.
//
// What the program reads is always what it wrote last. What is on the disk is only sure after a
// flush of that file. Several files share one Recording, in which their steps stand in the order in
// which they were made; each file has its flushes for itself.
//
// A Recording can also disturb the run: leave out a flush, write where nothing may be written, let
// calls fail. With those a proof shows that it would find the mistake.
//
// Not thread-safe.
#ifndef TESTS_CRASH_CRASH_DEVICE_H_
#define TESTS_CRASH_CRASH_DEVICE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "crash/sparse_file.h"
#include "formats/base/block_device.h"

namespace instar::crash {

inline constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

struct Step {
  enum class Kind : std::uint8_t {
    kWrite,
    kZero,
    kDiscard,
    kResize,
    kFlush,
    kRoot,  // a write that is on the disk when the call returns, unlike what was written before
  };
  Kind kind = Kind::kWrite;
  unsigned file = 0;         // as Recording::Attach numbers them
  std::uint64_t offset = 0;  // kResize: the length
  std::uint64_t length = 0;
  std::shared_ptr<const std::vector<std::byte>> data;  // kWrite, kRoot
  bool root = false;  // was asked for as the write of a root: it is whole, or not there

  [[nodiscard]] std::string Describe() const;
};

// Does what `step` does to `file`. What was discarded becomes `discarded`.
void Apply(const Step& step, SparseFile& file, std::byte discarded = std::byte{0xD5});

// What is done to a run.
struct Disturbance {
  bool no_flushes = false;          // none reaches the disk
  std::size_t lost_flush = kNever;  // the number of one that does not; those of roots count, too

  // After the write to file 0 with this number, other bytes are written to `stray_offset` of it.
  std::size_t stray_after = kNever;
  std::uint64_t stray_offset = 0;
  std::uint64_t stray_bytes = 0;

  // The call with this number (all calls that change anything count, but not the steps of one
  // WriteAll) fails, and with `fails_for_ever` those behind it.
  std::size_t failing_call = kNever;
  bool fails_for_ever = false;
  bool half_done = false;  // the first half of what was asked is done
  ErrorCode error = ErrorCode::kIo;
  std::size_t failing_read = kNever;  // the number of one read that fails

  std::byte discarded{0xD5};  // what the program reads where it has discarded
};

class Recording {
 public:
  Recording() = default;
  explicit Recording(const Disturbance& disturbance) : disturbance_(disturbance) {}

  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }
  // Calls, flushes, writes to file 0 and reads of the run; Disturbance counts them from 0.
  [[nodiscard]] std::size_t calls() const { return calls_; }
  [[nodiscard]] std::size_t flushes() const { return flushes_; }
  [[nodiscard]] std::size_t writes() const { return writes_; }
  [[nodiscard]] std::size_t reads() const { return reads_; }
  // Flushes without which nothing would be otherwise: nothing was done to their file since the
  // last, or what was written stood there before; or it is not file 0 and has only become longer,
  // and what is missing at its end reads as zeros.
  [[nodiscard]] const std::vector<std::size_t>& idle_flushes() const { return idle_flushes_; }
  [[nodiscard]] const std::vector<std::size_t>& length_flushes() const { return length_flushes_; }
  // Whether a call was made to fail that had to do with a root.
  [[nodiscard]] bool root_failed() const { return root_failed_; }
  // The files as they were before the first step.
  [[nodiscard]] const std::vector<SparseFile>& start() const { return start_; }

 private:
  friend class CrashDevice;

  std::vector<Step> steps_;
  std::vector<SparseFile> start_;
  enum class Change : std::uint8_t { kNone, kLonger, kOther };
  std::vector<Change> changes_;  // of the file, since its last flush
  std::vector<std::size_t> idle_flushes_;
  std::vector<std::size_t> length_flushes_;
  Disturbance disturbance_;
  std::size_t calls_ = 0;
  std::size_t flushes_ = 0;
  std::size_t writes_ = 0;
  std::size_t reads_ = 0;
  bool root_failed_ = false;
};

class CrashDevice final : public TargetDevice {
 public:
  // `recording` must outlive this. `fixed_length`: it is a disk, whose length is what it is.
  CrashDevice(SparseFile file, DeviceId id, Recording& recording, bool fixed_length = false);

  [[nodiscard]] const SparseFile& file() const { return file_; }

  [[nodiscard]] DeviceId id() const override { return id_; }
  [[nodiscard]] std::uint64_t size_bytes() const override { return file_.size_bytes(); }
  Status Read(std::uint64_t offset, std::span<std::byte> out) const override;
  Result<std::size_t> NextRuns(std::uint64_t offset, std::uint64_t max_length,
                               std::span<FileRun> runs) const override;
  Status Write(std::uint64_t offset, std::span<const std::byte> data) override;
  Status WriteAll(std::span<const WritePiece> pieces) override;
  Status Resize(std::uint64_t size_bytes, Preallocation preallocation) override;
  Status Flush() override;
  Status Zero(std::uint64_t offset, std::uint64_t length) override;
  Status WriteRoot(std::uint64_t offset, std::span<const std::byte> data) override;
  Status ResizeRoot(std::uint64_t size_bytes, Preallocation preallocation) override;
  Status Discard(std::uint64_t offset, std::uint64_t length) override;
  [[nodiscard]] bool has_fixed_length() const override { return fixed_length_; }
  [[nodiscard]] bool fresh_reads_zero() const override { return false; }

 private:
  // Whether [offset, offset + length) is there to be written.
  [[nodiscard]] bool HasRoom(std::uint64_t offset, std::uint64_t length) const {
    return !fixed_length_ || offset + length <= file_.size_bytes();
  }
  // Counts a call; whether it is to fail.
  bool Fails();
  [[nodiscard]] std::unexpected<Error> Failure() const;
  void Record(Step step);
  // What the step does to the file as it is.
  [[nodiscard]] Recording::Change ChangeBy(const Step& step) const;
  void RecordWrite(std::uint64_t offset, std::span<const std::byte> data);
  // Counts a flush; whether it reaches the disk.
  bool FlushCounts();

  SparseFile file_;
  const DeviceId id_;
  Recording& recording_;
  const unsigned number_;
  const bool fixed_length_;
};

// A file that is only read.
class ReadOnlyDevice final : public BlockDevice {
 public:
  ReadOnlyDevice(const SparseFile& file, DeviceId id) : file_(file), id_(id) {}
  [[nodiscard]] DeviceId id() const override { return id_; }
  [[nodiscard]] std::uint64_t size_bytes() const override { return file_.size_bytes(); }
  Status Read(std::uint64_t offset, std::span<std::byte> out) const override {
    file_.Read(offset, out);
    return {};
  }
  Status Write(std::uint64_t, std::span<const std::byte>) override {
    return MakeError(ErrorCode::kDenied, "this file is only read");
  }
  Result<std::size_t> NextRuns(std::uint64_t offset, std::uint64_t max_length,
                               std::span<FileRun> runs) const override {
    runs.front() = file_.NextRun(offset, max_length);
    return std::size_t{1};
  }

 private:
  const SparseFile& file_;
  const DeviceId id_;
};

inline constexpr std::uint64_t kSectorBytes = 512;

// Does of a write or of zeros those sectors of the disk alone for which `sectors(index within the
// step)` is true.
template <typename Sectors>
void ApplyPart(const Step& step, SparseFile& file, const Sectors& sectors) {
  std::uint64_t done = 0;
  for (std::uint64_t i = 0; done < step.length; ++i) {
    const std::uint64_t at = step.offset + done;
    const std::uint64_t part = std::min(step.length - done, kSectorBytes - at % kSectorBytes);
    if (sectors(i)) {
      if (step.data != nullptr) {
        file.Write(at, std::span(*step.data).subspan(done, part));
      } else {
        file.Zero(at, part);
      }
    }
    done += part;
  }
}

}  // namespace instar::crash

#endif  // TESTS_CRASH_CRASH_DEVICE_H_
