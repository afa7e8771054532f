// Names of image files as users give them, and what of them is a plain local path.
#ifndef LIBINSTAR_VMM_SRC_BROKER_LOCAL_PATH_H_
#define LIBINSTAR_VMM_SRC_BROKER_LOCAL_PATH_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace instar::vmm {

// Whether qemu would take `name` for "protocol:rest": a colon stands before the first slash. A
// local file of such a name has to be written "./name".
[[nodiscard]] bool HasProtocol(std::string_view name);

// The local path that a name given by the user means: itself, or what follows "file:", with "./" in
// front where that in turn looks like a protocol. Other protocols and JSON descriptions are
// refused.
absl::StatusOr<std::string> LocalPath(const std::string& name);

// OK if an image may name its backing file so: what is stored is read by the rules of references,
// which know no "file:".
absl::Status CheckStoredName(const std::string& name);

// "a/b/" of "a/b/c", empty of "c": what precedes the file's own name.
[[nodiscard]] std::string_view DirectoryPart(std::string_view path);

// The path of the file called `name` by the image at `image_path`, put together as qemu does.
[[nodiscard]] std::string CombinePath(std::string_view image_path, std::string_view name);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_LOCAL_PATH_H_
