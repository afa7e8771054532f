// The verb `convert`, sandboxed.
#ifndef INSTAR_VMM_CONVERT_H_
#define INSTAR_VMM_CONVERT_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "instar/vmm/image_spec.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

// As qemu-img's -t and -T.
enum class CacheMode { kWriteback, kWritethrough, kNone, kDirectsync, kUnsafe };

// An internal snapshot: by either of its labels, or by all of those that are stated. Empty: what
// the image holds now.
struct SnapshotChoice {
  std::string id_or_name;  // the ID, or where no snapshot has it, the name
  std::string id;
  std::string name;
};

// A stretch of the source's disk, in bytes; as much of it as there is.
struct DiskWindow {
  std::uint64_t start = 0;
  std::uint64_t end = ~std::uint64_t{0};
};

// Sources and target may be pipes: FIFOs, "-" for standard input and output, /dev/stdin,
// /dev/stdout and /dev/fd/N. Those that are read must be raw, and source_format say so; those that
// are written take the formats that are written from start to end only: raw, vmdk with
// subformat=streamOptimized, vpc with subformat=fixed. Nothing else may be printed to standard
// output where the target goes there, and SIGPIPE should be ignored, so that a reader who goes away
// is an error and not the end of the process. A file called "-" is "./-".
inline constexpr std::uint64_t kDefaultZeroRunBytes = 4096;

struct ConvertOptions {
  std::vector<ImageSpec> sources;  // concatenated
  SnapshotChoice snapshot;         // -l
  std::string target;
  std::string target_format = "raw";
  std::optional<RawWindow> target_window;  // of a raw target that is kept: what to write into
  std::string target_options;              // -o, joined by ','
  std::string backing_file;                // -B
  std::string backing_format;              // -F
  bool compress = false;
  bool keep_target = false;  // -n
  bool target_is_zero = false;
  bool salvage = false;
  bool bitmaps = false;
  bool skip_broken_bitmaps = false;
  bool out_of_order = false;  // -W
  // -C: blocks may be shared with the source also where a target that is kept has storage of its
  // own already, which it then gives up. Elsewhere they are in any case.
  bool copy_offloading = false;
  bool force_share = false;  // -U
  // The identities of a vmdk, vpc or vhdx target follow from the content of the disk, which is read
  // once more for that; equal disks give equal images. False: they are random.
  bool reproducible = false;
  DiskWindow window;  // what to copy, of a single source
  // -S, a multiple of 512; 0: write everything. Where it is not said, it is kDefaultZeroRunBytes,
  // but files that can share blocks share those of zeros, too.
  std::optional<std::uint64_t> zero_run_bytes;
  std::uint64_t rate_limit_bytes_per_second = 0;  // -r; 0: none
  CacheMode source_cache = CacheMode::kWriteback;
  CacheMode target_cache = CacheMode::kUnsafe;  // qemu-img convert's default
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // may be empty; bytes
  SandboxOptions sandbox;
};

struct ConvertReport {
  Isolation isolation = Isolation::kAuto;
  std::vector<std::string> warnings;  // e.g. ranges --salvage could not read, each one line
};

// Whether what is written to `target` goes to standard output.
[[nodiscard]] bool WritesStandardOutput(const std::string& target);

// Error codes as Info. On failure a target that this call created is removed; a source is never
// changed.
absl::StatusOr<ConvertReport> Convert(const ConvertOptions& options);

}  // namespace instar::vmm

#endif  // INSTAR_VMM_CONVERT_H_
