// The image being written: its writer, and what has to be done about zeros.
#ifndef INSTAR_CONVERT_TARGET_H_
#define INSTAR_CONVERT_TARGET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "convert/kept_content.h"
#include "disk/host_workers.h"
#include "formats/base/image_writer.h"
#include "instar/chain.h"
#include "instar/host.h"
#include "instar/requests.h"

namespace instar::convert {

enum class ZeroPolicy {
  kLeaveOut,  // what is never placed reads as zeros
  kExplicit,  // something else would show: say that it is zeros
  kAsData,    // -S 0: store them
};

class Target {
 public:
  // Checks everything that can be checked before the target is touched. `size_bytes` is the virtual
  // size of the sources; `workers` compress at once.
  static Result<std::unique_ptr<Target>> Open(Host& host, const ConvertRequest& request,
                                              std::uint64_t size_bytes, unsigned workers);

  // Empties the target, unless it is kept (-n).
  Status Begin();
  Status Finish();

  [[nodiscard]] ImageWriter& writer() const { return *writer_; }
  [[nodiscard]] DeviceId id() const { return device_->id(); }
  [[nodiscard]] std::uint64_t unit_bytes() const { return writer_->unit_bytes(); }

  // Whether the virtual disk is the file, so that allocating costs nothing and zeroing a stretch is
  // a step like copying one.
  [[nodiscard]] bool is_flat() const { return flat_; }

  // Whether it is a pipe, so that data has to be moved in the order of the disk.
  [[nodiscard]] bool appends_only() const { return device_->appends_only(); }

  // Whether zeros inside what was placed need not be written.
  [[nodiscard]] bool placed_reads_zero() const {
    return sparse_ && ((assume_zero_ && flat_) || writer_->placed_reads_zero());
  }

  // What to do about zeros at virtual `offset`.
  [[nodiscard]] ZeroPolicy ZerosAt(std::uint64_t offset) const;
  // The next offset above `offset` where ZerosAt may differ.
  [[nodiscard]] std::uint64_t NextZeroChange(std::uint64_t offset) const;

 private:
  Status OpenBacking(Host& host, const ConvertRequest& request);
  Result<std::unique_ptr<ImageWriter>> MakeWriter(const ConvertRequest& request,
                                                  std::uint64_t size_bytes, unsigned workers);

  std::unique_ptr<HostDevice> device_;
  std::unique_ptr<HostDevice> data_file_;
  std::vector<std::unique_ptr<HostDevice>> extents_;
  std::unique_ptr<Chain> backing_;
  std::unique_ptr<KeptContent> content_;              // with -n
  std::unique_ptr<disk::HostWorkers> table_workers_;  // likewise
  std::unique_ptr<ImageWriter> writer_;
  // With a backing file: where it ends; beyond, what is never placed reads as zeros.
  std::optional<std::uint64_t> backing_bytes_;
  bool flat_ = false;
  bool keep_ = false;
  bool assume_zero_ = false;
  bool sparse_ = true;
};

}  // namespace instar::convert

#endif  // INSTAR_CONVERT_TARGET_H_
