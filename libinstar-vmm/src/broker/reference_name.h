// The lexical half of the reference gate: what a name in an image may mean, decided without
// touching the file system, so that a refusal depends on nothing that lies there.
#ifndef LIBINSTAR_VMM_SRC_BROKER_REFERENCE_NAME_H_
#define LIBINSTAR_VMM_SRC_BROKER_REFERENCE_NAME_H_

#include <sys/stat.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/device_table.h"
#include "instar/requests.h"

namespace instar::vmm {

// Why no policy could allow `name`: it is empty, too long, holds a NUL or names a protocol. Null if
// it is a plain local path. Static text that continues "'NAME' ...".
[[nodiscard]] const char* WhyNotPlainPath(std::string_view name);

// An absolute path without "." and "..", as far as the text tells (symbolic links are not known).
[[nodiscard]] std::string NormalizePath(std::string_view absolute);

// Whether no prefix of the relative path leaves the directory it starts in.
[[nodiscard]] bool StaysInside(std::string_view relative);

// A directory that references may lie in, or one file of it that the user named.
struct ReferenceRoot {
  OwnedFd fd;                  // O_PATH
  std::string given_path;      // absolute, normalized
  std::string real_path;       // absolute, without symbolic links
  bool for_all_images = true;  // named by the user; else only for images of the chain it belongs to
  std::string only_file;       // set: nothing but the file of this name is allowed
  OwnedFd file;                // O_PATH, of only_file
  FileIdentity named = {};     // what the user named, if it is for all images
  std::vector<struct stat> way = {};  // the directory and all above it, where that matters
};

struct ResolvedReference {
  std::size_t root = 0;
  std::string relative_path;  // beneath the root; not normalized where that may change its meaning
  bool hidden = false;        // a name in relative_path is hidden, and the user has not named it
};

// Which root the file lies in that the image at `location` calls `name` (a plain path), and where
// in it; nothing if it is in none that this image may refer to. Where it lies in several, one comes
// first in which no name on the way is hidden. Relative names start in the directory of the image.
// The kernel resolves what remains (RESOLVE_BENEATH), so "a/../b" keeps its meaning where a is a
// symbolic link; only a name that steps out of its root and into another is normalized first.
[[nodiscard]] std::optional<ResolvedReference> ResolveReference(
    const ReferenceLocation& location, std::string_view name, std::span<const ReferenceRoot> roots);

// Whether `file` is called like a part of the image `image`, both without directory. For
// "disk.vmdk" the extents "disk-flat.vmdk", "disk-f001.vmdk" and "disk-s001.vmdk", with any number;
// for "disk.qcow2" the data file "disk.raw", with any last extension. No image has a part that is a
// backing file.
[[nodiscard]] bool IsPartName(std::string_view file, std::string_view image, ReferenceRole role);

// Whether what the image at `image` names is a part of it that lies beside it, and the image's own
// name is hidden too. For example ".disk-flat.vmdk" of ".disk.vmdk": whoever opens the image means
// its parts as well.
[[nodiscard]] bool IsOwnHiddenPart(const ReferenceLocation& image, const ResolvedReference& part,
                                   ReferenceRole role);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_REFERENCE_NAME_H_
