// The verb `check`: hands the image to its format's checker and tells what that finds.
#include "formats/check.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <string_view>

#include "disk/host_workers.h"
#include "formats/base/checked.h"
#include "formats/base/formats.h"
#include "formats/base/stored_bytes.h"
#include "formats/repair.h"
#include "instar/chain.h"
#include "instar/records.h"
#include "instar/result_records.h"
#include "instar/verbs.h"

namespace instar {
namespace {

// Lets the host see that a long check goes on. Any worker may give a sign; one that another worker
// is just giving is as good.
class Heartbeat {
 public:
  explicit Heartbeat(RecordWriter& report) : report_(report) {}

  // At once: signs that wait for others to fill a report would come too late. Findings are told
  // while no other worker reads.
  Status Give(std::uint64_t bytes_read) {
    if (giving_.test_and_set(std::memory_order_acquire)) return {};
    Tell(report_, ReadingRecord{.bytes = bytes_read});
    const Status given = report_.Finish();
    giving_.clear(std::memory_order_release);
    return given;
  }

 private:
  RecordWriter& report_;
  std::atomic_flag giving_;
};

// The image, with a look at how much is read of it. Honest metadata is read a few times at most; a
// small hostile image can make the same tables be read for ever.
class ReadBudgetDevice final : public BlockDevice {
 public:
  ReadBudgetDevice(Host& host, const HostDevice& device, Heartbeat& signs)
      : host_(host), device_(device), signs_(signs) {}

  [[nodiscard]] std::uint64_t bytes_read() const { return read_.load(std::memory_order_relaxed); }

  [[nodiscard]] DeviceId id() const override { return device_.id(); }
  [[nodiscard]] std::uint64_t size_bytes() const override { return device_.size_bytes(); }
  Status Read(std::uint64_t offset, std::span<std::byte> out) const override {
    INSTAR_TRY(Count(out.size()));
    return device_.Read(offset, out);
  }
  Status ReadAll(std::span<const ReadPiece> pieces) const override {
    for (const ReadPiece& piece : pieces) INSTAR_TRY(Count(piece.out.size()));
    return device_.ReadAll(pieces);
  }
  Status Write(std::uint64_t, std::span<const std::byte>) override {
    return MakeError(ErrorCode::kDenied, "check changes nothing");
  }
  Result<std::size_t> NextRuns(std::uint64_t offset, std::uint64_t max_length,
                               std::span<FileRun> runs) const override {
    return device_.NextRuns(offset, max_length, runs);
  }

 private:
  static constexpr std::uint64_t kFreeBytes = std::uint64_t{2} << 30;
  static constexpr std::uint64_t kReadsPerByte = 256;
  // A slow disk reads that in some seconds. So that the signs of a long check fit in a report, the
  // more was read the rarer they are: one for a 16,384th more.
  static constexpr std::uint64_t kSignBytes = 16 << 20;
  static constexpr std::uint64_t kSignShare = 1 << 14;

  // Stops who reads too much, all workers together, and gives a sign of life now and then.
  Status Count(std::size_t bytes) const {
    const std::uint64_t read = read_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    if (read > budget_.load(std::memory_order_relaxed)) INSTAR_TRY(RaiseBudget(read));
    if (const std::uint64_t budget = budget_.load(std::memory_order_relaxed); read > budget) {
      Error error = OverLimit(
                        "the tables of the image refer to each other so often that checking it "
                        "would mean to read more than {0} bytes",
                        budget)
                        .error();
      return std::unexpected(error.On(id()));
    }
    std::uint64_t next = next_sign_.load(std::memory_order_relaxed);
    const std::uint64_t step = std::max(kSignBytes, read / kSignShare);
    if (read < next || !next_sign_.compare_exchange_strong(next, read + step)) return {};
    return signs_.Give(read);
  }

  // Counts the data of the file as far as `read` needs it, one worker at a time.
  Status RaiseBudget(std::uint64_t read) const {
    while (raising_.test_and_set(std::memory_order_acquire)) host_.Yield();
    const auto stored = stored_.CountUpTo(device_, DivideRoundUp(read - kFreeBytes, kReadsPerByte));
    if (stored) {
      budget_.store(CheckedMul(*stored, kReadsPerByte).value_or(INT64_MAX) + kFreeBytes,
                    std::memory_order_relaxed);
    }
    raising_.clear(std::memory_order_release);
    if (!stored) return std::unexpected(stored.error());
    return {};
  }

