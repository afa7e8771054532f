// Which guest image writes what. Each carries the writers and the compressor of one family of
// formats, so that none is large; the inline executor has them all in one.
#ifndef LIBINSTAR_VMM_SRC_VERBS_CONVERT_IMAGE_H_
#define LIBINSTAR_VMM_SRC_VERBS_CONVERT_IMAGE_H_

#include <string_view>

#include "formats/base/ids.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

struct WrittenImage {
  FormatId format = FormatId::kRaw;
  bool zstd = false;     // units are compressed with zstd
  bool foreign = false;  // a source is neither raw nor qcow2, or the level of zstd is a dense one
  bool keep = false;     // an existing image is written into (-n)
};

[[nodiscard]] constexpr std::string_view ConvertImageFor(const WrittenImage& written,
                                                         Isolation isolation) {
  if (isolation == Isolation::kInline) return "convert";
  if (written.format == FormatId::kVmdk) return "convert_vmdk";
  if (written.format == FormatId::kVpc || written.format == FormatId::kVhdx) return "convert_vhd";
  if (!written.zstd) return "convert";
  if (written.keep) return written.foreign ? "overwrite_zstd_foreign" : "overwrite_zstd";
  return written.foreign ? "convert_zstd_foreign" : "convert_zstd";
}

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_CONVERT_IMAGE_H_
