// BulkWorker: what only reads.
#include <algorithm>
#include <cerrno>

#include "instar/host.h"
#include "io/bulk_worker.h"
#include "io/zero_scan.h"

namespace instar::vmm {
namespace {

constexpr IoResult kStopped = {.os_errno = ECANCELED};

// Shorter units are read as they come: a request costs as much as they do, and the guest may count
// on it (kScannedWhole).
constexpr std::uint64_t kWorthProbing = kProbedUnitBytes;
static_assert(kWorthProbing > kScannedWhole && kWorthProbing >= 4 * HeadProbe::kBytes);

// Cuts a range into units and keeps, over pieces of any size, whether the unit at hand is zero.
class UnitScanner {
 public:
  UnitScanner(std::uint64_t length, std::uint64_t unit, BitWriter& bits)
      : remaining_(length), unit_(unit), left_in_unit_(std::min(unit, length)), bits_(bits) {}

  void Zeros(std::uint64_t length) {
    // To the end of the unit at hand, then whole units at once, then the start of another.
    const std::uint64_t head = std::min(length, left_in_unit_);
    Step(head);
    length -= head;
    const std::uint64_t units = length / unit_;
    if (units > 0) {
      bits_.Append(true, units);
      remaining_ -= units * unit_;
      left_in_unit_ = std::min(unit_, remaining_);
      length -= units * unit_;
    }
    Step(length);
  }

  // Bytes of the unit at hand, not all of them zeros.
  void Data(std::uint64_t length) {
    zero_so_far_ = false;
    Step(length);
  }

  // Whether any unit they belong to holds data.
  bool Bytes(std::span<const std::byte> bytes) {
    bool data = false;
    while (!bytes.empty()) {
      const std::size_t step = std::min<std::uint64_t>(bytes.size(), left_in_unit_);
      if (zero_so_far_ && !IsZero(bytes.first(step))) zero_so_far_ = false;
      data = data || !zero_so_far_;
      Step(step);
      bytes = bytes.subspan(step);
    }
    return data;
  }

  [[nodiscard]] std::uint64_t left_in_unit() const { return left_in_unit_; }
  // Whether the unit at hand is known to hold data.
  [[nodiscard]] bool settled() const { return !zero_so_far_; }
  [[nodiscard]] bool at_unit_start() const { return left_in_unit_ == std::min(unit_, remaining_); }
  [[nodiscard]] bool last_was_zero() const { return last_was_zero_; }

 private:
  void Step(std::uint64_t length) {
    if (length == 0) return;
    left_in_unit_ -= length;
    remaining_ -= length;
    if (left_in_unit_ > 0) return;
    bits_.Append(zero_so_far_, 1);
    last_was_zero_ = zero_so_far_;
    zero_so_far_ = true;
    left_in_unit_ = std::min(unit_, remaining_);
  }

  std::uint64_t remaining_;
  const std::uint64_t unit_;
  std::uint64_t left_in_unit_;
  bool zero_so_far_ = true;
  bool last_was_zero_ = false;
  BitWriter& bits_;
};

}  // namespace

bool BulkWorker::ProbeForData(const BulkFile& file, std::uint64_t offset) {
  meter_.NoteRead(HeadProbe::kBytes);
  return probe_.FindsData(file.io, file.key, offset);
}

IoResult BulkWorker::Scan(const BulkFile& file, std::uint64_t offset, std::uint64_t length,
                          std::uint64_t unit, BitWriter& bits) {
  UnitScanner scanner(length, unit, bits);
  while (length > 0) {
    if (meter_.stopped()) return kStopped;
    std::uint64_t piece = std::min<std::uint64_t>(length, kPieceBytes);
    if (file.stable) {
      const RunOfFile run = runs_.Find(file.key, file.io.fd, file.runs, offset, length);
      if (run.hole) {
        meter_.NoteRead(WorkLedger::kRunBytes);
        scanner.Zeros(run.length);
        offset += run.length;
        length -= run.length;
        continue;
      }
      // Of a large unit that holds data, nothing more is read than what shows that.
      const std::uint64_t left = scanner.left_in_unit();
      const bool worth_probing =
          left >= kWorthProbing && scanner.at_unit_start() && !scanner.last_was_zero();
      if ((unit >= kWorthProbing && scanner.settled()) ||
          (worth_probing && ProbeForData(file, offset))) {
        scanner.Data(left);
        offset += left;
        length -= left;
        continue;
      }
      piece = std::min(piece, run.length);
    }
    std::span<std::byte> memory;
    if (file.stable) memory = cache_.Reserve(piece);
    const bool keep = !memory.empty();
    if (!keep) memory = staging_.Get().first(std::min<std::size_t>(staging_.Get().size(), piece));
    if (memory.size() < piece) return {.os_errno = ENOMEM, .offset = offset};
    const PartialRead read = ReadUpToEnd(file.io, offset, memory);
    if (!read.result.ok()) return read.result;
    meter_.NoteRead(read.bytes);
    if (read.bytes == 0) {
      scanner.Zeros(length);  // beyond the end
      break;
    }
    const std::span<const std::byte> bytes = memory.first(read.bytes);
    const bool data = scanner.Bytes(bytes);
    if (data && keep) cache_.Keep(file.key, offset, bytes);
    offset += read.bytes;
    length -= read.bytes;
  }
  return {};
}

IoResult BulkWorker::Compare(const BulkFile& a, std::uint64_t offset_a, const BulkFile& b,
                             std::uint64_t offset_b, std::uint64_t length,
                             std::optional<std::uint64_t>& difference) {
  const std::span<std::byte> staging = staging_.Get();
  if (staging.size() < 2 * kPieceBytes) return {.os_errno = ENOMEM, .offset = offset_a};
  std::uint64_t done = 0;
  while (done < length) {
    if (meter_.stopped()) return kStopped;
    const std::size_t piece = std::min<std::uint64_t>(length - done, kPieceBytes);
    const std::span<std::byte> left = staging.first(piece);
    const std::span<std::byte> right = staging.subspan(kPieceBytes, piece);
    const PartialRead read_a = ReadUpToEnd(a.io, offset_a + done, left);
    if (!read_a.result.ok()) return read_a.result;
    PartialRead read_b = ReadUpToEnd(b.io, offset_b + done, right);
    if (!read_b.result.ok()) {
      // Of the two files, b: the caller tells them apart by this flag.
      read_b.result.on_target = true;
      return read_b.result;
    }
    if (read_a.bytes == 0 && read_b.bytes == 0) break;  // both at their end
    std::ranges::fill(left.subspan(read_a.bytes), std::byte{0});
    std::ranges::fill(right.subspan(read_b.bytes), std::byte{0});
    meter_.NoteRead(read_a.bytes + read_b.bytes);
    if (const auto index = FirstDifference(left, right)) {
      difference = done + *index;
      return {};
    }
    done += piece;
  }
  return {};
}

}  // namespace instar::vmm