  Host& host_;
  const HostDevice& device_;
  Heartbeat& signs_;
  mutable std::atomic<std::uint64_t> budget_ = kFreeBytes;
  mutable std::atomic_flag raising_;
  mutable StoredBytes stored_;  // guarded by raising_
  mutable std::atomic<std::uint64_t> read_ = 0;
  mutable std::atomic<std::uint64_t> next_sign_ = kSignBytes;
};

class FindingReporter final : public FindingSink {
 public:
  FindingReporter(ReportSink& report, const CheckRequest& request, const ReadBudgetDevice& device,
                  Heartbeat& signs)
      : report_(report),
        repairs_(request.repair != RepairMode::kNone),
        tells_reasons_(request.repair == RepairMode::kAll),
        left_(request.max_findings),
        device_(device),
        signs_(signs) {}

  // Whether there was anything to tell.
  [[nodiscard]] bool any() const { return any_; }

  void Add(const Finding& finding) override {
    any_ = true;
    if (left_ == 0) return;
    --left_;
    Tell(report_, FindingRecord{.kind = finding.kind,
                                .text = {.message = finding.message, .numbers = finding.numbers},
                                .fix = repairs_ ? finding.fix.kind : FixKind::kNone,
                                .where = finding.fix.where,
                                .from = finding.fix.from,
                                .to = finding.fix.to,
                                .reason = tells_reasons_ && finding.fix.reason != nullptr
                                              ? finding.fix.reason
                                              : std::string_view(),
                                .name = finding.name});
  }

  void Proceed(std::uint64_t done, std::uint64_t total) override {
    if (done < next_sign_) return;
    next_sign_ = done + total / kSteps;
    // A failure stays with the report.
    (void)signs_.Give(device_.bytes_read());
  }

 private:
  static constexpr std::uint64_t kSteps = 4096;  // at most so many signs, however many passes

  ReportSink& report_;
  const bool repairs_;
  const bool tells_reasons_;
  std::uint64_t left_;
  bool any_ = false;
  const ReadBudgetDevice& device_;
  Heartbeat& signs_;
  std::uint64_t next_sign_ = 0;
};

}  // namespace

namespace {

// Checks or repairs the image on `file`, and tells how that came out; `record` says which format it
// is.
Status Run(Host& host, const CheckRequest& request, HostDevice& file, const ImageReader* reader,
           CheckRecord record) {
  RecordWriter report(host);
  Heartbeat signs(report);
  const ReadBudgetDevice device(host, file, signs);
  FindingReporter findings(report, request, device, signs);
  disk::HostWorkers workers(host);
  const bool repairs = request.repair != RepairMode::kNone;
  const auto run = [&]() -> Result<RepairCounts> {
    if (repairs && !PropertiesOf(record.format).can_be_repaired) {
      return Unsupported("images of this format cannot be repaired");
    }
    if (!repairs || !CanRepair(record.format)) {
      INSTAR_ASSIGN_OR_RETURN(
          const CheckCounts counts,
          CheckImage(
              {.device = &device, .reader = reader, .findings = &findings, .workers = &workers}));
      return RepairCounts{.left = counts};
    }
    return RepairImage({.format = record.format,
                        .image = &device,
                        .device = request.dry_run ? nullptr : &file,
                        .workers = &workers,
                        .findings = &findings,
                        .mode = request.repair});
  };
  const auto counts = run();
  record.supported = counts || counts.error().code != ErrorCode::kUnsupported;
  if (!counts && record.supported) {
    INSTAR_TRY(report.Finish());
    return std::unexpected(counts.error().On(request.image.device));
  }
  // Where nothing is wrong nothing has to be repaired.
  if (repairs && !CanRepair(record.format) && findings.any()) record.supported = false;
  if (counts) {
    static_cast<CheckCounts&>(record) = counts->left;
    record.corruptions_fixed = counts->corruptions_fixed;
    record.leaks_fixed = counts->leaks_fixed;
  }
  Tell(report, record);
  return report.Finish();
}

}  // namespace

Status RunCheck(Host& host, const CheckRequest& request) {
  const ChainOptions options{.image = request.image, .references = References::kNone};
  CheckRecord record;
  {
    INSTAR_ASSIGN_OR_RETURN(const auto chain, Chain::Open(host, options));
    const Layer& layer = chain->layers().front();
    record.format = layer.reader->format();
    record.unfit_footer = layer.unfit_footer;
    if (request.repair == RepairMode::kNone || !CanRepair(record.format)) {
      return Run(host, request, *layer.device, layer.reader.get(), record);
    }
  }
  // What is changed must not be read through what a reader has kept.
  INSTAR_ASSIGN_OR_RETURN(HostDevice file, HostDevice::Open(host, request.image.device));
  return Run(host, request, file, nullptr, record);
}

}  // namespace instar
